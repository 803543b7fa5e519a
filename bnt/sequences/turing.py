"""Turing machines as constructed transformer weights: one layer is one step.

Tokens: one per cell of the tape, one control token (state and head position), one sink. One layer:

    read     attention: the control token looks up the cell under the head: its symbol, and the codes of its neighbours
    decide   FFN, one ReLU unit per table entry: relu(state + symbol - 1) is 1 for the entry that applies, else 0
    write    attention: the cell under the head looks up the control token: new symbol minus old symbol
    move     FFN: the head's code becomes that of the left or right neighbour; scratch columns return to 0

Every number is a 0, 1 or -1 and every attention weight exactly 0 or 1, so the run is exact at any length. The weights
know the table and the width of the code, not the tape: all tapes of up to 2^bits cells share them. That makes the
tape, hence the machine, finite; no claim about Turing machines on an unbounded tape follows from one set of weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from bnt.compiler.layout import Layout, Terms, binary_code, erase, ffn, head, same
from bnt.errors import BntError, ModelError, TooLargeError, valid_names
from bnt.graph.factor_graph import Array
from bnt.transformer.blocks import Attention, Head, Layer, Weights
from bnt.transformer.forward import forward

ROUTING = 2048.0  # a wrong cell scores -2048 per bit, the sink -1024, the right cell 0: weights are exactly 0 or 1
MOVES = {"L": -1, "S": 0, "R": 1}


@dataclass(frozen=True)
class TuringMachine:
    """``table[state, symbol] = (symbol to write, move L, S or R, next state)``; a machine rests in a halting state.

    Raises ModelError: an unknown move, a symbol that is no single character, an entry for a halting state.
    """

    name: str
    table: Mapping[tuple[str, str], tuple[str, str, str]]
    start: str
    halting: frozenset[str] = frozenset({"halt"})
    blank: str = "_"

    def __post_init__(self) -> None:
        for (state, symbol), (written, move, _) in self.table.items():
            entry = f"machine {self.name!r}, entry ({state!r}, {symbol!r})"
            if move not in MOVES:
                raise ModelError(f"{entry}: {move!r} is no move; {valid_names(MOVES, move)}")
            if len(symbol) != 1 or len(written) != 1:
                raise ModelError(f"{entry}: symbols must be single characters, not {symbol!r} and {written!r}")
            if state in self.halting:
                raise ModelError(f"{entry}: {state!r} is a halting state, it has no entries")
        if self.start not in self.states:
            raise ModelError(f"machine {self.name!r}: the start {self.start!r} is no state of its table")

    @cached_property
    def states(self) -> tuple[str, ...]:
        """All states, the halting ones last."""
        named = [state for (state, _), (_, _, target) in self.table.items() for state in (state, target)]
        return tuple(dict.fromkeys([s for s in named if s not in self.halting] + sorted(self.halting)))

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """All symbols, the blank first."""
        named = [symbol for (_, symbol), (written, _, _) in self.table.items() for symbol in (symbol, written)]
        return tuple(dict.fromkeys([self.blank, *named]))


class Configuration(NamedTuple):
    """A tape, the head's cell (None: it has left the tape, and the machine is stuck) and the state."""

    tape: str
    head: int | None
    state: str

    def __str__(self) -> str:
        at = -1 if self.head is None else self.head
        cells = "".join(f"[{symbol}]" if i == at else f" {symbol} " for i, symbol in enumerate(self.tape))
        return f"{self.state:>8} {cells}" + ("   off the tape" if self.head is None else "")


def _machine(name: str, start: str, entries: str) -> TuringMachine:
    """A machine from lines "state symbol -> written move state"."""
    table = {}
    for line in entries.strip().splitlines():
        state, symbol, _, written, move, target = line.split()
        table[state, symbol] = (written, move, target)
    return TuringMachine(name, table, start)


# Binary numbers, highest digit first, between one blank on the left (for a carry) and one on the right. The head
# starts on the highest digit. The published encodings have no left blank, and a head that stays at the first cell:
# 11...1 + 1 is wrong there, and the left shift runs for ever. Their right shift keeps the lowest digit; ours drops it.
MACHINES: Mapping[str, TuringMachine] = {
    machine.name: machine
    for machine in (
        _machine(
            "increment",
            "seek",
            """seek 0 -> 0 R seek
               seek 1 -> 1 R seek
               seek _ -> _ L carry
               carry 0 -> 1 S halt
               carry 1 -> 0 L carry
               carry _ -> 1 S halt""",
        ),
        _machine(  # modulo 2^digits: zero becomes all ones
            "decrement",
            "seek",
            """seek 0 -> 0 R seek
               seek 1 -> 1 R seek
               seek _ -> _ L borrow
               borrow 1 -> 0 S halt
               borrow 0 -> 1 L borrow
               borrow _ -> _ R halt""",
        ),
        _machine(
            "complement",
            "flip",
            """flip 0 -> 1 R flip
               flip 1 -> 0 R flip
               flip _ -> _ L halt""",
        ),
        _machine(  # times 2: every digit moves one cell to the left, into the left blank
            "shift left",
            "seek",
            """seek 0 -> 0 R seek
               seek 1 -> 1 R seek
               seek _ -> _ L put0
               put0 0 -> 0 L put0
               put0 1 -> 0 L put1
               put0 _ -> 0 R halt
               put1 0 -> 1 L put0
               put1 1 -> 1 L put1
               put1 _ -> 1 R halt""",
        ),
        _machine(  # divided by 2: the lowest digit is lost
            "shift right",
            "put0",
            """put0 0 -> 0 R put0
               put0 1 -> 0 R put1
               put0 _ -> _ S halt
               put1 0 -> 1 R put0
               put1 1 -> 1 R put1
               put1 _ -> _ S halt""",
        ),
    )
}


def start_configuration(machine: TuringMachine, digits: str) -> Configuration:
    """``digits`` between one blank on each side, the head on the first digit."""
    wrong = sorted(set(digits) - set(machine.symbols))
    if wrong or not digits:
        raise ModelError(f"a tape of {machine.name!r} needs at least one symbol of {machine.symbols}; got {digits!r}")
    return Configuration(machine.blank + digits + machine.blank, 1, machine.start)


def interpret(machine: TuringMachine, start: Configuration, most_steps: int = 10_000) -> list[Configuration]:
    """The configurations of a run, first to last: the plain interpreter, no transformer in it.

    It ends where a step changes nothing: in a halting state, off the tape, or where the table has no entry.
    Raises ModelError: a symbol, state or head that this machine and tape do not have; TooLargeError after most_steps.
    """
    check_configuration(machine, start)
    run = [start]
    for _ in range(most_steps + 1):
        after = _step(machine, run[-1])
        if after == run[-1]:
            return run
        run.append(after)
    raise _endless(machine, most_steps)


def check_configuration(machine: TuringMachine, at: Configuration) -> None:
    """Raises ModelError: unknown symbols or state, a head on no cell of the tape (None is off the tape)."""
    unknown = sorted(set(at.tape) - set(machine.symbols))
    if unknown or at.state not in machine.states:
        raise ModelError(f"{at!r} has a symbol or a state that machine {machine.name!r} does not have")
    if at.head is not None and not 0 <= at.head < len(at.tape):
        raise ModelError(f"the head is at cell {at.head}; this tape has the cells 0..{len(at.tape) - 1}")


def _step(machine: TuringMachine, now: Configuration) -> Configuration:
    if now.head is None or (now.state, now.tape[now.head]) not in machine.table:
        return now
    written, move, state = machine.table[now.state, now.tape[now.head]]
    tape = now.tape[: now.head] + written + now.tape[now.head + 1 :]
    place = now.head + MOVES[move]
    return Configuration(tape, place if 0 <= place < len(tape) else None, state)


def _endless(machine: TuringMachine, most_steps: int) -> TooLargeError:
    return TooLargeError(f"machine {machine.name!r} has not stopped after {most_steps} steps; the limit is most_steps")


class MachineModel(NamedTuple):
    """A machine as one transformer layer: run it as often as steps are wanted. Tokens are made per tape."""

    machine: TuringMachine
    layer: Layer
    layout: Layout  # columns only
    bits: int

    def weights(self, steps: int) -> Weights:
        """The weights of ``steps`` steps: the same layer, repeated."""
        return Weights((self.layer,) * steps)

    def tokens(self, start: Configuration) -> Array:
        """A configuration as tokens (cells + 2, d): the cells, the control token, the sink.

        Raises TooLargeError for a tape of more than 2^bits cells, ModelError for an unknown symbol or state.
        """
        count = len(start.tape)
        if count > 2**self.bits:
            raise TooLargeError(f"the tape has {count} cells; a code of {self.bits} bits has room for {2**self.bits}")
        check_configuration(self.machine, start)
        tokens, put = np.zeros((count + 2, self.layout.width)), self.layout.column
        cells, control, sink = slice(0, count), count, count + 1
        codes = binary_code(np.arange(count), self.bits)
        nowhere = np.ones((1, 2 * self.bits))  # a code that matches no cell
        tokens[cells, put("here")] = codes
        tokens[cells, put("left")] = np.vstack([nowhere, codes[:-1]])
        tokens[cells, put("right")] = np.vstack([codes[1:], nowhere])
        tokens[cells, put("head")] = nowhere
        tokens[cells, put("symbol")] = [[s == own for s in self.machine.symbols] for own in start.tape]
        tokens[control, put("here")] = nowhere
        tokens[control, put("head")] = nowhere if start.head is None else codes[start.head]
        tokens[control, put("state")] = [state == start.state for state in self.machine.states]
        tokens[:, put("one")] = 1.0
        tokens[sink, put("sink")] = 1.0
        return tokens

    def configuration(self, stream: Array) -> Configuration:
        """The configuration in a residual stream (cells + 2, d)."""
        cells, control, put = stream[:-2], stream[-2], self.layout.column
        tape = "".join(self.machine.symbols[i] for i in cells[:, put("symbol")].argmax(1))
        found = np.flatnonzero((cells[:, put("here")] == control[put("head")]).all(1))
        state = self.machine.states[int(control[put("state")].argmax())]
        return Configuration(tape, int(found[0]) if len(found) else None, state)

    def run(self, start: Configuration, most_steps: int = 10_000) -> list[Configuration]:
        """Layer after layer until the machine stops: the configurations, first to last, read from the stream.

        It has stopped when a layer changes nothing, see ``interpret``. Raises TooLargeError after most_steps.
        """
        run, stream, one_step = [start], self.tokens(start), self.weights(1)
        for _ in range(most_steps + 1):
            after = forward(stream, one_step, keep="last").final
            if np.array_equal(after, stream):
                return run
            stream = after
            run.append(self.configuration(stream))
        raise _endless(self.machine, most_steps)


def compile_machine(machine: TuringMachine, bits: int = 7) -> MachineModel:
    """The layer of a machine for all tapes of up to 2^bits cells."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 20:
        raise BntError(f"bits must be a whole number from 1 to 20, not {bits!r}")
    symbols, states, code = len(machine.symbols), len(machine.states), 2 * bits
    layout = Layout(
        {
            **{"symbol": symbols, "here": code, "left": code, "right": code},  # a cell
            **{"state": states, "head": code},  # the control token
            **{"seen": symbols, "to_left": code, "to_right": code, "write": symbols},  # scratch
            **{"go_left": 1, "go_right": 1, "one": 1, "sink": 1},
        },
        {},
    )
    found = [("symbol", "seen"), ("left", "to_left"), ("right", "to_right")]
    read = _look_up(layout, "head", "here", found)
    write = _look_up(layout, "here", "head", [("write", "symbol")])
    decide = ffn(layout, list(_decisions(machine, layout)), "relu")
    move = ffn(layout, list(_movements(layout)), "relu")
    return MachineModel(machine, (Attention((read,)), decide, Attention((write,)), move), layout, bits)


def _look_up(layout: Layout, query: str, key: str, copies: Iterable[tuple[str, str]]) -> Head:
    """A head: the token whose ``key`` code equals my ``query`` code, or else the sink, whose values are zero."""
    value: list[tuple[Terms, Terms]] = [
        ({source: 1.0}, {target: 1.0})
        for sources, targets in copies
        for source, target in zip(layout.block(sources), layout.block(targets), strict=True)
    ]
    to_sink = ({"one": 1.0}, {"sink": -ROUTING / 2})
    to_itself = ({"sink": 1.0}, {"sink": 2 * ROUTING})  # the sink's own query, whose code is open
    return head(layout, ROUTING, same(layout, query, key), [to_sink, to_itself], value)


Unit = tuple[Terms, float, Terms]


def _decisions(machine: TuringMachine, layout: Layout) -> Iterator[Unit]:
    """One unit per table entry: 1 if the entry applies. Halting states have none, so nothing changes there."""

    def one(block: str, names: Sequence[str], name: str) -> str:
        return layout.block(block)[names.index(name)]

    for (state, symbol), (written, move, target) in machine.table.items():
        effects: dict[str, float] = {}
        for column, change in (
            (one("state", machine.states, state), -1.0),
            (one("state", machine.states, target), 1.0),
            (one("write", machine.symbols, symbol), -1.0),
            (one("write", machine.symbols, written), 1.0),
        ):
            effects[column] = effects.get(column, 0.0) + change
        if move != "S":
            effects["go_left" if move == "L" else "go_right"] = 1.0
        yield {one("state", machine.states, state): 1.0, one("seen", machine.symbols, symbol): 1.0}, -1.0, effects


def _movements(layout: Layout) -> Iterator[Unit]:
    """Bit by bit: relu(move + bit - 1) is "move and bit". Then every scratch column is erased."""
    for go, to in (("go_left", "to_left"), ("go_right", "to_right")):
        for bit, target in zip(layout.block("head"), layout.block(to), strict=True):
            yield {go: 1.0, bit: 1.0}, -1.0, {bit: -1.0}
            yield {go: 1.0, target: 1.0}, -1.0, {bit: 1.0}
    for block in ("seen", "to_left", "to_right", "write", "go_left", "go_right"):
        for column in layout.block(block):
            yield from erase(column)


def show_run(run: Sequence[Configuration]) -> str:
    """A run as text, one configuration a line, the head in brackets."""
    return "\n".join(f"{i:4} {configuration}" for i, configuration in enumerate(run))
