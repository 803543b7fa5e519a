"""Pictures of time: their words against enumeration of all paths, and machines against the plain interpreter."""

import itertools

import numpy as np

from bnt import HMM
from bnt.figures import sequences
from bnt.sequences.turing import MACHINES, Configuration, interpret, start_configuration

WEATHER = HMM([0.7, 0.3], [[0.9, 0.1], [0.2, 0.8]], [[0.9, 0.1], [0.2, 0.8]], ("dry", "rain"), ("none", "umbrella"))
SEEN = ["umbrella", None, "none", "umbrella"]


def joint(hmm: HMM, seen: list) -> dict[tuple[int, ...], float]:
    """p(path, observations) of every path."""
    weights = {}
    for path in itertools.product(range(len(hmm.states)), repeat=len(seen)):
        p = hmm.initial[path[0]]
        for a, b in itertools.pairwise(path):
            p *= hmm.transition[a, b]
        for state, symbol in zip(path, seen, strict=True):
            p *= 1.0 if symbol is None else hmm.emission[state, hmm.symbols.index(symbol)]
        weights[path] = float(p)
    return weights


def rain(weights: dict[tuple[int, ...], float], t: int) -> float:
    return sum(p for path, p in weights.items() if path[t] == 1) / sum(weights.values())


def test_timeline_says_what_enumeration_says() -> None:
    picture = sequences.timeline(WEATHER, SEEN, ahead=2, truth=["rain"] * 4, title="four days")
    assert picture.header == ("time", "seen", "filtered P(rain)", "smoothed P(rain)", "best path", "hidden")
    best = max(joint(WEATHER, SEEN).items(), key=lambda item: item[1])[0]
    for t, row in enumerate(picture.rows):
        length = max(t + 1, 4) if t > 3 else t + 1
        filtered = rain(joint(WEATHER, [*SEEN, None, None][:length]), t)
        assert row[:3] == (str(t + 1), "" if t > 3 else SEEN[t] or "–", f"{filtered:.3f}")
        if t < 4:
            assert row[3:] == (f"{rain(joint(WEATHER, SEEN), t):.3f}", WEATHER.states[best[t]], "rain")
    assert picture.alt == "four days: P(rain) at 4 times, filtered and smoothed, and predicted for 2 more."


def test_hidden_chain_says_messages_and_beliefs() -> None:
    rows = sequences.hidden_chain(WEATHER, SEEN).rows
    found = {(where, what): value for where, what, value in rows}
    for t in range(4):
        alone = rain(joint(WEATHER, SEEN[: t + 1]), t)
        before = rain(joint(WEATHER, [*SEEN[:t], None]), t)
        for key, p in (((f"x{t + 1}", "filtered"), alone), ((f"transition to x{t + 1}", "message"), before)):
            state = "rain" if p > 0.5 else "dry"
            assert found[key] == f"{state}: {max(p, 1 - p):.2f}".replace("0.", ".")
    assert found["emission to x2", "message"] == "uniform"
    assert found["emission to x3", "message"] == "dry: .82"
    assert found["y2", "seen"] == "–"


def test_memory_is_blank_where_exact() -> None:
    errors = [[0.25, 0.5, 1e-4], [0.0, 0.02, 3e-15]]
    picture = sequences.memory(errors, title="t")
    assert picture.rows == (("0", ".250", ".500", "1e-4"), ("1", "exact", ".020", "exact"))
    assert picture.header == ("after layer", "time 1", "time 2", "time 3")
    border = picture.figure.axes[0].patches[-1].get_data()
    assert np.allclose(border.values, [-0.5, 0.5])


def test_decay_draws_every_line_and_dashes_bounds() -> None:
    halves = 0.5 ** np.arange(1, 9)
    picture = sequences.decay({"a": halves}, {"b": 2 * halves}, xlabel="layers")
    assert picture.rows == (("1", "0.5", "1"), ("4", "0.062", "0.12"), ("7", "0.0078", "0.016"))
    solid, dashed = picture.figure.axes[0].lines
    assert np.allclose(solid.get_ydata(), halves)
    assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
    assert picture.alt.endswith("dashed: b.")


def test_tape_run_marks_head_and_written_cells() -> None:
    machine = MACHINES["complement"]
    run = interpret(machine, start_configuration(machine, "10"))
    picture = sequences.tape_run(run, room=9, note="n")
    assert picture.rows == tuple((str(k), now.state, str(now.head), now.tape) for k, now in enumerate(run))
    patches = picture.figure.axes[0].patches
    frames = [patch.get_x() for patch in patches if patch.get_linewidth() == 2.4]
    first = min(patch.get_x() for patch in patches)
    assert [round((x - first) / sequences.CELL) for x in frames] == [now.head for now in run]
    tint = [patch for patch in patches if patch.get_facecolor()[:3] != (1, 1, 1) and patch.get_linewidth() == 0.8]
    assert len(tint) == 2  # both digits are flipped once
    lost = sequences.tape_run([Configuration("1", None, "seek")])
    assert lost.rows == (("0", "seek", "off", "1"),)
