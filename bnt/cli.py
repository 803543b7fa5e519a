"""The ``bnt`` command. Exit code 0: good; 1: a check failed; 2: bad input, said in one line on stderr."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from bnt import __version__
from bnt.errors import BntError, EvidenceError, TooLargeError
from bnt.graph.factor_graph import FactorGraph
from bnt.graph.networks import BUILT_IN, load_graph

if TYPE_CHECKING:
    from bnt.inference.posterior import Posterior

MEANING = {
    "exact": "exact",
    "approximate": "approximate: converged, but loops in the graph (or mean field) make the messages inexact",
    "not converged": "not converged: the messages still change, so these numbers are no answer",
    "prior": "prior: exact, and the evidence does not reach what was asked",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``bnt`` with these arguments (default: sys.argv) and return its exit code."""
    arguments = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name outside the terminal's alphabet must not end in a traceback
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]  # it takes whatever it is given
            code = int(arguments.run(arguments))
        sys.stdout.flush()
        return code
    except TooLargeError as error:
        print(f"bnt: {error}".replace("memory_limit", "--memory-mb"), file=sys.stderr)  # as it is called here
        return 2
    except BntError as error:
        print(f"bnt: {error}", file=sys.stderr)
        return 2
    except CheckFailed as error:
        print(f"bnt: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bnt: interrupted", file=sys.stderr)
        return 130  # the shell's code for SIGINT
    except BrokenPipeError:  # the reader of our output has left, as in `bnt posterior asia | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # the shell's code for SIGPIPE
    except OSError as error:  # a folder to write to that is a file, or closed to us
        from bnt.grading.commands import told

        print(f"bnt: {told(error)}", file=sys.stderr)
        return 2


class CheckFailed(Exception):
    """A check did not hold: exit code 1."""


class _Parser(argparse.ArgumentParser):
    """argparse with errors on one line; subparsers inherit it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _show_warning(message: Warning | str, *details: Any) -> None:
    print(f"bnt: warning: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    from bnt import course
    from bnt.grading.commands import add_commands, whole

    parser = _Parser(prog="bnt", description="Bayesian networks, belief propagation, and the transformer that runs it.")
    parser.add_argument("--version", action="version", version=f"bnt {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    network = _Parser(add_help=False)
    names = ", ".join(BUILT_IN)
    network.add_argument("network", metavar="NETWORK", help=f"a BIF, UAI or XMLBIF file, or one of: {names}")
    network.add_argument(
        "--evidence", action="append", default=[], metavar="VAR=STATE", help="or a .evid file; may be repeated"
    )
    network.add_argument("--json", action="store_true", help="print JSON")

    posterior = commands.add_parser("posterior", parents=[network], help="marginals or a most probable assignment")
    posterior.add_argument("--query", action="append", default=[], metavar="VAR", help="default: every variable")
    posterior.add_argument(
        "--method",
        choices=("auto", "bp", "transformer", "exact", "trw", "mean-field"),
        default="auto",
        help="auto: exact where a junction tree fits the memory, else belief propagation; trw: tree-reweighted",
    )
    posterior.add_argument("--memory-mb", type=whole, metavar="N", help="that exact tables may take (default: 256)")
    posterior.add_argument("--mode", choices=("sum", "max"), default="sum", help="marginals, or max-marginals and MAP")
    posterior.add_argument("--record", metavar="FILE", help="keep the answer in a new .html or .json file")
    posterior.set_defaults(run=run_posterior)

    replay = commands.add_parser("replay", help="compute a record again: does it hold?")
    replay.add_argument("record", metavar="RECORD", help="a .json or .html file that posterior --record has written")
    replay.set_defaults(run=run_replay)

    verify = commands.add_parser("verify", parents=[network], help="compile a transformer and check every message")
    constructions = ("auto", "pairwise", "general", "junction-tree", "tree-reweighted", "mean-field", "rotary")
    verify.add_argument("--construction", choices=constructions, default="auto")
    verify.add_argument("--rounds", type=whole, metavar="N", help="rounds of belief propagation = layers - 1")
    verify.add_argument("--memory-mb", type=whole, metavar="N", help="that a forward pass may take (default: 2048)")
    verify.set_defaults(run=run_verify)

    claims = commands.add_parser("claims", help="the claims ledger: run the check behind every verdict")
    claims.add_argument("--full", action="store_true", help="more seeds and sizes: minutes")
    claims.add_argument("--id", action="append", metavar="ID", help="only this row; may be repeated")
    claims.add_argument("--verdict", metavar="V", help='only rows with this verdict, such as "false"')
    claims.add_argument("--how", metavar="H", help='only rows known in this way, such as "rocq" or "measured"')
    claims.add_argument("--html", metavar="FILE", help="write the rows as a page, too, into a new file")
    claims.add_argument("--json", action="store_true", help="print JSON")
    claims.set_defaults(run=run_claims)

    add_commands(commands)
    course.add_commands(commands)
    return parser


def read_evidence(graph: FactorGraph, items: Sequence[str]) -> dict[str, str]:
    """``["HR=HIGH", ...]`` as {variable: state}. The first ``=`` that leaves a variable's name is the separator.

    What ends in .evid is a file of evidence as the UAI competitions have it.
    Raises EvidenceError: no ``=``, or one variable in two states; UnknownVariableError, UnknownStateError; FormatError.
    """
    evidence: dict[str, str] = {}
    for item in [one for given in items for one in _from_file(graph, given)]:
        cuts = [i for i, character in enumerate(item) if character == "="]
        if not cuts:
            raise EvidenceError(f"--evidence {item!r} must have the form VAR=STATE")
        cut = next((i for i in cuts if item[:i] in graph.index), cuts[0])
        name, state = item[:cut], item[cut + 1 :]
        graph.variable(name).state_index(state)
        if evidence.setdefault(name, state) != state:
            raise EvidenceError(f"contradictory evidence: {name!r} cannot be both {evidence[name]!r} and {state!r}")
    return evidence


def _from_file(graph: FactorGraph, item: str) -> list[str]:
    """``VAR=STATE`` for all that a .evid file observes; anything else as it is."""
    if not item.endswith((".evid", ".evid.gz")) or any(item.startswith(f"{name}=") for name in graph.index):
        return [item]
    from bnt.graph import uai

    return [f"{name}={state}" for name, state in uai.read_evidence(item, graph).items()]


def run_posterior(arguments: argparse.Namespace) -> int:
    """``bnt posterior``: beliefs of the queried variables with their status."""
    graph = load_graph(arguments.network)
    evidence = read_evidence(graph, arguments.evidence)
    asked = list(dict.fromkeys(arguments.query)) or list(graph.index)
    for name in asked:
        graph.position(name)
    answer = _answer(graph, evidence, asked, arguments)
    if answer.support == "unchecked":
        warnings.warn("could not rule out that this evidence has probability zero", stacklevel=2)
    if arguments.record:
        answer.record(arguments.record)
    method = answer.method.partition(",")[0]  # which construction a transformer had is told by verify
    assignment = answer.map_assignment and {name: answer.map_assignment[name] for name in asked}
    if arguments.json:
        _print_json(
            {
                "network": arguments.network,
                "method": method,
                "mode": arguments.mode,
                "status": answer.status,
                "converged": answer.converged,
                "rounds": answer.rounds,
                "evidence": evidence,
                "beliefs": {name: answer.beliefs[name] for name in asked},
                "map": assignment or None,
            }
        )
        return 0
    print(f"{arguments.network}: {len(graph.variables)} variables, method {method}, mode {arguments.mode}")
    print("evidence: " + (", ".join(f"{name}={state}" for name, state in evidence.items()) or "none"))
    print("status:   " + MEANING[answer.status] + (f" ({answer.rounds} rounds)" if answer.rounds is not None else ""))
    print()
    width = max(map(len, asked))
    for name in asked:
        states = "   ".join(f"{state} {p:.6f}" for state, p in answer.beliefs[name].items())
        note = "   observed" if name in evidence else f"   MAP {assignment[name]}" if assignment else ""
        print(f"{name:<{width}}   {states}{note}")
    return 0


def _answer(graph: FactorGraph, evidence: dict[str, str], asked: list[str], arguments: argparse.Namespace) -> Posterior:
    from bnt.checks import MEMORY_LIMIT
    from bnt.inference.posterior import posterior

    if arguments.memory_mb is not None and arguments.method not in ("auto", "exact"):
        raise BntError(f"--memory-mb bounds exact tables: give it with --method auto or exact, not {arguments.method}")
    if arguments.method != "transformer":
        limit = MEMORY_LIMIT if arguments.memory_mb is None else arguments.memory_mb * 2**20
        return posterior(graph, evidence, asked, arguments.method, arguments.mode, memory_limit=limit)
    from bnt.compiler.posterior import DisagreementError, transformer_posterior

    try:
        return transformer_posterior(graph, evidence, asked, mode=arguments.mode)
    except DisagreementError as error:
        raise CheckFailed(str(error)) from None


def run_verify(arguments: argparse.Namespace) -> int:
    """``bnt verify``: 0 if the transformer equals its belief propagation in every message and round, else 1."""
    from bnt.compiler.compile import FORWARD_LIMIT, compile_graph
    from bnt.compiler.verify import verify_model

    graph = load_graph(arguments.network)
    evidence = read_evidence(graph, arguments.evidence)
    limit = FORWARD_LIMIT if arguments.memory_mb is None else arguments.memory_mb * 2**20
    model = compile_graph(
        graph, evidence, rounds=arguments.rounds, construction=arguments.construction, memory_limit=limit
    )
    report = verify_model(model)
    if arguments.json:
        keys = (
            "construction variables tokens d_model heads layers max_message_error max_belief_error "
            "bp_vs_exact transformer_vs_exact status seconds"
        )
        _print_json({"network": arguments.network, **{key: getattr(report, key) for key in keys.split()}})
    else:
        print(f"{arguments.network}: {report}")
    return 0 if report.holds else 1


def run_replay(arguments: argparse.Namespace) -> int:
    """``bnt replay``: 0 if the record holds, else 1."""
    from bnt.records.replay import replay

    found = replay(arguments.record)
    print(f"{arguments.record}: {found}")
    return 0 if found.holds else 1


def run_claims(arguments: argparse.Namespace) -> int:
    """``bnt claims``: 0 if every check agrees with its verdict, else 1; rows are printed as they finish."""
    from tqdm import tqdm

    from bnt.claims.render import as_page, as_text, summary
    from bnt.claims.run import chosen, stream

    rows, results = chosen(arguments.id, arguments.verdict, arguments.how), []
    if arguments.html:
        not_there_yet(arguments.html)  # better asked before minutes of checks
    with tqdm(rows, unit="row", leave=False, disable=None) as bar:  # on a terminal: how many are done, which one runs
        bar.set_description(rows[0].id if rows else "")
        for result in stream(rows, arguments.full):
            results.append(result)
            if not arguments.json:
                bar.write(as_text(result), file=sys.stdout)
                sys.stdout.flush()
            bar.update()
            bar.set_description(rows[len(results)].id if len(results) < len(rows) else "")
    if arguments.html:
        with open(arguments.html, "x", encoding="utf-8") as page:
            page.write(as_page(results))
    if arguments.json:
        _print_json([result._asdict() for result in results])
    else:
        print("\n".join(summary(results)))
    return 0 if all(result.holds for result in results) else 1


def not_there_yet(path: str) -> None:
    """Raises BntError where a file of this name would replace one; OSError where none can be written there."""
    if os.path.lexists(path):
        raise BntError(f"{path} is there already, and nothing is overwritten: give another name")
    open(path, "x").close()
    os.unlink(path)


def _print_json(content: object) -> None:
    print(json.dumps(content, indent=2, allow_nan=False))
