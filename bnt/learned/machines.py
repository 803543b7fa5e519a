"""Turing machines learned from single steps (arXiv:2603.17063, section 5.3), with encodings that compute what they say.

A configuration is 16 cells; a token is a cell: its symbol, the machine's state if the head is here, the bits of its
place. The model says for every cell what it is after one step: one of symbols x (no head, or a state). A step counts as
right if all 16 cells are.

Two splits of the same steps. *As published*: steps of numbers below 256, drawn with repetition (every state of the
machine equally often, which oversamples carries), so most validation steps also occur in training. *Overlap-free*: a
tenth of the numbers is set aside, and of their steps only those whose configuration never occurs in training. Longer
numbers, which still fit the tape, test whether it is a rule or a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.learned.trees import Ints
from bnt.sequences.turing import MACHINES, Configuration, TuringMachine, interpret, start_configuration
from bnt.training.gradients import predict
from bnt.training.losses import cross_entropy
from bnt.training.parameters import Parameters, TransformerConfig, initialise
from bnt.training.train import Run, train

CELLS = 16
BITS = 4  # of a cell's place
NUMBERS = 256
LEAST_DIGITS = 4  # numbers are written with at least so many digits
LONGER = (9, 13)  # digits of the numbers of the length test: at least 9, fewer than 13; with two blanks they fit
# How the published split is trained. With 10,000 draws in batches of 32, or 20,000 in batches of 64, some runs leave
# one or two validation steps wrong; with 40,000, validation holds next to nothing that is not in training.
AS_PUBLISHED: Mapping[str, int] = {"batch": 64, "steps": 1_500, "pairs": 40_000}

Step = tuple[Configuration, Configuration]


@dataclass(frozen=True, kw_only=True)
class MachineConfig:
    """How one machine is learned; overlap_free chooses the split."""

    machine: str
    overlap_free: bool = False
    steps: int = 2_000
    batch: int = 32
    learning_rate: float = 2e-3
    pairs: int = 20_000  # drawn with repetition, nine tenths to train on; the overlap-free split has what there is

    @property
    def model(self) -> TransformerConfig:
        """Two layers, two heads, width 32, as published."""
        machine = MACHINES[self.machine]
        classes = len(machine.symbols) * (1 + len(machine.states))
        columns = len(machine.symbols) + len(machine.states) + BITS
        return TransformerConfig(
            inputs=columns, width=32, outputs=classes, layers=2, heads=2, d_k=16, d_ff=128, layer_norm=True
        )


def steps_of(machine: TuringMachine, number: int, digits: int = LEAST_DIGITS) -> list[Step]:
    """All steps of a run on a number, on a tape of CELLS cells."""
    start = start_configuration(machine, format(number, "b").zfill(digits))
    tape = start.tape.ljust(CELLS, machine.blank)
    run = interpret(machine, start._replace(tape=tape))
    return list(pairwise(run))


class Split(NamedTuple):
    """Steps to train on, to validate on, and the share of validation steps that also occur in training."""

    training: list[Step]
    validation: list[Step]
    overlap: float


def split_steps(config: MachineConfig, seed: int) -> Split:
    """The steps of one run."""
    machine, rng = MACHINES[config.machine], np.random.default_rng([seed, 4])
    by_number = [steps_of(machine, number) for number in range(NUMBERS)]
    if config.overlap_free:
        aside = set(rng.permutation(NUMBERS)[: NUMBERS // 10].tolist())
        training = list(dict.fromkeys(s for number in range(NUMBERS) if number not in aside for s in by_number[number]))
        seen = {before for before, _ in training}
        validation = list(dict.fromkeys(s for number in sorted(aside) for s in by_number[number] if s[0] not in seen))
    else:
        of_state: dict[str, list[Step]] = {}
        for step in (step for steps in by_number for step in steps):
            of_state.setdefault(step[0].state, []).append(step)
        lists = list(of_state.values())
        chosen = [lists[i] for i in rng.integers(0, len(lists), config.pairs)]
        pairs = [steps[int(rng.integers(0, len(steps)))] for steps in chosen]
        training, validation = pairs[: -config.pairs // 10], pairs[-config.pairs // 10 :]
    known = {before for before, _ in training}
    return Split(training, validation, float(np.mean([before in known for before, _ in validation])))


def longer_steps(machine: TuringMachine, count: int = 60, seed: int = 0) -> list[Step]:
    """Steps of random numbers with more digits than any number in training."""
    rng = np.random.default_rng([seed, 5])
    numbers = rng.integers(2 ** (LONGER[0] - 1), 2 ** (LONGER[1] - 1), count).tolist()
    return [step for number in numbers for step in steps_of(machine, number)]


def encode(machine: TuringMachine, configurations: Sequence[Configuration]) -> Array:
    """(count, CELLS, symbols + states + BITS): symbol one-hot, state one-hot where the head is, place bits as -1, 1."""
    symbols, states = len(machine.symbols), len(machine.states)
    inputs = np.zeros((len(configurations), CELLS, symbols + states + BITS))
    inputs[..., symbols + states :] = 2.0 * ((np.arange(CELLS)[:, None] >> np.arange(BITS)) & 1) - 1
    classes = cell_classes(machine, configurations)
    rows, cells = np.arange(len(classes))[:, None], np.arange(CELLS)[None]
    inputs[rows, cells, classes % symbols] = 1.0
    row, cell = np.nonzero(classes >= symbols)
    inputs[row, cell, symbols + classes[row, cell] // symbols - 1] = 1.0
    return inputs


def cell_classes(machine: TuringMachine, configurations: Sequence[Configuration]) -> Ints:
    """(count, CELLS): number of the symbol + symbols * (0 without the head, 1 + number of the state with it)."""
    number = {symbol: i for i, symbol in enumerate(machine.symbols)}
    found = np.array([[number[symbol] for symbol in c.tape] for c in configurations])
    for row, c in enumerate(configurations):
        if c.head is not None:
            found[row, c.head] += len(machine.symbols) * (1 + machine.states.index(c.state))
    return found


def accuracy(machine: TuringMachine, parameters: Parameters, steps: Sequence[Step]) -> float:
    """Share of steps that are right in every cell."""
    said = predict(parameters, encode(machine, [before for before, _ in steps])).argmax(-1)
    return float((said == cell_classes(machine, [after for _, after in steps])).all(1).mean())


class LearnedMachine(NamedTuple):
    """A trained machine and what it is worth."""

    config: MachineConfig
    seed: int
    run: Run
    accuracy: float  # on the validation steps
    overlap: float  # share of them that occur in training
    longer: float  # accuracy on longer numbers
    first_perfect: int | None  # steps of training after which validation was first all right

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "machine": self.config.machine,
            "overlap_free": self.config.overlap_free,
            "seed": self.seed,
            "parameters": self.config.model.size,
            "accuracy": self.accuracy,
            "overlap": self.overlap,
            "longer": self.longer,
            "first_perfect": self.first_perfect,
            "seconds": round(self.run.seconds, 1),
        }


def learn_machine(config: MachineConfig, seed: int = 0, *, progress: bool = True) -> LearnedMachine:
    """Train one machine on single steps, float32."""
    machine, split = MACHINES[config.machine], split_steps(config, seed)
    inputs = encode(machine, [before for before, _ in split.training]).astype("float32")
    targets = cell_classes(machine, [after for _, after in split.training])

    def batches(rng: np.random.Generator) -> tuple[Array, Ints, None]:
        rows = rng.integers(0, len(inputs), config.batch)
        return inputs[rows], targets[rows], None

    run = train(
        initialise(config.model, seed, "float32"), batches, cross_entropy, steps=config.steps, warm_up=100, clip=1.0,
        learning_rate=config.learning_rate, seed=seed, progress=progress, validate_every=max(1, config.steps // 20),
        validate=lambda now: accuracy(machine, now, split.validation),
    )  # fmt: skip
    perfect = run.curve["validated_at"][run.curve["validation"] == 1]
    return LearnedMachine(
        config, seed, run, accuracy(machine, run.parameters, split.validation), split.overlap,
        accuracy(machine, run.parameters, longer_steps(machine)), int(perfect[0]) if len(perfect) else None,
    )  # fmt: skip
