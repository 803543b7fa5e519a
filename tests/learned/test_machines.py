"""Machines from single steps: encodings against the interpreter, splits that are what they say, shipped weights."""

import numpy as np
import pytest

from bnt.learned import machines
from bnt.sequences.turing import MACHINES
from bnt.stored import load_experiment
from bnt.training.recipes import shipped_weights

RESULT = {"increment": 1, "decrement": -1}


@pytest.mark.parametrize("name", MACHINES)
def test_runs_compute_what_they_are_called(name):
    machine = MACHINES[name]
    for number in (1, 6, 11, 200):
        steps = machines.steps_of(machine, number)
        assert all(len(before.tape) == machines.CELLS for before, _ in steps)
        final = steps[-1][1]
        assert final.state in machine.halting
        digits, width = final.tape.strip("_"), max(4, number.bit_length())
        wanted = {
            "increment": number + 1,
            "decrement": number - 1,
            "complement": 2**width - 1 - number,
            "shift left": 2 * number,
            "shift right": number // 2,
        }[name]
        assert int(digits, 2) == wanted


@pytest.mark.parametrize("name", MACHINES)
def test_cells_hold_the_configuration(name):
    machine = MACHINES[name]
    steps = machines.steps_of(machine, 37)
    classes = machines.cell_classes(machine, [after for _, after in steps])
    for row, (_, after) in enumerate(steps):
        symbols = "".join(machine.symbols[c % len(machine.symbols)] for c in classes[row])
        assert symbols == after.tape
        heads = np.flatnonzero(classes[row] >= len(machine.symbols))
        assert heads.tolist() == [after.head]
        assert machine.states[classes[row, heads[0]] // len(machine.symbols) - 1] == after.state
    inputs = machines.encode(machine, [before for before, _ in steps])
    assert (inputs[..., : len(machine.symbols)].sum(-1) == 1).all()
    states = inputs[..., len(machine.symbols) : len(machine.symbols) + len(machine.states)]
    assert (states.sum((1, 2)) == 1).all()
    assert len(np.unique(inputs[0, :, -machines.BITS :], axis=0)) == machines.CELLS


@pytest.mark.parametrize("name", MACHINES)
def test_splits_overlap_as_they_say(name):
    published = machines.split_steps(machines.MachineConfig(machine=name, **machines.AS_PUBLISHED), 0)
    free = machines.split_steps(machines.MachineConfig(machine=name, overlap_free=True), 0)
    assert published.overlap > 0.99
    assert free.overlap == 0
    assert not {before for before, _ in free.training} & {before for before, _ in free.validation}
    assert len(free.validation) > 100
    longest = max(len(before.tape.strip("_")) for before, _ in published.training + free.training)
    assert min(len(before.tape.strip("_")) for before, _ in machines.longer_steps(MACHINES[name])) >= 8
    assert longest <= 9  # a carry adds a digit


def test_a_tiny_run_records_itself():
    config = machines.MachineConfig(machine="complement", overlap_free=True, steps=120)
    run = machines.learn_machine(config, 0, progress=False)
    assert run.record()["accuracy"] == run.accuracy <= 1
    assert run.first_perfect is None


@pytest.mark.parametrize("name", MACHINES)
def test_shipped_weights_reproduce_the_record(name):
    record = load_experiment("learned_machines")
    published, free = record[f"{name}, as published"], record[f"{name}, overlap-free"]
    assert len(published) == len(free) == 3
    assert all(one["accuracy"] == 1 for one in published)
    config = machines.MachineConfig(machine=name, overlap_free=True)
    parameters = shipped_weights("learned machine", name)
    machine = MACHINES[name]
    assert machines.accuracy(machine, parameters, machines.split_steps(config, 0).validation) == free[0]["accuracy"]
    assert machines.accuracy(machine, parameters, machines.longer_steps(machine)) == pytest.approx(
        free[0]["longer"], abs=0.005
    )
