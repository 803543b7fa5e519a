"""Variables, factors and factor graphs: the one model type that every algorithm here starts from.

A factor graph is the product  p(x) = (1/Z) prod_f psi_f(x_f)  over named discrete variables. Tables are kept as
natural logarithms; a zero entry is a real zero (``-inf``), never a small number. A factor's identity is its index in
``graph.factors``: two equal factors stay two factors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bnt.checks import in_one_line, in_order, in_state_order, is_missing, of_kind, real_array
from bnt.display import card, counted, draw
from bnt.errors import ModelError, UnknownStateError, UnknownVariableError, valid_names
from bnt.graph.arrays import Arrays, checked_arrays, read_only

if TYPE_CHECKING:
    from pandas import DataFrame
    from pgmpy.models import DiscreteBayesianNetwork, DiscreteMarkovNetwork

    from bnt.display import Picture

Array = NDArray[np.float64]


class Variable:
    """A discrete variable: a name and at least one named state. Equal when both are equal; immutable."""

    __slots__ = ("_hash", "name", "states")
    name: str
    states: tuple[str, ...]

    def __init__(self, name: str, states: Iterable[str]):
        if not isinstance(name, str) or not name:
            raise ModelError(f"a variable's name must be a non-empty string, not {name!r}")
        states = in_order(f"variable {name!r}: states", states, "names", error=ModelError)
        wrong = [state for state in states if not isinstance(state, str) or not state]
        if wrong or not states:
            raise ModelError(f"variable {name!r}: states must be non-empty strings, at least one; got {states!r}")
        if len(set(states)) != len(states):
            twice = next(state for state in states if states.count(state) > 1)
            raise ModelError(f"variable {name!r}: state {twice!r} is listed twice; states must differ")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "states", states)
        object.__setattr__(self, "_hash", hash((name, states)))

    def __setattr__(self, attribute: str, value: object) -> None:
        raise AttributeError(f"a Variable is immutable; make a new one instead of setting {attribute!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Variable, (self.name, self.states)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Variable) and self.name == other.name and self.states == other.states

    def __hash__(self) -> int:
        return int(self._hash)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"Variable({self.name!r}, {self.states!r})"

    def _repr_html_(self) -> str:
        line = f"{self.name}: {counted(self.cardinality, 'state')}"
        return card("Variable", line, ("state",), zip(self.states), total=self.cardinality, things="states")

    @property
    def cardinality(self) -> int:
        """Number of states."""
        return len(self.states)

    def state_index(self, state: object) -> int:
        """Position of ``state``: its name, or what the name says (1, np.int64(1), True and 1.0 find "1" or "True").

        Raises UnknownStateError, which lists the valid states, also for a missing value (None, NaN, pandas.NA).
        """
        found = self.find_state(state)
        if found is not None:
            return found
        if is_missing(state):
            rule = f"is missing, which is no state of variable {self.name!r}; leave out what was not observed"
            raise UnknownStateError(f"{state!r} {rule}; {valid_names(self.states)}")
        if isinstance(state, bytes):
            rule = f"is bytes, and the states of variable {self.name!r} are text; decode it"
            raise UnknownStateError(f"{in_one_line(state)} {rule}; {valid_names(self.states)}")
        wanted = state if isinstance(state, str) else None
        raise UnknownStateError(
            f"{in_one_line(state)} is no state of variable {self.name!r}; {valid_names(self.states, wanted)}"
        )

    def find_state(self, state: object) -> int | None:
        """Position of ``state`` as ``state_index`` finds it, or None."""
        for name in (state,) if isinstance(state, str) else spellings(state):
            if name in self.states:
                return self.states.index(name)
        return None


def spellings(state: Any) -> tuple[str, ...]:
    """The names that a state which is no string may have, its own first: 1 is "1", "1.0" or "True", and Decimal("1.0")
    the same; bytes are no text, but a model fitted to them names its states "b'1'"."""
    if is_missing(state):
        return ()
    if isinstance(state, np.generic):
        state = state.item()
    if isinstance(state, Decimal):
        near = float(state)
        same = state.is_finite() and Decimal(str(near)) == state  # no digit is lost
        return tuple(dict.fromkeys((str(state), *(spellings(near) if same else ()))))
    if isinstance(state, (bool, int, float)) and state in (0, 1):
        truth = str(bool(state))
        number = (str(int(state)), str(float(state)))
        own = str(state)
        return tuple(dict.fromkeys((own, *number, truth, truth.lower())))
    if isinstance(state, float) and state.is_integer():
        return (str(state), str(int(state)))
    if isinstance(state, int):
        return (str(state), f"{state}.0")
    return () if isinstance(state, (Mapping, list, np.ndarray)) else (str(state),)


class Factor:
    """A non-negative table over an ordered scope of variables, any scale; one axis per variable.

    ``table[i, j, ...]`` is the potential psi at the i-th state of the first variable, the j-th of the second, ...
    ``log_table`` is its logarithm, float64, read-only; ``-inf`` is a real zero. Give either ``table`` or ``log_table``.
    The labels of a pandas Series or DataFrame name the states, in any order.
    Raises ModelError: repeated variable, wrong shape, negative entry, NaN, +inf, or a table that is zero everywhere.
    """

    __slots__ = ("log_table", "name", "variables")
    variables: tuple[Variable, ...]
    log_table: Array
    name: str | None

    def __init__(
        self,
        variables: Iterable[Variable],
        table: ArrayLike | None = None,
        name: str | None = None,
        *,
        log_table: ArrayLike | None = None,
    ):
        self._set_scope(variables, name)
        if (table is None) == (log_table is None):
            raise ModelError(f"{self.label}: give exactly one of table and log_table")
        try:
            given = in_state_order("it", table if log_table is None else log_table, self.variables, error=ModelError)
            array = real_array("the table", given, error=ModelError)
        except ModelError as error:
            raise ModelError(f"{self.label}: {error}") from None
        shape = tuple(variable.cardinality for variable in self.variables)
        if array.shape != shape:
            raise ModelError(f"{self.label}: the table has shape {array.shape}, the states say {shape}")
        if log_table is None and array.min() > 0 and array.max() < np.inf:  # the usual case; false for NaN
            array = np.log(array)
        elif log_table is None:
            _refuse_entry(self, array, np.isnan(array) | (array < 0) | np.isposinf(array), "finite and >= 0")
            with np.errstate(divide="ignore"):
                array = np.log(array)
        else:
            _refuse_entry(self, array, np.isnan(array) | np.isposinf(array), "finite or -inf (log domain)")
        if array.max() == -np.inf:
            raise ModelError(f"{self.label}: every entry of the table is zero, so the model has no support")
        array.flags.writeable = False
        self.log_table = array

    def _set_scope(self, variables: Iterable[Variable], name: str | None) -> None:
        self.variables = in_order("the scope of a factor", variables, "Variables", error=ModelError)
        self.name = name
        if not self.variables or not all(isinstance(variable, Variable) for variable in self.variables):
            raise ModelError(f"{self.label}: the scope must be at least one Variable, got {self.variables!r}")
        names = [variable.name for variable in self.variables]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ModelError(f"{self.label}: variable {twice!r} appears twice in the scope; list it once")

    def __reduce__(self) -> tuple[Any, ...]:
        return _factor, (self.variables, self.name, self.log_table)  # a copy is read-only too

    @property
    def label(self) -> str:
        """Short text for messages: the factor's name, or its scope."""
        scope = ", ".join(getattr(variable, "name", repr(variable)) for variable in self.variables)
        return f"factor {self.name!r} ({scope})" if self.name else f"factor ({scope})"

    @property
    def table(self) -> Array:
        """exp(log_table): the potential itself, a fresh array."""
        return np.exp(self.log_table)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """One row per joint state of the scope, the last variable fastest: its states, then the potential."""
        for place in np.ndindex(self.log_table.shape):
            states = (variable.states[i] for variable, i in zip(self.variables, place, strict=True))
            yield *states, float(np.exp(self.log_table[place]))

    def to_frame(self) -> DataFrame:
        """``rows`` as a pandas frame: one column per variable, and "potential"."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=[*(variable.name for variable in self.variables), "potential"])

    def __repr__(self) -> str:
        return f"<{self.label}, shape {self.log_table.shape}>"

    def _repr_html_(self) -> str:
        names = [variable.name for variable in self.variables]
        line = f"{self.name + ': ' if self.name else ''}a table over {', '.join(names)}"
        return card("Factor", line, [*names, "potential"], self.rows(), total=self.log_table.size, things="entries")


def _factor(variables: tuple[Variable, ...], name: str | None, log_table: Array) -> Factor:
    return Factor(variables, name=name, log_table=log_table)


def _refuse_entry(factor: Factor, array: Array, bad: NDArray[np.bool_], rule: str) -> None:
    """Raise ModelError naming the first bad entry by its states."""
    if not bad.any():
        return
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    at = ", ".join(f"{v.name}={v.states[i]}" for v, i in zip(factor.variables, place, strict=True))
    raise ModelError(f"{factor.label}: the entry at {at} is {array[place]}; every entry must be {rule}")


class FactorGraph:
    """Named variables and the factors over them.

    ``FactorGraph(variables, factors)`` keeps both in the given order. ``scopes[f]`` holds the positions (in
    ``variables``) of factor f's scope. A variable in no factor is allowed: its marginal is uniform.
    Raises ModelError: two variables with one name, or a factor over a variable that is absent or has other states;
    sets, which have no order, in place of sequences. ``from_arrays`` makes large graphs.
    """

    pgmpy_names: Mapping[str, tuple[Any, list[Any]]] | None = (
        None  # set by from_pgmpy: its names of variable and states
    )
    made_of_arrays = False  # then variables, factors, index and scopes are made of ``arrays`` when asked for

    def __init__(self, variables: Iterable[Variable], factors: Iterable[Factor]):
        self.variables = in_order("variables", variables, "Variables", error=ModelError)
        self.factors = in_order("factors", factors, "Factors", error=ModelError)
        for variable in self.variables:
            of_kind("each of the variables", variable, Variable, error=ModelError)
        for factor in self.factors:
            of_kind("each of the factors", factor, Factor, error=ModelError)
        self.index = {v.name: i for i, v in enumerate(self.variables)}
        if len(self.index) != len(self.variables):
            names = [variable.name for variable in self.variables]
            twice = next(name for i, name in enumerate(names) if self.index[name] != i)
            raise ModelError(f"two variables are named {twice!r}; names must differ")
        self.scopes = tuple(self._scope(factor) for factor in self.factors)

    def _scope(self, factor: Factor) -> tuple[int, ...]:
        scope = []
        for variable in factor.variables:
            i = self.index.get(variable.name)
            if i is None:
                raise ModelError(
                    f"{factor.label}: {variable.name!r} is no variable of this graph; "
                    f"{valid_names(self.index, variable.name)}"
                )
            if self.variables[i] != variable:
                raise ModelError(
                    f"{factor.label}: {variable.name!r} has states {variable.states} here, "
                    f"but {self.variables[i].states} in the graph"
                )
            scope.append(i)
        return tuple(scope)

    @classmethod
    def from_arrays(
        cls, cardinalities: ArrayLike, scopes: Any, tables: Any = None, *, log_tables: Any = None
    ) -> FactorGraph:
        """A graph out of arrays, a million factors in a second: no object is made for any of them until asked for.

        cardinalities (n,): the states of every variable. Variables are called x0, x1, ..., their states 0, 1, ...
        scopes (m, k): the variables of m factors, as numbers from 0 to n-1. tables (m, s1, ..., sk): their potentials,
        of any scale, one axis per variable; or (s1, ..., sk), one table for all. Give either tables or log_tables.
        Factors of several shapes: a list of such arrays on both sides, or of single scopes and their tables; factors
        are numbered as they come. Raises ModelError, naming the factor: as ``Factor``, and for a variable out of range.
        """
        graph = cls.__new__(cls)
        graph.made_of_arrays = True
        graph.arrays = checked_arrays(cardinalities, scopes, tables, log_tables)
        return graph

    @cached_property
    def arrays(self) -> Arrays:
        """Cardinalities, scopes and log tables of all factors in one row each, read-only."""
        return read_only(
            Arrays(
                np.diff(self.state_ptr),
                _pointer(len(scope) for scope in self.scopes),
                np.array([i for scope in self.scopes for i in scope], dtype=np.int64),
                _pointer(factor.log_table.size for factor in self.factors),
                np.concatenate([np.zeros(0), *(factor.log_table.reshape(-1) for factor in self.factors)]),
            )
        )

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """All variables, in order."""
        known: dict[int, tuple[str, ...]] = {}
        return tuple(_numbered(i, k, known) for i, k in enumerate(self.arrays.cardinality.tolist()))

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """All factors, in order."""
        begin, logs = self.arrays.table_ptr.tolist(), self.arrays.log_table
        scopes = ([self.variables[i] for i in scope] for scope in self.scopes)
        return tuple(_checked_factor(tuple(scope), logs[begin[f] : begin[f + 1]]) for f, scope in enumerate(scopes))

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Position of every variable, by name."""
        return {f"x{i}": i for i in range(self.n_variables)}

    @cached_property
    def scopes(self) -> tuple[tuple[int, ...], ...]:
        """Positions of every factor's variables."""
        begin, edges = self.arrays.factor_ptr.tolist(), self.arrays.edge_variable.tolist()
        return tuple(tuple(edges[begin[f] : begin[f + 1]]) for f in range(self.n_factors))

    @property
    def n_variables(self) -> int:
        """How many variables there are."""
        return len(self.arrays.cardinality) if self.made_of_arrays else len(self.variables)

    @property
    def n_factors(self) -> int:
        """How many factors there are."""
        return len(self.arrays.factor_ptr) - 1 if self.made_of_arrays else len(self.factors)

    @classmethod
    def from_pgmpy(cls, model: DiscreteBayesianNetwork | DiscreteMarkovNetwork) -> FactorGraph:
        """The factor graph of a pgmpy model: one factor per CPD or per factor, in pgmpy's order."""
        from bnt.graph.pgmpy_bridge import from_pgmpy

        return from_pgmpy(model)

    def to_pgmpy(self) -> DiscreteMarkovNetwork:
        """This graph as a pgmpy DiscreteMarkovNetwork (factors kept apart)."""
        from bnt.graph.pgmpy_bridge import to_pgmpy

        return to_pgmpy(self)

    def variable(self, name: str) -> Variable:
        """The variable called ``name``. Raises UnknownVariableError, which lists near names."""
        return self.variable_at(self.position(name))

    def variable_at(self, position: int) -> Variable:
        """``variables[position]``, without making all the others."""
        if self.made_of_arrays and "variables" not in self.__dict__:
            return _numbered(position, int(self.arrays.cardinality[position]), {})
        return self.variables[position]

    def position(self, name: object) -> int:
        """Position of the variable called ``name`` in ``variables``. Raises UnknownVariableError."""
        i = self.index.get(name if isinstance(name, str) else str(name))  # pgmpy may name by numbers
        if i is None:
            raise UnknownVariableError(f"{name!r} is no variable of this model; {valid_names(self.index, name)}")
        return int(i)

    @cached_property
    def state_ptr(self) -> NDArray[np.int64]:
        """(n+1,) all states of all variables in a row: those of variable i are state_ptr[i]:state_ptr[i+1]."""
        if self.made_of_arrays:
            return np.concatenate([[0], np.cumsum(self.arrays.cardinality)])
        return _pointer(variable.cardinality for variable in self.variables)

    @cached_property
    def factors_of(self) -> tuple[tuple[int, ...], ...]:
        """For each variable, the indices of the factors over it, ascending."""
        lists: list[list[int]] = [[] for _ in self.variables]
        for f, scope in enumerate(self.scopes):
            for i in scope:
                lists[i].append(f)
        return tuple(tuple(one) for one in lists)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: the model; what was worked out from it is made anew."""
        model = ("made_of_arrays", "arrays") if self.made_of_arrays else ("variables", "factors", "index", "scopes")
        return {name: value for name, value in self.__dict__.items() if name in (*model, "pgmpy_names")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.made_of_arrays:
            read_only(self.arrays)  # a copy is read-only too

    def plot(self, **options: Any) -> Picture:
        """A picture of variables and factors; see ``figures.plot``. Raises TooLargeError for what cannot be read."""
        return draw(self, **options)

    def __repr__(self) -> str:
        return f"<FactorGraph: {self.n_variables} variables, {self.n_factors} factors>"

    def rows(self) -> Iterator[tuple[str, str, int]]:
        """One row per variable: its name, its states, and how many factors are over it."""
        edges = self.arrays.edge_variable if self.made_of_arrays else [i for scope in self.scopes for i in scope]
        over = np.bincount(np.array(edges, dtype=np.int64), minlength=self.n_variables)
        every = (self.variable_at(i) for i in range(self.n_variables))
        return ((v.name, ", ".join(v.states), int(over[i])) for i, v in enumerate(every))

    def to_frame(self) -> DataFrame:
        """``rows`` as a pandas frame: variable, states, factors over it."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=["variable", "states", "factors over it"])

    def _repr_html_(self) -> str:
        line = f"{counted(self.n_variables, 'variable')}, {counted(self.n_factors, 'factor')}"
        header = "variable", "states", "factors over it"
        return card("FactorGraph", line, header, self.rows(), total=self.n_variables, things="variables")


def _pointer(lengths: Iterable[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *lengths], dtype=np.int64)


def _numbered(i: int, cardinality: int, known: dict[int, tuple[str, ...]]) -> Variable:
    """Variable x{i} with the states 0, 1, ...; ``known``: names of states made already."""
    name = f"x{i}"
    if cardinality not in known:
        known[cardinality] = tuple(map(str, range(cardinality)))
    variable = object.__new__(Variable)
    object.__setattr__(variable, "name", name)
    object.__setattr__(variable, "states", known[cardinality])
    object.__setattr__(variable, "_hash", hash((name, known[cardinality])))
    return variable


def _checked_factor(variables: tuple[Variable, ...], log_table: Array) -> Factor:
    """A factor whose table, read-only, was checked with all the others."""
    factor = object.__new__(Factor)
    factor.variables, factor.name = variables, None
    factor.log_table = log_table.reshape([variable.cardinality for variable in variables])
    return factor
