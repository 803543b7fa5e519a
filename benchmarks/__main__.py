"""python -m benchmarks: the peers in environments of their own, interleaved runs, bars, JSON and the picture.

--networks DIR   folder with alarm.bif.gz and the like, by default tests/networks (what is absent is skipped, visibly)
--quick          a minute: small cases, bnt alone      --no-install   use only peers that are installed already
--earlier DIR    a checkout of an earlier commit: the kernels' rows beside it, so that a slower one is seen
--only SECTION   measure these alone; the other rows stay, if they are of the same processor and versions
--out DIR        where benchmark.json and performance.png go (default: docs)
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before numpy is loaded: one thread for everybody

import numpy as np  # noqa: E402

from . import cases, exact, forward_pass, large, own, sequences, training_step  # noqa: E402
from .interleave import compare, ratio  # noqa: E402

NETWORKS = Path(__file__).resolve().parent.parent / "tests" / "networks"
SECTIONS = (
    "ising",
    "networks",
    "exact",
    "batch",
    "reading",
    "sequences",
    "schedules",
    "training",
    "forward",
    "large",
    "own",
    "earlier",
)


class Record:
    """Rows of the result: each names what was compared, the ratio, its bar, and whether it holds."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}

    def row(self, what: str, value: float | None, bar: float | None, note: str = "", least: bool = True) -> None:
        holds = None if value is None or bar is None else (value >= bar if least else value <= bar)
        self.rows.append({"what": what, "value": value, "bar": bar, "at least": least, "holds": holds, "note": note})
        word = {None: "  -  ", True: "holds", False: "FAILS"}[holds]
        sign = "" if bar is None else f"{'>=' if least else '<='} {bar:g}"
        print(f"{word}  {what:<58} {'skipped' if value is None else f'{value:.3g}':>9} {sign:>9}  {note}", flush=True)

    def keep(self, path: Path) -> None:
        """The rows and facts of an earlier run, as far as this one did not measure them anew, in their old places."""
        earlier = json.loads(path.read_text()) if path.exists() else {"facts": {}}
        theirs, ours = earlier["facts"].get("machine", {}), self.facts["machine"]
        if theirs.keys() != ours.keys() or any(theirs[key] != ours[key] for key in ours if key != "system"):
            return
        new = {row["what"]: row for row in self.rows}
        self.rows = [new.pop(row["what"], row) for row in earlier["rows"]] + list(new.values())
        self.facts = earlier["facts"] | self.facts


def against(
    record: Record, what: str, case: Path, peers: dict[str, float | None], install: bool, turns: int = 7
) -> None:
    """bnt and its peers on one case. Answers are compared where they have one form."""
    found = compare(["bnt", *peers], case, install, turns)
    for peer, bar in peers.items():
        if "absent" in found[peer]:
            record.row(f"{what}: {peer} / bnt", None, bar, f"{peer}: {found[peer]['absent']}")
            continue
        note = f"bnt {milliseconds(found['bnt'])}, {peer} {milliseconds(found[peer])}"
        record.row(f"{what}: {peer} / bnt", ratio(found, peer), bar, note + difference(found, peer))
    record.facts[what] = {name: {k: v for k, v in one.items() if k != "answer"} for name, one in found.items()}


def milliseconds(one: dict[str, Any]) -> str:
    return f"{one['median'] * 1e3:.4g} ms"


def difference(found: dict[str, Any], peer: str) -> str:
    """Largest difference of any probability."""
    ours, theirs = found["bnt"]["answer"], found[peer]["answer"]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return f", differ by {np.max(np.abs(np.array(ours) - np.array(theirs))):.0e}"
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return f", differ by {max(abs(ours[v][s] - theirs[v][s]) for v in theirs for s in theirs[v]):.0e}"
    return ""


def ising_rows(record: Record, folder: Path, install: bool) -> None:
    bars = {"grid 100x100": (2.5, 5), "grid 300x300": (2.5, 5), "3-regular 1e5": (4, None)}
    for name, (kind, size, rounds) in cases.ISING.items():
        fbgbp, pgmax = bars[name]
        case = cases.ising(folder, name, kind, size, rounds)
        against(record, f"{name}, {rounds} rounds", case, {"fbgbp": fbgbp, "pgmax": pgmax}, install, turns=5)
    against(record, "2000 x 4 states, arity 3", cases.arity_three(folder), {"pgmax": 5}, install, turns=5)


def network_rows(record: Record, folder: Path, networks: Path, install: bool) -> None:
    for name in cases.NETWORKS:
        source = networks / f"{name}.bif.gz"
        if name != "asia" and not source.exists():
            record.row(f"{name}: pyagrum / bnt", None, 30, "no such file; see --networks")
            continue
        case = cases.network(folder, None if name == "asia" else source, name)
        bar = 10 if name == "asia" else 30
        against(record, f"{name}, 10 % evidence, to 1e-8", case, {"pyagrum": bar}, install)


def exact_rows(record: Record, folder: Path, networks: Path, install: bool) -> None:
    """Against pyAgrum's exact engines, which share one form of answer."""
    what = {
        "fresh": "all marginals, fresh engine",
        "again": "all marginals, the same graph again",
        "query": "one query",
        "file": "from the file to all marginals",
    }
    chosen = {"fresh": exact.NETWORKS, "again": exact.NETWORKS, "query": exact.QUERIES, "file": exact.FILES}
    for name in exact.NETWORKS:
        source = networks / f"{name}.bif.gz"
        if name != "asia" and not source.exists():
            record.row(f"{name}, exact: pyagrum / bnt", None, 1, "no such file; see --networks")
            continue
        cases.network(folder, None if name == "asia" else source, name)
        for kind, names in chosen.items():
            if name in names:
                one = exact.case(folder, name, kind)
                against(record, f"{name}, exact, {what[kind]}", one, {"pyagrum": exact.LEAST[kind]}, install)
    ratios = [row["value"] or 0 for row in record.rows if "fresh engine" in row["what"]]
    at_least_twice = sum(value >= 2 for value in ratios)
    record.row("exact, fresh engine: networks where pyagrum / bnt is 2", at_least_twice, len(exact.NETWORKS) / 2)
    note = f"binary chains of {exact.CHAINS[0]} to {exact.CHAINS[-1]}"
    record.row("exact: growth beside the length's, worst step", exact.chain_growth(), 1.5, note, least=False)


def batch_rows(record: Record, folder: Path, install: bool) -> None:
    case = cases.rows(folder, cases.network(folder, None, "asia"))
    found = compare(["bnt", "bnt loop", "pyagrum", "pgmpy"], case, install, turns=3)
    record.row(
        "asia, 10,000 rows: loop of run_bp / run_bp_batch", ratio(found, "bnt loop"), 20, milliseconds(found["bnt"])
    )
    for peer, share in (("pyagrum", 500), ("pgmpy", 20)):
        if "absent" in found[peer]:
            record.row(f"asia, 10,000 rows: {peer} / run_bp_batch", None, 1, found[peer]["absent"])
        else:
            done = max(1, found[peer]["answer"])
            times = ratio(found, peer) * 10_000 / done
            record.row(
                f"asia, 10,000 rows: {peer} / run_bp_batch", times, 1, f"{peer} measured on {done} of {share} rows"
            )
    record.facts["batch"] = {name: one.get("seconds") for name, one in found.items()}


def reading_rows(record: Record, folder: Path, networks: Path, install: bool) -> None:
    for name in sorted(path.name.removesuffix(".bif.gz") for path in networks.glob("*.bif.gz")):
        if not (folder / f"{name}.bif").exists():
            cases.network(folder, networks / f"{name}.bif.gz", name)
        case = folder / f"{name}_read.json"
        case.write_text(json.dumps({"kind": "bif", "bif": str(folder / f"{name}.bif")}))
        against(record, f"read {name}.bif", case, {"pgmpy": 1}, install, turns=3)


def sequence_rows(record: Record) -> None:
    for states in (2, 8):
        found = sequences.measure(states, 10**6)
        what = f"1,000,000 symbols, {states} states"
        record.row(f"{what}: filter, bnt / hmmlearn", found.filter_default, 1.5, "its forward pass", least=False)
        record.row(f"{what}: smooth, bnt / hmmlearn", found.smooth_default, 1.5, "its default", least=False)
        record.row(f"{what}: smooth, bnt / hmmlearn scaling", found.smooth_scaling, 1.5, "its faster one", least=False)
        record.row(f"{what}: exponent of smoothing", found.exponent, 1.05, least=False)


def training_rows(record: Record, folder: Path, install: bool) -> None:
    for name, bar in training_step.BARS.items():
        against(record, f"training step, {name}", training_step.case(folder, name), {"torch": bar}, install, turns=9)


def forward_rows(record: Record, folder: Path, networks: Path, install: bool) -> None:
    for name in forward_pass.CASES:
        against(record, f"forward, {name}", forward_pass.case(folder, name), {"torch": 1 / 1.5}, install, turns=9)
    for name in ("child", "alarm"):
        if (networks / f"{name}.bif.gz").exists():
            found = own.chosen_attention(networks / f"{name}.bif.gz")
            note = (
                f"{found['tokens']} tokens, {found['seconds'] * 1e3:.3g} ms; dense is {found['dense']:.2g} times gather"
            )
            record.row(f"forward, compiled {name}: by default / gather", found["default"], 1.2, note, least=False)


def schedule_rows(record: Record) -> None:
    """Seconds to convergence, which are what people wait for."""
    asynchronous = ("in-place", "sequential", "residual")
    for coupling in (0.5, 0.8):  # standard deviation of the couplings
        found = own.to_convergence(coupling, ("flooding", *asynchronous))
        note = ", ".join(f"{schedule} {seconds * 1e3:.3g} ms" for schedule, seconds in found.items())
        note = note.replace("inf ms", "does not settle")
        record.facts[f"schedules, J = {coupling}"] = {k: v if np.isfinite(v) else None for k, v in found.items()}
        what, least = f"grid 50x50, J = {coupling}, to 1e-8", min(found[schedule] for schedule in asynchronous)
        if np.isfinite(found["flooding"]):
            record.row(
                f"{what}: best asynchronous schedule / flooding", least / found["flooding"], 1, note, least=False
            )
        else:
            record.row(f"{what}: seconds of the one that settles, residual", least, None, note)
    for schedule in ("sequential", "residual"):
        for what, times in own.by_table(schedule).items():
            record.row(f"{what}: a message, {schedule} / flooding", times, 1, "in probabilities", least=False)


def own_rows(record: Record, networks: Path, quick: bool) -> None:
    for name, (kind, size, rounds) in cases.ISING.items():
        if quick and size > 100:
            continue
        found = own.floor(kind, size, rounds)
        note = f"{found['round_ns']:.2f} ns a message, exp + log + gather {found['floor_ns']:.2f} ns"
        record.row(f"{name}: exp + log + gather / a round of bnt", found["share"], 0.85, note)
        note = f"{found['with_set_up_ns']:.2f} ns a message"
        record.row(f"{name}: the same, all set-up in {rounds} rounds", found["share_with_set_up"], 0.85, note)
        record.facts[f"floor {name}"] = found
    sizes = [10**2, 10**3, 10**4] if quick else [10**2, 10**3, 10**4, 10**5, 10**6]
    record.facts["scaling"] = scaling = own.scaling(sizes)
    record.row(
        "growth of a round's time with nodes: exponent", scaling["exponent"], None, f"nodes {sizes[0]} .. {sizes[-1]}"
    )
    edges = 30_000 if quick else 1_000_000
    record.row(f"bytes per directed edge, {edges} edges, peak", own.memory(edges), 200, least=False)
    start = record.facts["start"] = own.start_up()
    for what, seconds in start.items():
        record.row(f"seconds: {what.replace('_', ', ')}", seconds, None)
    record.row("bnt posterior asia / import numpy, numba", own.command_line(), 1.6, "processes", least=False)
    munin = networks / "munin1.bif.gz" if (networks / "munin1.bif.gz").exists() else None
    for what, seconds in ({} if quick else own.building(munin)).items():
        record.row(f"seconds to build {what}", seconds, 10, least=False)
    if not quick:
        record.facts["transformer"] = found = own.transformer()
        for name, one in found["dense"].items():
            note = f"{one['tokens']} tokens, {one['seconds'] * 1e3:.3g} ms"
            record.row(f"dense forward, {name}: times numpy's floor", one["times_floor"], 2, note, least=False)
        record.row("gather forward: exponent in tokens", found["gather_exponent"], 1.1, least=False)


def large_rows(record: Record, folder: Path, install: bool, checkout: Path | None, nodes: int = 666_666) -> None:
    """Graphs that fit no cache: a message of a round, all set-up in it, beside an earlier checkout; memory; a peer."""
    kind, size, rounds = cases.ISING["grid 300x300"]
    case = cases.ising(folder, "grid 300x300", kind, size, rounds, what="arrays")
    against(record, "grid 300x300, arrays to beliefs", case, {"fbgbp": 0.5}, install, turns=5)
    messages, library = 3 * nodes, None if checkout is None else library_of(folder, checkout)
    what = f"3-regular, {messages:,} messages, to 1e-8"
    for how in large.HOW:
        small, whole = (large.case(folder, count, how) for count in (nodes // 10, nodes))
        names = ["bnt"] if library is None else ["bnt", "bnt earlier"]
        found = compare(names, whole, False, 5, library)
        tenth = compare(["bnt"], small, False, 5)["bnt"]
        now = found["bnt"]["median"] / found["bnt"]["answer"] / messages
        exponent = np.log10(now / (tenth["median"] / tenth["answer"] / (3 * (nodes // 10)))) + 1
        note = f"{now * 1e9:.3g} ns a message of a round, {found['bnt']['answer']} rounds"
        record.row(f"{what}, {how}: exponent of a round from a tenth of them", float(exponent), None, note)
        if library is not None:
            then = found["bnt earlier"]
            share = ratio(found, "bnt", "bnt earlier")
            note += f"; then {then['median'] / then['answer'] / messages * 1e9:.3g} ns, {then['answer']} rounds"
            each = share * then["answer"] / found["bnt"]["answer"]
            record.row(f"{what}, {how}: a message of a round, now / then", each, 0.5, note, least=False)
            record.row(f"{what}, {how}: seconds, now / then", share, None, note)
    for mixed in (False, True):
        word = " of a run in float32 first" if mixed else ""
        record.row(
            f"bytes per directed edge, {messages:,} edges, peak{word}", own.memory(messages, mixed), 200, "", False
        )
    if library is not None:
        hard = folder / "hard.json"
        hard.write_text(json.dumps({"kind": "residual", "side": 50, "coupling": 0.8}))
        found = compare(["bnt", "bnt earlier"], hard, False, 3, library)
        note = f"now {milliseconds(found['bnt'])}, then {milliseconds(found['bnt earlier'])}; "
        note += f"settles {found['bnt']['answer']}, {found['bnt earlier']['answer']}"
        value = ratio(found, "bnt", "bnt earlier")
        record.row("grid 50x50, J = 0.8, to 1e-8: residual, now / then", value, 0.1, note, least=False)


def library_of(folder: Path, checkout: Path) -> Path:
    """A folder with nothing of an earlier checkout but its library: the cases are this one's."""
    library = folder / "earlier"
    if not library.exists():
        library.mkdir()
        (library / "bnt").symlink_to((checkout / "bnt").resolve())
    return library


def earlier_rows(record: Record, folder: Path, networks: Path, checkout: Path | None) -> None:
    """The rows of the kernels beside another checkout's, in processes that take turns: new time / old time."""
    if checkout is None:
        return
    library = library_of(folder, checkout)
    few = {"grid 3x3": ("grid", 3, 10), "grid 10x10": ("grid", 10, 10)}
    made = {what: cases.ising(folder, what, *how) for what, how in (few | cases.ISING).items()}
    made["2000 x 4 states, arity 3"] = cases.arity_three(folder)
    for name in cases.NETWORKS:
        source = networks / f"{name}.bif.gz"
        if name == "asia" or source.exists():
            made[name] = cases.network(folder, None if name == "asia" else source, name)
    made["asia, 10,000 rows"] = cases.rows(folder, made["asia"])
    for what, case in made.items():
        found = compare(["bnt", "bnt earlier"], case, False, 15, library)
        note = f"now {milliseconds(found['bnt'])}, then {milliseconds(found['bnt earlier'])}"
        record.row(f"{what}: bnt now / then", ratio(found, "bnt", "bnt earlier"), 1.05, note, least=False)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=Path, default=NETWORKS, help="folder with .bif.gz files")
    parser.add_argument("--quick", action="store_true", help="small cases, bnt alone")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="sections")
    parser.add_argument("--earlier", type=Path, help="a checkout of an earlier commit")
    parser.add_argument("--no-install", action="store_true", help="only peers that are installed already")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder for benchmark.json and performance.png")
    options = parser.parse_args(arguments)
    record = Record()
    record.facts["machine"] = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "numba", "pgmpy")},
    }
    print(*(f"{key} {value}" for key, value in record.facts["machine"].items()), sep="; ")
    print("CPU time, one thread, interleaved medians; bnt in float64 with its API included", flush=True)
    install = not options.no_install
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sections: dict[str, Callable[[], None]] = {
            "ising": lambda: ising_rows(record, folder, install),
            "networks": lambda: network_rows(record, folder, options.networks, install),
            "exact": lambda: exact_rows(record, folder, options.networks, install),
            "batch": lambda: batch_rows(record, folder, install),
            "reading": lambda: reading_rows(record, folder, options.networks, install),
            "sequences": lambda: sequence_rows(record),
            "schedules": lambda: schedule_rows(record),
            "training": lambda: training_rows(record, folder, install),
            "forward": lambda: forward_rows(record, folder, networks=options.networks, install=install),
            "large": lambda: large_rows(record, folder, install, options.earlier),
            "own": lambda: own_rows(record, options.networks, options.quick),
            "earlier": lambda: earlier_rows(record, folder, options.networks, options.earlier),
        }
        for name in ["own"] if options.quick else options.only or sections:
            sections[name]()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.only:
        record.keep(options.out / "benchmark.json")
    (options.out / "benchmark.json").write_text(
        json.dumps({"rows": record.rows, "facts": record.facts}, indent=1) + "\n"
    )
    from .picture import draw, write_table

    write_table(record.rows, options.out / "performance.md")
    if "scaling" in record.facts:
        draw(record.facts, options.out / "performance.png")
    failing = [row["what"] for row in record.rows if row["holds"] is False]
    print(f"{sum(row['holds'] is True for row in record.rows)} bars hold, {len(failing)} fail:", *failing, sep="\n  ")
    return 1 if failing else 0


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    raise SystemExit(main())
