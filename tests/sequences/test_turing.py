"""Turing machines as weights: against the interpreter at every step, and against arithmetic on Python integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt.errors import BntError, ModelError, TooLargeError
from bnt.sequences.turing import (
    MACHINES,
    Configuration,
    TuringMachine,
    compile_machine,
    interpret,
    show_run,
    start_configuration,
)
from bnt.transformer.forward import forward

TAPES = 1000
MEANING = {
    "increment": lambda v, n: v + 1,
    "decrement": lambda v, n: (v - 1) % 2**n,
    "complement": lambda v, n: 2**n - 1 - v,
    "shift left": lambda v, n: 2 * v,
    "shift right": lambda v, n: v // 2,
}


def random_digits(rng: np.random.Generator) -> str:
    """1 to 64 digits, short ones more often; some tapes all ones or all zeros, where carries run the whole way."""
    length = 1 + int(64 * rng.random() ** 3)
    bias = rng.choice([0.0, 0.5, 0.5, 0.5, 1.0])
    return "".join("1" if rng.random() < bias else "0" for _ in range(length))


@pytest.mark.parametrize("name", MACHINES)
def test_a_thousand_tapes_step_by_step(name: str) -> None:
    machine, rng = MACHINES[name], np.random.default_rng(7)
    model = compile_machine(machine)
    longest = 0
    for i in range(TAPES):
        digits = "1" * 64 if i == 0 else "0" * 64 if i == 1 else random_digits(rng)
        start = start_configuration(machine, digits)
        expected = interpret(machine, start)
        assert model.run(start) == expected
        final = expected[-1]
        assert final.state == "halt"
        assert final.head is not None
        assert int(final.tape.replace("_", ""), 2) == MEANING[name](int(digits, 2), len(digits))
        longest = max(longest, len(digits))
    assert longest == 64


@st.composite
def machines_and_tapes(draw: st.DrawFn) -> tuple[TuringMachine, Configuration]:
    states, symbols = ("a", "b", "c"), "_01x"
    keys = [(state, symbol) for state in states for symbol in symbols]
    some = draw(st.lists(st.sampled_from(keys), min_size=1, unique=True))
    entry = st.tuples(st.sampled_from(symbols), st.sampled_from("LSR"), st.sampled_from((*states, "halt")))
    table = {key: draw(entry) for key in some}
    tape = draw(st.text("".join({s for _, s in some} | {"_"}), min_size=1, max_size=9))
    head = draw(st.integers(0, len(tape) - 1))
    return TuringMachine("random", table, some[0][0]), Configuration(tape, head, some[0][0])


@given(machines_and_tapes())
def test_any_machine_halting_stuck_off_the_tape_or_endless(case: tuple[TuringMachine, Configuration]) -> None:
    machine, start = case
    model = compile_machine(machine, bits=4)
    stream = model.tokens(start)
    trace = forward(stream, model.weights(20))
    for step in range(21):
        now = model.configuration(trace.after_layer(step))
        try:
            run = interpret(machine, start, most_steps=step)
            expected = run[min(step, len(run) - 1)]
        except TooLargeError:
            expected = interpret_for(machine, start, step)
        assert now == expected


def interpret_for(machine: TuringMachine, start: Configuration, steps: int) -> Configuration:
    """The configuration after so many steps of a machine that goes on: a second, plain interpreter."""
    cells, at, state = list(start.tape), start.head, start.state
    for _ in range(steps):
        written, move, state = machine.table[state, cells[at]]
        cells[at] = written
        at += "LSR".index(move) - 1
    return Configuration("".join(cells), at, state)


def test_one_set_of_weights_for_all_lengths_and_exact_numbers() -> None:
    machine = MACHINES["increment"]
    model = compile_machine(machine, bits=7)
    for length in (1, 5, 126):
        start = start_configuration(machine, "1" * length)
        tokens = model.tokens(start)
        steps = len(interpret(machine, start)) - 1
        trace = forward(tokens, model.weights(steps + 3), keep="trace" if length < 9 else "last")
        assert set(np.unique(trace.final)) <= {0.0, 1.0}
        assert model.configuration(trace.final) == interpret(machine, start)[-1]
        for layer in trace.attention:
            for pattern in layer:
                assert pattern is None or set(np.unique(pattern)) <= {0.0, 1.0}
    with pytest.raises(TooLargeError, match="129 cells; a code of 7 bits has room for 128"):
        model.tokens(start_configuration(machine, "1" * 127))


def test_gathered_attention_runs_the_same_machine() -> None:
    machine = MACHINES["shift left"]
    model = compile_machine(machine)
    tokens = model.tokens(start_configuration(machine, "110101"))
    dense = forward(tokens, model.weights(20), keep="last", attention="dense")
    gathered = forward(tokens, model.weights(20), keep="last", attention="gather")
    assert np.array_equal(dense.final, gathered.final)


def test_the_published_encodings_fail_without_a_blank_on_the_left() -> None:
    """Increment of 111 and the left shift both need the cell that the published tapes do not have."""
    for name in ("increment", "shift left"):
        machine = MACHINES[name]
        start = Configuration("111_", 0, machine.start)
        run = interpret(machine, start)
        assert run[-1].head is None
        assert run[-1].state != "halt"
        assert compile_machine(machine).run(start) == run


def test_a_run_is_shown_step_by_step() -> None:
    machine = MACHINES["complement"]
    assert show_run(interpret(machine, start_configuration(machine, "10"))).splitlines() == [
        "   0     flip  _ [1] 0  _ ",
        "   1     flip  _  0 [0] _ ",
        "   2     flip  _  0  1 [_]",
        "   3     halt  _  0 [1] _ ",
    ]


def test_bad_machines_and_tapes() -> None:
    for table, message in (
        ({("a", "0"): ("0", "U", "a")}, "'U' is no move; valid: L, S, R"),
        ({("a", "00"): ("0", "L", "a")}, "single characters"),
        ({("halt", "0"): ("0", "L", "a")}, "'halt' is a halting state"),
        ({("b", "0"): ("0", "L", "b")}, "start 'a' is no state"),
    ):
        with pytest.raises(ModelError, match=message):
            TuringMachine("bad", table, "a")
    machine = MACHINES["increment"]
    with pytest.raises(ModelError, match="at least one symbol"):
        start_configuration(machine, "12")
    with pytest.raises(ModelError, match="at least one symbol"):
        start_configuration(machine, "")
    for bad in (Configuration("2", 0, "seek"), Configuration("1", 0, "x")):
        with pytest.raises(ModelError, match="symbol or a state"):
            compile_machine(machine).tokens(bad)
        with pytest.raises(ModelError, match="symbol or a state"):
            interpret(machine, bad)
    for head in (-1, 2):
        for run in (interpret, lambda m, at: compile_machine(m).run(at)):
            with pytest.raises(ModelError, match=f"cell {head}; this tape has the cells 0..1"):
                run(machine, Configuration("01", head, "seek"))
    with pytest.raises(BntError, match="bits must be a whole number"):
        compile_machine(machine, bits=0)
    endless = TuringMachine("endless", {("a", "_"): ("_", "R", "b"), ("b", "_"): ("_", "L", "a")}, "a")
    for run in (lambda *a, **k: interpret(endless, *a, **k), compile_machine(endless).run):
        with pytest.raises(TooLargeError, match="not stopped after 50 steps"):
            run(Configuration("__", 0, "a"), most_steps=50)
