"""Beliefs by name: a read-only mapping over one flat array, so a large graph costs nothing to return."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bnt.checks import in_one_line
from bnt.display import UNCHECKED, card, counted, draw, probability
from bnt.errors import ModelError, UnknownStateError, valid_names
from bnt.graph.factor_graph import Array, FactorGraph, spellings

if TYPE_CHECKING:
    from pandas import DataFrame
    from pgmpy.factors.discrete import DiscreteFactor

    from bnt.display import Picture

MOST_STATES = 5  # of one variable, in a table


class OfStates(dict[str, float]):
    """Probability of each state of one variable; an unknown state raises UnknownStateError, which lists the states."""

    def __init__(self, name: str, items: Iterable[tuple[str, float]]):
        super().__init__(items)
        self.name = name

    def __getitem__(self, state: object) -> float:
        try:
            return super().__getitem__(state)  # type: ignore[index]
        except TypeError:  # it cannot be a key
            return self.__missing__(state)

    def __missing__(self, state: object) -> float:
        for name in () if isinstance(state, str) else spellings(state):
            if name in self:
                return self[name]
        raise UnknownStateError(
            f"{in_one_line(state)} is no state of variable {self.name!r}; {valid_names(self, state)}"
        )


class Beliefs(Mapping[str, Mapping[str, float]]):
    """``beliefs["rain"]["yes"]``: probability of each state of each variable.

    ``flat`` holds the probabilities of all variables one after the other, ``pointer[i]:pointer[i+1]`` those of
    ``graph.variables[i]``. In max mode the numbers are max-marginals, scaled to sum to one.
    """

    def __init__(self, graph: FactorGraph, flat: Array):
        self.graph = graph
        self.flat = flat
        self.flat.flags.writeable = False
        self.pointer = graph.state_ptr

    def __reduce__(self) -> tuple[Any, ...]:
        return Beliefs, (self.graph, self.flat)  # a copy is read-only too

    def vector(self, name: str) -> Array:
        """Probabilities of one variable in state order, shape (cardinality,). Raises UnknownVariableError."""
        i = self.graph.position(name)
        return self.flat[self.pointer[i] : self.pointer[i + 1]]

    def to_pgmpy(self, name: str) -> DiscreteFactor:
        """Probabilities of one variable as a pgmpy DiscreteFactor, with the names it has in the pgmpy model, if any.

        Raises UnknownVariableError.
        """
        from pgmpy.factors.discrete import DiscreteFactor

        variable = self.graph.variable(name)
        own, states = (self.graph.pgmpy_names or {}).get(variable.name, (variable.name, list(variable.states)))
        return DiscreteFactor([own], [variable.cardinality], self.vector(name), state_names={own: states})

    def __getitem__(self, name: str) -> Mapping[str, float]:
        states, values = self.graph.variable(name).states, self.vector(name).tolist()
        return OfStates(name, zip(states, values, strict=True))

    def __iter__(self) -> Iterator[str]:
        return iter(self.graph.index)

    def __len__(self) -> int:
        return self.graph.n_variables

    def distance(self, other: Beliefs) -> float:
        """Largest absolute difference of any probability. Raises ModelError for beliefs about other variables."""
        if self.graph is not other.graph and self.graph.variables != other.graph.variables:
            raise ModelError("beliefs can be compared if they are about the same variables with the same states")
        return float(np.max(np.abs(self.flat - other.flat), initial=0.0))

    def __str__(self) -> str:
        rows = [f"{name}: " + ", ".join(f"{s} {p:.4f}" for s, p in self[name].items()) for name in self]
        return "\n".join(rows[:40] + ([f"... and {len(rows) - 40} more"] if len(rows) > 40 else []))

    def __repr__(self) -> str:
        return f"<Beliefs of {len(self)} variables>"

    def to_frame(self) -> DataFrame:
        """A pandas frame with one row per variable and state: variable, state, probability."""
        import pandas as pd

        names = np.repeat([variable.name for variable in self.graph.variables], np.diff(self.pointer))
        states = [state for variable in self.graph.variables for state in variable.states]
        return pd.DataFrame({"variable": names, "state": states, "probability": self.flat})

    def plot(self, **options: Any) -> Picture:
        """The graph, tinted by these beliefs; see ``figures.plot``. Raises TooLargeError for what cannot be read."""
        return draw(self, **options)

    def in_words(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
        """(variable, its states with their probabilities) as text, for a table."""
        for variable in self.graph.variables if names is None else map(self.graph.variable, names):
            values = self.vector(variable.name)[:MOST_STATES]
            said = [f"{state}: {probability(p)}" for state, p in zip(variable.states, values, strict=False)]
            more = variable.cardinality - len(said)
            yield variable.name, ", ".join(said) + (f" and {more:,} more" if more > 0 else "")

    def _repr_html_(self) -> str:
        line = f"of {counted(len(self), 'variable')}"
        return card("Beliefs", line, ("variable", "belief"), self.in_words(), total=len(self), things="variables")


def belief_card(
    kind: str, line: str, beliefs: Beliefs, status: str, support: str = "checked", names: Iterable[str] | None = None
) -> str:
    """The card of a result whose rows are beliefs, of all variables or of ``names``."""
    names = tuple(beliefs if names is None else names)
    notes = [] if support == "checked" else [UNCHECKED]
    header, rows = ("variable", "belief"), beliefs.in_words(names)
    return card(kind, line, header, rows, total=len(names), things="variables", status=status, notes=notes)
