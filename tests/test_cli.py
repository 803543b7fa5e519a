"""The command line: JSON keys, exit codes, and a full table of bad inputs, each refused in one line."""

import gzip
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import bnt
from bnt.cli import main, read_evidence
from bnt.graph import uai
from bnt.graph.networks import load_graph
from tests.patience import PATIENCE

REPO = Path(__file__).resolve().parent.parent
BNT = [sys.executable, "-c", "import sys; from bnt.cli import main; sys.exit(main())"]

POSTERIOR_KEYS = ["network", "method", "mode", "status", "converged", "rounds", "evidence", "beliefs", "map"]
VERIFY_KEYS = [
    "network", "construction", "variables", "tokens", "d_model", "heads", "layers", "max_message_error",
    "max_belief_error", "bp_vs_exact", "transformer_vs_exact", "status", "seconds",
]  # fmt: skip

GOOD = """\
network g {
}
variable a {
  type discrete [ 2 ] { yes, no };
}
variable b {
  type discrete [ 2 ] { yes, no };
}
probability ( a ) {
  table 0.5, 0.5;
}
probability ( b | a ) {
  (yes) 1.0, 0.0;
  (no) 0.2, 0.8;
}
"""


def run(*arguments: object) -> int:
    """The exit code, whether main returns it or argparse raises it."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)


def output(capsys, *arguments: object) -> dict:
    assert run(*arguments, "--json") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


# Good input


@pytest.mark.parametrize("method", ["bp", "exact", "transformer"])
def test_posterior_json_has_the_promised_keys_and_numbers(method, capsys):
    answer = output(capsys, "posterior", "chain", "--evidence", "x0=1", "--method", method)
    assert list(answer) == POSTERIOR_KEYS
    assert answer["network"] == "chain"
    assert (answer["method"], answer["mode"], answer["status"]) == (method, "sum", "exact")
    assert answer["evidence"] == {"x0": "1"}
    assert answer["map"] is None
    assert (answer["rounds"] is None) == (answer["converged"] is None) == (method == "exact")
    exact = bnt.exact_marginals(load_graph("chain"), {"x0": "1"}).beliefs
    assert list(answer["beliefs"]) == list(exact)
    for name, states in answer["beliefs"].items():
        assert states == pytest.approx(exact[name], abs=1e-12)


@pytest.mark.parametrize("method", ["bp", "exact", "transformer"])
def test_max_mode_finds_the_most_probable_assignment(method, capsys):
    answer = output(capsys, "posterior", "random_tree", "--mode", "max", "--method", method, "--evidence", "x3=0")
    best = max(every_assignment("random_tree", x3="0"), key=lambda pair: pair[0])[1]
    assert answer["map"] == best


def every_assignment(name: str, **observed: str):
    graph = load_graph(name)
    for place in np.ndindex(*(v.cardinality for v in graph.variables)):
        states = {v.name: v.states[i] for v, i in zip(graph.variables, place, strict=True)}
        if observed.items() <= states.items():
            scores = (f.log_table[tuple(place[i] for i in s)] for f, s in zip(graph.factors, graph.scopes, strict=True))
            yield sum(scores), states


def test_query_restricts_the_answer_and_its_status(capsys):
    asked = ("--query", "tub", "--query", "asia", "--evidence", "smoke=yes")
    answer = output(capsys, "posterior", "asia", "--method", "bp", *asked)
    assert list(answer["beliefs"]) == ["tub", "asia"]
    assert answer["status"] == "prior"  # no active path from smoke; and the ancestors form a forest
    assert answer["beliefs"]["tub"]["yes"] == pytest.approx(0.0104, abs=1e-15)
    exact = ("posterior", "asia", "--method", "exact", "--evidence", "smoke=yes")
    assert output(capsys, *exact, "--query", "tub")["status"] == "prior"
    assert output(capsys, *exact, "--query", "tub", "--query", "dysp")["status"] == "exact"


def test_auto_is_exact_where_the_tables_fit_and_says_which_method_answered(capsys):
    exact = output(capsys, "posterior", "asia", "--evidence", "xray=yes")
    assert (exact["method"], exact["status"], exact["rounds"]) == ("exact", "exact", None)
    assert exact == {**output(capsys, "posterior", "asia", "--evidence", "xray=yes", "--method", "exact")}
    loopy = output(capsys, "posterior", "grid", "--memory-mb", 0)
    assert (loopy["method"], loopy["status"]) == ("bp", "approximate")
    assert run("posterior", "grid", "--memory-mb", 0) == 0
    assert "method bp" in capsys.readouterr().out
    refused(capsys, "the limit is 0 bytes (--memory-mb raises it)", *GRID_IN_NOTHING)
    for method in ("bp", "transformer", "trw", "mean-field"):
        refused(capsys, f"auto or exact, not {method}", "posterior", "grid", "--memory-mb", "9", "--method", method)


GRID_IN_NOTHING = ("posterior", "grid", "--memory-mb", "0", "--method", "exact")


def test_loops_are_never_called_exact(capsys):
    for network in ("asia", "survey", "sprinkler", "grid"):
        assert output(capsys, "posterior", network, "--method", "bp")["status"] in ("approximate", "not converged")


def test_verify_json_has_the_promised_keys(capsys):
    report = output(capsys, "verify", "random_tree", "--rounds", 9)
    assert list(report) == VERIFY_KEYS
    assert report["construction"] == "pairwise"
    assert (report["variables"], report["layers"], report["status"]) == (8, 10, "exact")
    for key in ("max_message_error", "max_belief_error", "bp_vs_exact", "transformer_vs_exact"):
        assert 0 <= report[key] <= 1e-12


def test_verify_holds_on_a_loopy_graph_because_the_transformer_equals_its_bp(capsys):
    report = output(capsys, "verify", "grid", "--construction", "pairwise")
    assert report["max_message_error"] <= 1e-12
    assert report["bp_vs_exact"] > 1e-6
    assert report["status"] in ("approximate", "not converged")


def test_verify_exits_with_1_when_the_transformer_differs(capsys, monkeypatch):
    monkeypatch.setattr("bnt.compiler.verify.Report.holds", False)
    assert run("verify", "chain") == 1
    monkeypatch.setattr("bnt.compiler.posterior.AGREEMENT", -1.0)
    assert run("posterior", "chain", "--method", "transformer") == 1
    assert capsys.readouterr().err.startswith("bnt: transformer, pairwise construction: off by ")


def test_readable_output(capsys):
    assert run("posterior", "asia", "--evidence", "xray=yes", "--method", "bp") == 0
    text = capsys.readouterr().out
    assert "status:   approximate" in text
    assert "evidence: xray=yes" in text
    assert "tub      yes 0.0924" in text
    assert run("verify", "star") == 0
    assert "status: exact   holds" in capsys.readouterr().out


def test_alarm_is_approximate_by_belief_propagation(capsys, benchmark_networks):
    asked = ("posterior", benchmark_networks / "alarm.bif.gz", "--evidence", "HR=HIGH", "--method", "bp", "--json")
    assert run(*asked) == 0
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert answer["status"] == "approximate"
    assert answer["beliefs"]["HR"]["HIGH"] == 1.0
    (line,) = printed.err.splitlines()  # the one warning of this file
    assert line.startswith("bnt: warning: ")
    assert "renormalised 6 columns" in line


STEMS = "alarm andes asia cancer child earthquake hailfinder hepar2 insurance munin1 pigs sachs survey"


@pytest.mark.parametrize("stem", STEMS.split())
def test_every_benchmark_network_is_answered(stem, capsys, benchmark_networks):
    assert run("posterior", benchmark_networks / f"{stem}.bif.gz", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["method"] == ("bp" if stem == "munin1" else "exact")
    assert (answer["status"] == "exact") == (stem != "munin1")
    for states in answer["beliefs"].values():
        assert sum(states.values()) == pytest.approx(1, abs=1e-12)


def test_evidence_may_contain_equal_signs():
    graph = bnt.FactorGraph([bnt.Variable("a", (">=7", "x")), bnt.Variable("b=c", ("y=z", "x"))], [])
    assert read_evidence(graph, ["a=>=7", "b=c=y=z"]) == {"a": ">=7", "b=c": "y=z"}
    assert read_evidence(graph, ["a=x", "a=x"]) == {"a": "x"}


# Bad input: exit code 2, one line on stderr, nothing on stdout

FILES = {
    "good.bif": GOOD.encode(),
    "sum.bif": GOOD.replace("0.2, 0.8", "0.2, 0.7").encode(),
    "negative.bif": GOOD.replace("0.2, 0.8", "1.2, -0.2").encode(),
    "nan.bif": GOOD.replace("0.2, 0.8", "nan, 0.8").encode(),
    "infinite.bif": GOOD.replace("0.2, 0.8", "0.2, inf").encode(),
    "malformed.bif": GOOD.replace("type discrete", "typo discrete").encode(),
    "truncated.bif": GOOD[:-20].encode(),
    "cycle.bif": GOOD.replace("( a ) {\n  table", "( a | b ) {\n  default").encode(),
    "duplicate.bif": GOOD.replace("variable b", "variable a").encode(),
    "parent.bif": GOOD.replace("b | a", "b | z").encode(),
    "row.bif": GOOD.replace("  (no) 0.2, 0.8;\n", "").encode(),
    "count.bif": GOOD.replace("0.2, 0.8", "0.2, 0.3, 0.5").encode(),
    "word.bif": GOOD.replace("0.2, 0.8", "0.2, most").encode(),
    "latin.bif": GOOD.replace("yes", "ä").encode("latin-1"),
    "empty.bif": b"",
    "garbage.bif": bytes(range(255, -1, -1)) * 20,
    "zeros.bif": b"\0" * 100,
    "garbage.bif.gz": b"\x1f\x8b" + bytes(range(200)),
    "truncated.bif.gz": gzip.compress(GOOD.encode())[:60],
}

BAD = {
    # the model
    "CPT does not sum to one": (["sum.bif"], "sum.bif:14: P(b | a=no) sums to 0.9, off by 0.1"),
    "negative": (["negative.bif"], "negative.bif:14: P(b=no | a=no) is -0.2"),
    "NaN": (["nan.bif"], "nan.bif:14: P(b=yes | a=no) is nan"),
    "infinite": (["infinite.bif"], "infinite.bif:14: P(b=no | a=no) is inf"),
    "cycle": (["cycle.bif"], "the arcs form a cycle"),
    "duplicate variable": (["duplicate.bif"], "duplicate.bif:6: variable 'a' is declared twice"),
    "unknown parent": (["parent.bif"], "parent.bif:12: 'z' is no declared variable"),
    "missing row": (["row.bif"], "row.bif:14: the probability block of 'b' has no row P(b | a=no)"),
    "wrong count": (["count.bif"], "count.bif:14: the row P(b | a=no) has 3 numbers, expected 2"),
    "no number": (["word.bif"], "word.bif:14: expected a number or ';'"),
    # the file
    "malformed": (["malformed.bif"], "malformed.bif:4: expected 'property' or '}'"),
    "truncated": (["truncated.bif"], "truncated.bif:13: the file ends inside"),
    "not UTF-8": (["latin.bif"], "latin.bif:4: not UTF-8"),
    "empty": (["empty.bif"], "empty.bif: the file is empty"),
    "garbage": (["garbage.bif"], "not UTF-8"),
    "zero bytes": (["zeros.bif"], "zeros.bif:1: expected"),
    "corrupt gzip": (["garbage.bif.gz"], "corrupt or truncated gzip"),
    "truncated gzip": (["truncated.bif.gz"], "corrupt or truncated gzip"),
    "directory": (["folder"], "is a directory"),
    "missing file": (["absent.bif"], "absent.bif: no such file"),
    "missing folder": (["absent/net.bif.gz"], "no such file"),
    "unknown network": (["assia"], "did you mean 'asia'?"),
    "no name": ([""], "no built-in network is called ''"),
    # evidence and query
    "no equal sign": (["good.bif", "--evidence", "a"], "must have the form VAR=STATE"),
    "empty evidence": (["good.bif", "--evidence", ""], "must have the form VAR=STATE"),
    "no variable": (["good.bif", "--evidence", "=yes"], "'' is no variable of this model"),
    "unknown variable": (["good.bif", "--evidence", "c=yes"], "'c' is no variable of this model; valid: a, b"),
    "unknown state": (["good.bif", "--evidence", "a=yess"], "'yess' is no state of variable 'a'; did you mean 'yes'"),
    "empty state": (["good.bif", "--evidence", "a="], "'' is no state of variable 'a'"),
    "contradiction": (
        ["good.bif", "--evidence", "a=yes", "--evidence", "a=no"],
        "contradictory evidence: 'a' cannot be both 'yes' and 'no'",
    ),
    "impossible evidence": (["good.bif", "--evidence", "a=yes", "--evidence", "b=no"], "probability zero: a=yes, b=no"),
    "impossible by a gate": (
        ["dating", "--evidence", "date=yes", "--evidence", "jack_likes_jill=no"],
        "probability zero",
    ),
}
EVERYWHERE = list(BAD)
BAD |= {
    "unknown query": (["good.bif", "--query", "aa"], "'aa' is no variable of this model"),
    "unknown method": (["good.bif", "--method", "magic"], "invalid choice: 'magic'"),
    "unknown mode": (["good.bif", "--mode", "mean"], "invalid choice: 'mean'"),
    "unknown option": (["good.bif", "--colour"], "unrecognized arguments: --colour"),
    "no network": ([], "the following arguments are required: NETWORK"),
}


@pytest.fixture
def bad_files(tmp_path, monkeypatch):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)


def refused(capsys, message: str, *arguments: object) -> None:
    assert run(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("bnt")
    assert message in line


@pytest.mark.parametrize("case", BAD)
def test_posterior_refuses(case, bad_files, capsys):
    arguments, message = BAD[case]
    refused(capsys, message, "posterior", *arguments)


@pytest.mark.parametrize("case", EVERYWHERE)
@pytest.mark.parametrize("method", ["exact", "transformer"])
def test_every_method_refuses_the_same(case, method, bad_files, capsys):
    arguments, message = BAD[case]
    refused(capsys, message, "posterior", *arguments, "--method", method)


@pytest.mark.parametrize("case", EVERYWHERE)
def test_verify_refuses(case, bad_files, capsys):
    arguments, message = BAD[case]
    refused(capsys, message, "verify", *arguments)


@pytest.mark.parametrize("rounds", ["-1", "2.5", "many", ""])
def test_verify_refuses_rounds_that_are_no_whole_number(rounds, capsys):
    refused(capsys, "--rounds: must be a whole number >= 0", "verify", "chain", "--rounds", rounds)


@pytest.mark.parametrize("construction", ["auto", "pairwise", "general", "junction-tree"])
def test_every_construction_of_the_contract_is_accepted_or_refused_in_one_line(construction, capsys):
    code = run("verify", "cancer", "--evidence", "Cancer=True", "--construction", construction)
    printed = capsys.readouterr()
    assert (code, len(printed.err.splitlines())) in ((0, 0), (2, 1))


def test_a_construction_that_does_not_cover_the_network_says_why(capsys):
    refused(capsys, "has 3 unobserved variables", "verify", "asia", "--construction", "pairwise")
    refused(capsys, "has 3 states", "verify", "survey", "--construction", "pairwise")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "invalid choice: 'nonsense'"),
        ([], "required: COMMAND"),
        (["posterior", "asia", "--evidence"], "expected one argument"),
        (["verify", "chain", "--rounds", "99999999999"], "99999999999 rounds"),
        (["grade", "x.ipynb", "x.ipynb", "--out", "x", "--seed", "-1"], "--seed: must be a whole number >= 0"),
        (["release", "x.ipynb", "--out", "x", "--seed", "one"], "--seed: must be a whole number >= 0"),
        (["release", ".", "--out", "x"], ".: is a folder; name its notebooks"),
    ],
)
def test_bad_commands(arguments, message, capsys):
    refused(capsys, message, *arguments)


def test_a_folder_to_write_to_that_is_a_file(tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.write_text("a file")
    source = REPO / "solutions" / "01_evidence_adds.ipynb"
    refused(capsys, f"{taken}: file exists", "release", source, "--out", taken, "--quick")
    refused(capsys, "not a directory", "grade", source, tmp_path, "--out", taken)


# Real processes


def process(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BNT, *arguments], capture_output=True, text=True, timeout=120 * PATIENCE, check=False, **options
    )


@pytest.mark.parametrize("case", ["CPT does not sum to one", "truncated", "garbage", "directory", "unknown option"])
def test_bad_input_in_a_real_process(case, bad_files):
    arguments, message = BAD[case]
    done = process("posterior", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


def test_json_alone_on_stdout_of_a_real_process():
    done = process("posterior", "asia", "--evidence", "xray=yes", "--json")
    assert done.returncode == 0
    assert list(json.loads(done.stdout)) == POSTERIOR_KEYS
    assert done.stderr == ""


def test_names_outside_the_terminals_alphabet(tmp_path):
    path = tmp_path / "net.bif"
    path.write_text(GOOD.replace("yes", "jäh"), encoding="utf-8")
    done = process("posterior", str(path), env={"PYTHONIOENCODING": "ascii", "HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "j\\xe4h" in done.stdout


def test_a_reader_that_leaves_early_is_no_error():
    done = subprocess.run(
        f"'{sys.executable}' -c '{BNT[2]}' posterior asia --json | true; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, timeout=120 * PATIENCE, check=False,
    )  # fmt: skip
    assert done.stdout.strip() in ("0", "141")  # written before the pipe closed, or after
    assert done.stderr == ""


def test_interruption_is_one_line():
    code = "import bnt.cli, time; bnt.cli.run_posterior = lambda a: (print('ready', flush=True), time.sleep(60)); "
    child = subprocess.Popen(
        [sys.executable, "-c", code + "raise SystemExit(bnt.cli.main(['posterior', 'asia']))"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=30 * PATIENCE)
    assert (child.returncode, error) == (130, "bnt: interrupted\n")


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"bnt {bnt.__version__}\n"


def test_every_construction_can_be_asked_for(capsys):
    from bnt.compiler.compile import CONSTRUCTIONS

    with pytest.raises(SystemExit):
        main(["verify", "--help"])
    assert f"{{auto,{','.join(CONSTRUCTIONS)}}}" in capsys.readouterr().out


def test_uai_files_of_a_model_and_its_evidence(tmp_path, capsys):
    """The model and evidence of a competition, as its users have them, answer as the network they were made of."""
    graph = bnt.load_graph("asia")
    uai.write_uai(graph, tmp_path / "asia.uai")
    uai.write_evidence({"xray": "yes", "smoke": "no"}, graph, tmp_path / "asia.uai.evid")
    command = ["posterior", str(tmp_path / "asia.uai"), "--query", "0", "--json"]
    assert main([*command, "--evidence", str(tmp_path / "asia.uai.evid")]) == 0
    found = json.loads(capsys.readouterr().out)
    first = graph.variables[0]
    expected = bnt.exact_marginals(graph, {"xray": "yes", "smoke": "no"}).beliefs.vector(first.name)
    np.testing.assert_allclose(list(found["beliefs"]["0"].values()), expected, atol=1e-12)
    assert len(found["evidence"]) == 2
    assert main([*command, "--evidence", str(tmp_path / "nothing.evid")]) == 2
    assert "nothing.evid: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["trw", "mean-field"])
def test_other_message_passing_answers_where_tables_have_no_zeros(capsys, method: str) -> None:
    found = output(capsys, "posterior", "survey", "--method", "bp")
    assert found["method"] == "bp"
    assert run("posterior", "survey", "--method", method) == (2 if method == "trw" else 0)
    printed = capsys.readouterr()
    if method == "trw":
        assert printed.err.startswith("bnt: tree-reweighted message passing is for factors over at most 2 unobserved")
    else:
        assert "method mean-field, mode sum" in printed.out
    assert run("posterior", "asia", "--method", method) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert run("posterior", "survey", "--method", method, "--mode", "max") == 2
    assert "has marginals alone" in capsys.readouterr().err


@pytest.mark.parametrize("construction", ["tree-reweighted", "mean-field"])
def test_other_constructions_are_verified(capsys, tmp_path: Path, construction: str) -> None:
    network = tmp_path / "pair.bif"
    network.write_text(GOOD.replace("1.0, 0.0", "0.9, 0.1"))
    found = output(capsys, "verify", network, "--construction", construction, "--rounds", 3)
    assert found["construction"] == construction
    assert found["max_message_error"] < 1e-12
    assert found["status"] == ("exact" if construction == "tree-reweighted" else "not converged")
