"""What happens in time: what the controls show, against an interpreter and against belief propagation."""

import pytest

from bnt import HMM, widgets
from bnt.sequences.turing import MACHINES, interpret, start_configuration
from bnt.widgets import sequences

WEATHER = HMM([0.7, 0.3], [[0.9, 0.1], [0.2, 0.8]], [[0.9, 0.1], [0.2, 0.8]], ("dry", "rain"), ("none", "umbrella"))


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("digits", sequences.TAPES)
def test_explored_machines_run_as_interpreted(name: str, digits: str) -> None:
    machine = MACHINES[name]
    run = interpret(machine, start_configuration(machine, digits))
    assert len(run) <= sequences.STEPS, "the explorer shows the whole run"
    for layers in (0, 5, 8, 12):
        picture = widgets.machine_picture(name, digits, "a blank cell", layers)
        for step, row in enumerate(picture.rows):
            now = run[min(step, len(run) - 1)]
            assert row[1:] == (now.state, str(now.head), now.tape)
        now = run[min(layers, len(run) - 1)]
        entry = machine.table.get((now.state, now.tape[now.head or 0]))
        says = "no unit fires" if entry is None else f"next: {now.state} {now.tape[now.head or 0]} → {' '.join(entry)}"
        assert says in picture.alt


def behind_a_wall(name: str, digits: str, steps: int) -> list[tuple[str, int, str]]:
    """Another interpreter: a head on the first cell that moves left stays there."""
    machine, tape, head = MACHINES[name], [*digits, "_"], 0
    state, run = machine.start, [(digits + "_", 0, machine.start)]
    for _ in range(steps):
        if (state, tape[head]) in machine.table:
            tape[head], move, state = machine.table[state, tape[head]]
            head = max(0, head + "LSR".index(move) - 1)
        run.append(("".join(tape), head, state))
    return run


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("digits", sequences.TAPES)
def test_a_wall_holds_the_head(name: str, digits: str) -> None:
    model, trace = sequences.run_machine(name, digits, "a wall", 12)
    for step, expected in enumerate(behind_a_wall(name, digits, 12)):
        now = model.configuration(trace.after_layer(step))
        assert (now.tape, now.head, now.state) == expected


def test_explorers_follow_their_controls() -> None:
    explorer = widgets.machine_explorer()
    explorer.controls["digits"].value = "111"
    explorer.controls["layers"].value = 8
    assert explorer.picture().rows[-1] == ("8", "halt", "0", "1000_")
    explorer.controls["edge"].value = "a wall"
    assert explorer.picture().rows[-1] == ("8", "halt", "0", "100_")  # 7 + 1 = 4
    timeline = widgets.timeline_explorer(WEATHER, ["umbrella", "umbrella", "none"])
    before = timeline.picture().rows
    timeline.controls["y3"].value = "umbrella"
    after = timeline.picture().rows
    assert [row[2] for row in before[:2]] == [row[2] for row in after[:2]]  # filtering never looks ahead
    assert [row[3] for row in before[:2]] != [row[3] for row in after[:2]]  # smoothing does
    timeline.controls["y3"].value = "–"
    assert timeline.picture().rows[2][1] == "–"


def test_explorer_moves_the_cone() -> None:
    explorer = widgets.cone_explorer()
    assert explorer.picture().rows[0][-1] == "1"
    explorer.controls["source"].value = 8
    assert explorer.picture().rows[0][-1] == "9"
    explorer.controls["coupling"].value = 0.0
    assert set(explorer.picture().rows[0][1:-1]) == {"no bit"}
