"""pgmpy in and out: FactorGraph <-> DiscreteBayesianNetwork / DiscreteMarkovNetwork. pgmpy loads inside functions.

Every CPD and every factor becomes one factor, in pgmpy's order; equal ones stay apart. Names are kept; a name that is
no string (a model fitted to numbers or truth values) becomes one: 1 is "1", True is "True", 0.5 is "0.5".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bnt.checks import is_missing, of_kind
from bnt.errors import ModelError
from bnt.graph.bayesian_network import Array, BayesianNetwork, checked_network, column_problem
from bnt.graph.evidence import A_GRAPH
from bnt.graph.factor_graph import Factor, FactorGraph, Variable

if TYPE_CHECKING:
    from pgmpy.models import DiscreteBayesianNetwork, DiscreteMarkovNetwork, DynamicBayesianNetwork


def as_graph(model: Any) -> FactorGraph:
    """``model`` itself if it is a FactorGraph, else the factor graph of a pgmpy model or of a BayesianNetwork.

    Raises ModelError: any other kind of thing, and as ``from_pgmpy``.
    """
    if isinstance(model, FactorGraph):
        return model
    if isinstance(model, BayesianNetwork):
        return model.factor_graph()
    if any(kind.__module__.partition(".")[0] == "pgmpy" for kind in type(model).__mro__):
        return from_pgmpy(model)
    of_kind("the graph", model, FactorGraph, hint=A_GRAPH, error=ModelError)
    raise AssertionError("not reached")


def from_pgmpy(model: Any) -> FactorGraph:
    """The factor graph of a pgmpy DiscreteBayesianNetwork, DiscreteMarkovNetwork, FactorGraph or JunctionTree.

    ``graph.pgmpy_names`` keeps pgmpy's own names: variable -> (its name there, the names of its states).
    Raises ModelError: another kind of model, a variable without CPD or factor, a CPD whose parents are not those of
    the graph, states that disagree between tables, two names that are one as text (1 and "1"), a missing value as a
    state, a cycle, a column that is no distribution (within 1e-5 of one it is renormalised with a warning).
    """
    from pgmpy.models import DiscreteBayesianNetwork, DiscreteMarkovNetwork, DynamicBayesianNetwork, JunctionTree
    from pgmpy.models import FactorGraph as PgmpyGraph

    if isinstance(model, DiscreteBayesianNetwork):
        graph = network_from_pgmpy(model).factor_graph()
        tables = {str(cpd.variable): cpd for cpd in model.cpds}
    elif isinstance(model, (DiscreteMarkovNetwork, PgmpyGraph, JunctionTree)):
        names = None if isinstance(model, (PgmpyGraph, JunctionTree)) else _names(model)
        graph = _from_factors(list(model.factors), names)
        tables = {str(name): factor for factor in reversed(model.factors) for name in factor.variables}
    else:
        kinds = "DiscreteBayesianNetwork, DiscreteMarkovNetwork, FactorGraph or JunctionTree"
        dynamic = "; HMM.from_pgmpy reads a hidden Markov model" if isinstance(model, DynamicBayesianNetwork) else ""
        raise ModelError(f"expected a pgmpy {kinds}, got {type(model).__name__}{dynamic}")
    graph.pgmpy_names = {
        name: (next(one for one in tables[name].variables if str(one) == name), state_names(tables[name], name))
        for name in graph.index
    }
    return graph


def network_from_pgmpy(model: DiscreteBayesianNetwork) -> BayesianNetwork:
    """A pgmpy DiscreteBayesianNetwork as plain data, validated. Raises ModelError as ``from_pgmpy`` does."""
    names = _names(model)
    cpds: dict[str, Any] = {}
    for cpd in model.cpds:
        if str(cpd.variable) in cpds:
            raise ModelError(f"variable {cpd.variable!r} has two CPDs; keep one")
        cpds[str(cpd.variable)] = cpd
    if missing := [name for name in names if name not in cpds]:
        raise ModelError(f"no CPD for {', '.join(map(repr, missing))}; add one per variable with add_cpds")
    states = {name: _states(cpds[name], name) for name in names}
    tables = {}
    for name in names:
        cpd = cpds[name]
        parents = tuple(map(str, cpd.variables[1:]))
        arcs = sorted(map(str, model.predecessors(cpd.variable)))
        if sorted(parents) != arcs:
            raise ModelError(f"the CPD of {name!r} has parents {sorted(parents)}, but the arcs say {arcs}")
        tables[name] = (parents, _aligned(cpd, f"the CPD of {name!r}", states))
    return checked_network(_title(model), states, tables)


class Chain(NamedTuple):
    """A hidden Markov model as plain data; rows are distributions."""

    initial: Array  # (S,)
    transition: Array  # (S, S)  row = from
    emission: Array  # (S, O)
    states: tuple[str, ...]
    symbols: tuple[str, ...]


def chain_from_pgmpy(model: DynamicBayesianNetwork) -> Chain:
    """The hidden Markov model that a pgmpy DynamicBayesianNetwork is: Z0 -> Z1 and Z0 -> X0, nothing else.

    Raises ModelError for any other structure, a missing CPD, or emissions that differ between the slices.
    """
    from pgmpy.models import DynamicBayesianNetwork

    if not isinstance(model, DynamicBayesianNetwork):
        raise ModelError(f"expected a pgmpy DynamicBayesianNetwork, got {type(model).__name__}")
    arcs = {tuple((str(end[0]), end[1]) for end in arc) for arc in model.edges()}
    between = [(one, other) for (one, s), (other, t) in arcs if s != t]
    within = {(one, other) for (one, s), (other, t) in arcs if s == t}
    if len(between) != 1 or len(within) != 1 or between[0] != (hidden := next(iter(within))[0],) * 2:
        listed = ", ".join(f"{a}{s} -> {b}{t}" for (a, s), (b, t) in sorted(arcs))
        raise ModelError(
            f"a hidden Markov model has the arcs Z0 -> Z1 and Z0 -> X0 alone; this one has {listed or 'none'}"
        )
    shown = next(iter(within))[1]
    tables: dict[tuple[str, int], Any] = {(str(cpd.variable[0]), cpd.variable[1]): cpd for cpd in model.cpds}
    for node in ((hidden, 0), (hidden, 1)):
        if node not in tables:
            raise ModelError(f"no CPD for {node[0]!r} in slice {node[1]}; add one with add_cpds")
    emissions = [tables[shown, slice_] for slice_ in (0, 1) if (shown, slice_) in tables]
    if not emissions:
        raise ModelError(f"no CPD for {shown!r}; add one with add_cpds")
    states = as_text(f"the states of {hidden!r}", _own_states(tables[hidden, 0], 0))
    symbols = as_text(f"the states of {shown!r}", _own_states(emissions[0], 0))
    rows = [_rows(cpd, states, symbols) for cpd in emissions]
    if len(rows) > 1 and not np.allclose(rows[0], rows[1], rtol=0, atol=1e-12):
        raise ModelError(
            f"the CPD of {shown!r} differs between the slices; a hidden Markov model has one for all times"
        )
    initial = np.asarray(tables[hidden, 0].values, dtype=np.float64).reshape(-1)
    return Chain(initial, _rows(tables[hidden, 1], states, states), rows[0], states, symbols)


Slices = tuple[list[Variable], list[Factor], list[Factor], list[Factor]]


def slices_from_pgmpy(model: DynamicBayesianNetwork, previous: Callable[[Variable], Variable]) -> Slices:
    """Variables of a slice, and the factors first, within and between, as DynamicNetwork wants them.

    previous: a variable one slice earlier. Raises ModelError as DynamicNetwork.from_pgmpy.
    """
    from pgmpy.models import DynamicBayesianNetwork

    if not isinstance(model, DynamicBayesianNetwork):
        raise ModelError(f"expected a pgmpy DynamicBayesianNetwork, got {type(model).__name__}")
    tables: dict[tuple[str, int], Any] = {(str(cpd.variable[0]), int(cpd.variable[1])): cpd for cpd in model.cpds}
    names = list(dict.fromkeys(str(node[0]) for node in model.nodes()))
    later = {str(other[0]) for one, other in model.edges() if one[1] != other[1]}
    variables: dict[tuple[str, int], Variable] = {}
    for name in names:
        for slice_ in (0, 1):
            if (name, slice_) not in tables and (slice_ == 0 or name in later):
                raise ModelError(f"no CPD for {name!r} in slice {slice_}; add one with add_cpds")
        states = as_text(f"the states of {name!r}", _own_states(tables[name, 0], 0))
        variables[name, 0] = Variable(name, states)
    kinds: dict[str, list[Factor]] = {"first": [], "within": [], "between": []}
    for (name, slice_), cpd in tables.items():
        scope, table = [], np.asarray(cpd.values, dtype=np.float64)
        for axis, node in enumerate(cpd.variables):
            variable = variables[str(node[0]), 0]
            own = as_text("its states", _own_states(cpd, axis))
            if set(own) != set(variable.states):
                raise ModelError(
                    f"the CPD of {name!r} in slice {slice_} names the states of {node[0]!r} {own}, elsewhere they are "
                    f"{variable.states}"
                )
            table = table.take([own.index(state) for state in variable.states], axis)
            scope.append(previous(variable) if int(node[1]) < slice_ else variable)
        if problem := column_problem(table, {variable.name: variable.states for variable in scope}):
            raise ModelError(f"the CPD of {name!r} in slice {slice_}: {problem[1]}")
        kind = "between" if slice_ else "first" if (name, 1) in tables else "within"
        kinds[kind].append(Factor(scope, table, name))
    return [variables[name, 0] for name in names], kinds["first"], kinds["within"], kinds["between"]


def _own_states(cpd: Any, axis: int) -> list[Any]:
    return list(cpd.state_names[cpd.variables[axis]])


def _rows(cpd: Any, given: tuple[str, ...], outcomes: tuple[str, ...]) -> Array:
    """p(outcome | given) of a CPD with one parent, row = given, states put into this order."""
    orders = []
    for axis, wanted in ((0, outcomes), (1, given)):
        own = as_text("its states", _own_states(cpd, axis)) if len(cpd.variables) == 2 else ()
        if set(own) != set(wanted):
            raise ModelError(f"the CPD of {cpd.variable!r} names the states {own}, elsewhere they are {wanted}")
        orders.append([own.index(state) for state in wanted])
    return np.asarray(cpd.values, dtype=np.float64)[np.ix_(*orders)].T


def network_to_pgmpy(network: BayesianNetwork) -> DiscreteBayesianNetwork:
    """``network`` as a pgmpy DiscreteBayesianNetwork: same order, same states, same numbers."""
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork

    model = DiscreteBayesianNetwork()
    model.add_nodes_from(network.states)
    model.add_edges_from((one, name) for name, parents in network.parents.items() for one in parents)
    model.name = network.name
    for name, parents in network.parents.items():
        table = network.tables[name]
        states = {one: list(network.states[one]) for one in (name, *parents)}
        sizes = [len(network.states[one]) for one in parents]
        cpd = TabularCPD(name, len(table), table.reshape(len(table), -1), list(parents), sizes, state_names=states)
        model.add_cpds(cpd)
    return model


def to_pgmpy(graph: FactorGraph) -> DiscreteMarkovNetwork:
    """``graph`` as a pgmpy DiscreteMarkovNetwork: one DiscreteFactor per factor, an edge per pair within a scope.

    Raises ModelError: a variable in no factor, which pgmpy cannot hold, or a log table beyond the range of float64,
    where exp would make a finite entry infinite or zero.
    """
    from pgmpy.factors.discrete import DiscreteFactor
    from pgmpy.models import DiscreteMarkovNetwork

    if lonely := [v.name for v, factors in zip(graph.variables, graph.factors_of, strict=True) if not factors]:
        raise ModelError(f"variable {lonely[0]!r} is in no factor; pgmpy needs one: add a table of ones over it")
    model = DiscreteMarkovNetwork()
    model.add_nodes_from(graph.index)
    for factor in graph.factors:
        names = [variable.name for variable in factor.variables]
        table = _table(factor)
        model.add_edges_from(combinations(names, 2))
        states = {variable.name: list(variable.states) for variable in factor.variables}
        model.add_factors(DiscreteFactor(names, table.shape, table, state_names=states))
    return model


def to_bayesian_network(graph: FactorGraph) -> DiscreteBayesianNetwork:
    """``graph`` as a pgmpy DiscreteBayesianNetwork, where factor f is p(first variable of its scope | the others).

    That is the form of every graph made from a Bayesian network. Raises ModelError for any other: a variable that is
    first in no factor or in two, a column that is no distribution, an entry too small for float64, a cycle.
    """
    tables: dict[str, tuple[list[str], Array]] = {}
    for factor in graph.factors:
        name, *parents = (variable.name for variable in factor.variables)
        if name in tables:
            raise ModelError(f"{factor.label}: {name!r} is first in an earlier factor too; a variable has one CPT")
        table = _table(factor)
        if problem := column_problem(table, {v.name: v.states for v in factor.variables}):
            raise ModelError(f"{factor.label}: {problem[1]}")
        tables[name] = (parents, table)
    states = {variable.name: variable.states for variable in graph.variables}
    return network_to_pgmpy(checked_network("factor graph", states, tables))


def _table(factor: Factor) -> Array:
    """The potential itself. Raises ModelError where exp turns a finite logarithm into infinity or into zero."""
    with np.errstate(over="ignore", under="ignore"):
        table = factor.table
    beyond = np.isinf(table) | ((table == 0) & ~np.isneginf(factor.log_table))
    if beyond.any():
        raise ModelError(f"{factor.label}: exp({factor.log_table[beyond][0]:g}) is beyond float64; rescale the table")
    return table


def _from_factors(given: Sequence[Any], names: Sequence[str] | None) -> FactorGraph:
    """Of pgmpy factors; names: the variables in order, None where only the factors tell."""
    if not given:
        raise ModelError("the model has no factor; add one over each of its variables")
    first: dict[str, Any] = {}
    for factor in given:
        for name in factor.variables:
            first.setdefault(str(name), factor)
    if names is None:
        names = as_text("the variables", dict.fromkeys(name for factor in given for name in factor.variables))
    if missing := [name for name in names if name not in first]:
        raise ModelError(f"no factor over {', '.join(map(repr, missing))}, so the states are unknown; add one")
    states = {name: _states(first[name], name) for name in names}
    variables = {name: Variable(name, listed) for name, listed in states.items()}
    factors = []
    for factor in given:
        table = _aligned(factor, f"the factor over {tuple(factor.variables)}", states)
        factors.append(Factor([variables[str(name)] for name in factor.variables], table))
    return FactorGraph(variables.values(), factors)


def _names(model: Any) -> list[str]:
    """The model's variables as strings, in its order."""
    return list(as_text("the variables", model.nodes()))


def as_text(what: str, names: Iterable[Any]) -> tuple[str, ...]:
    """Names of pgmpy as strings. Raises ModelError where two become one, or one is a missing value."""
    given = [name.item() if isinstance(name, np.generic) else name for name in names]
    if missing := [name for name in given if is_missing(name)]:
        raise ModelError(f"{what}: {missing[0]!r} is a missing value, no name; drop those rows, or name the category")
    found = [str(name) for name in given]
    for i, name in enumerate(found):
        if name in found[:i]:
            pair = f"{given[found.index(name)]!r} and {given[i]!r}"
            raise ModelError(f"{what}: {pair} are both {name!r} as text; names must differ as text")
    return tuple(found)


def _title(model: DiscreteBayesianNetwork) -> str:
    return str(getattr(model, "name", "") or "pgmpy model")


def _states(factor: Any, name: str) -> tuple[str, ...]:
    """The states of one variable as its own table names them, as strings."""
    return as_text(f"the states of variable {name!r}", state_names(factor, name))


def state_names(factor: Any, name: str) -> list[Any]:
    """pgmpy's own names of the states of the variable whose name is ``name`` as text."""
    own = next(one for one in factor.variables if str(one) == name)
    return list(factor.state_names[own])


def _aligned(factor: Any, what: str, states: Mapping[str, tuple[str, ...]]) -> Array:
    """The table of a pgmpy factor with every axis in the order of ``states``. Raises ModelError where they disagree."""
    table = np.asarray(factor.values, dtype=np.float64)
    for axis, name in enumerate(map(str, factor.variables)):
        if name not in states:
            raise ModelError(f"{what}: {name!r} is no variable of the model")
        own, wanted = _states(factor, name), states[name]
        if table.shape[axis] != len(wanted):
            raise ModelError(f"{what} has {table.shape[axis]} states for {name!r}, elsewhere it has {len(wanted)}")
        if set(own) != set(wanted):
            raise ModelError(f"{what} names the states of {name!r} {own}, elsewhere they are {wanted}")
        if own != wanted:
            table = table.take([own.index(state) for state in wanted], axis)
    return table
