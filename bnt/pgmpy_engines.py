"""Inference engines with the signatures of pgmpy's VariableElimination and BeliefPropagation: swap one line, keep the
program.

    from pgmpy.inference import VariableElimination as Engine
    from bnt.pgmpy_engines import TransformerInference as Engine     # the answer comes out of a transformer

    Engine(model).query(["lung"], {"xray": "yes"})                   # a pgmpy DiscreteFactor, with pgmpy's own names

A joint query is answered by the chain rule, p(a, b) = p(a) p(b | a): one run for every joint state of all queried
variables but one. ``engine.status`` says what the last answer is worth; only ExactInference promises "exact".
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from bnt.checks import MEMORY_LIMIT, is_missing
from bnt.compiler.compile import Construction, compile_graph
from bnt.compiler.model import CompiledModel, reference
from bnt.compiler.pairwise import pairwise_obstacle
from bnt.compiler.posterior import MOST_ROUNDS
from bnt.errors import (
    EvidenceError,
    InconsistentEvidenceError,
    TooLargeError,
    UnknownVariableError,
    UnsupportedModelError,
    valid_names,
)
from bnt.graph.beliefs import Beliefs
from bnt.graph.evidence import absorb, likelihoods, parse_evidence
from bnt.graph.factor_graph import Array, FactorGraph
from bnt.graph.pgmpy_bridge import from_pgmpy
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals, log_probability
from bnt.inference.posterior import exact_status, weakest
from bnt.inference.result import BPResult
from bnt.inference.variational import MeanFieldResult, TRWResult
from bnt.transformer.forward import Trace, forward

if TYPE_CHECKING:
    from pgmpy.factors.discrete import DiscreteFactor

TIE = 1e-9  # max-marginals as close as this are equal
MOST_RUNS = 1000  # transformers compiled for one most probable joint state
LARGEST_LOG, SMALLEST_LOG = math.log(np.finfo(float).max), math.log(np.finfo(float).tiny)
MOST_JOINT_STATES = 2**20  # of the queried variables: the answer is a table of that size
Evidence = dict[str, Any]  # of the factor graph, by its own names


class Found(NamedTuple):
    """One run of an engine."""

    beliefs: Beliefs
    log_z: float  # log p(evidence) up to the tables' scale; Bethe's estimate on loops
    status: str


class PgmpyEngine(ABC):
    """What the three engines share. ``model``: a pgmpy Bayesian or Markov network, factor graph or junction tree.

    Raises ModelError for any other, or a model that breaks a rule (see FactorGraph.from_pgmpy).
    """

    def __init__(self, model: Any):
        self.model = model
        self.status = "exact"  # of the last answer
        self._key: tuple[Any, ...] = ()
        self._kept: FactorGraph | None = None
        _ = self.graph

    @property
    def graph(self) -> FactorGraph:
        """The model as a factor graph; made anew when one of its tables has changed."""
        tables = getattr(self.model, "cpds", None) or getattr(self.model, "factors", None) or ()
        key = tuple((id(one), hash(np.asarray(one.values).tobytes()), str(one.state_names)) for one in tables)
        if self._kept is None or key != self._key:
            self._kept, self._key = from_pgmpy(self.model), key
        return self._kept

    @abstractmethod
    def run(self, graph: FactorGraph, evidence: Evidence) -> Found:
        """Beliefs of all variables given the evidence."""

    @abstractmethod
    def best(self, graph: FactorGraph, evidence: Evidence) -> tuple[dict[str, str], str]:
        """A most probable assignment of all variables, and its status."""

    def query(
        self,
        variables: Sequence[Hashable],
        evidence: Mapping[Hashable, Any] | None = None,
        virtual_evidence: Sequence[Any] | None = None,
        elimination_order: Any = "greedy",
        joint: bool = True,
        show_progress: bool = True,
    ) -> DiscreteFactor | dict[Hashable, DiscreteFactor]:
        """p(variables | evidence) as a DiscreteFactor, or with ``joint=False`` one factor per variable in a dict.

        Of a Markov network or factor graph unnormalised, p(variables, evidence) times the tables' scale, as pgmpy has
        it in its default order. virtual_evidence: TabularCPDs or DiscreteFactors over one variable each.
        elimination_order and show_progress are accepted and change nothing.
        Raises ValueError for no variable, or one that is also evidence; UnknownVariableError, UnknownStateError,
        EvidenceError; InconsistentEvidenceError for evidence of probability zero; TooLargeError for a table of more
        than 2^20 entries; UnsupportedModelError where an unnormalised answer is beyond float64 (pgmpy gives inf, nan
        or 0).
        """
        graph, names, known = self._question(variables, evidence, virtual_evidence)
        if not names:
            raise EvidenceError("the variables of query() must contain at least one variable")
        first = self.run(graph, known)
        statuses = [first.status]
        scale = 1.0 if self._is_normalised else in_range("the sum of all weights", first.log_z)
        if not joint:
            self.status = first.status
            return {
                graph.pgmpy_names[name][0]: self._factor(graph, [name], scale * first.beliefs.vector(name))  # type: ignore[index]
                for name in names
            }
        cards = [graph.variable(name).cardinality for name in names]
        if math.prod(cards) > MOST_JOINT_STATES:
            raise TooLargeError(f"the joint table has {math.prod(cards):,} entries; the limit is {MOST_JOINT_STATES:,}")
        last = int(np.argmax(cards))  # the one that needs no run of its own
        order = [*(i for i in range(len(names)) if i != last), last]
        table = np.zeros([cards[i] for i in order])
        self._fill(graph, known, [names[i] for i in order], table, first, 1.0, statuses)
        self.status = weakest(statuses)
        table *= scale / table.sum()
        return self._factor(graph, names, table.transpose(np.argsort(order)))

    def _fill(
        self, graph: FactorGraph, known: Evidence, names: list[str], table: Array, found: Found, weight: float,
        statuses: list[str],
    ) -> None:  # fmt: skip
        """table[a, b, ..] = weight p(a) p(b | a) ..; states of probability zero need no run."""
        belief = found.beliefs.vector(names[0])
        if len(names) == 1:
            table[...] = weight * belief
            return
        for i, state in enumerate(graph.variable(names[0]).states):
            if belief[i] == 0.0:
                continue
            more = known | {names[0]: _fixed(known.get(names[0]), state, i)}
            try:
                given = self.run(graph, more)
            except InconsistentEvidenceError:
                continue  # belief propagation on loops may not see it before
            statuses.append(given.status)
            self._fill(graph, more, names[1:], table[i], given, weight * belief[i], statuses)

    def map_query(
        self,
        variables: Sequence[Hashable] | None = None,
        evidence: Mapping[Hashable, Any] | None = None,
        virtual_evidence: Sequence[Any] | None = None,
        elimination_order: Any = "MinFill",
        show_progress: bool = True,
    ) -> dict[Hashable, Any]:
        """The most probable joint state of ``variables`` (None: of all without evidence), the others summed out.

        Arguments and errors as ``query``.
        """
        graph, names, known = self._question(variables or (), evidence, virtual_evidence)
        free = [name for name in graph.index if not isinstance(known.get(name), str)]
        names = names or free
        if set(names) >= set(free):
            assignment, self.status = self.best(graph, known)
            chosen = [graph.variable(name).states.index(assignment[name]) for name in names]
        else:
            found: Any = self.query(variables or (), evidence, virtual_evidence)
            chosen = [int(i) for i in np.unravel_index(int(np.argmax(found.values)), found.values.shape)]
        own = [graph.pgmpy_names[name] for name in names]  # type: ignore[index]
        return {node: states[i] for (node, states), i in zip(own, chosen, strict=True)}

    def max_marginal(
        self,
        variables: Sequence[Hashable] | None = None,
        evidence: Mapping[Hashable, Any] | None = None,
        elimination_order: Any = "MinFill",
        show_progress: bool = True,
    ) -> float:
        """The largest entry of the max-marginal over ``variables``, max over the others of p(variables, others).

        As pgmpy has it: of a Bayesian network the others are ancestors of variables and evidence alone, and the table
        is scaled to sum 1. Without variables, and of a Markov network, it is the largest weight of a joint state that
        agrees with the evidence. pgmpy forgets the evidence if no variables are given, and leaves out the factors of a
        Markov network that are over evidence alone; this does neither.
        Errors as ``query``, and TooLargeError beyond MOST_RUNS joint states. A weight beyond float64 is an
        UnsupportedModelError.
        """
        graph, names, known = self._question(variables or (), evidence, None)
        if not names or not self._is_normalised:
            best, self.status = self.best(graph, known)
            return in_range("the largest weight", self._log_weight(graph, known, best))
        keep = {*names, *known}
        if hasattr(self.model, "get_ancestral_graph"):
            nodes = {str(node): node for node in self.model.nodes()}
            keep = set(map(str, self.model.get_ancestral_graph([nodes[name] for name in keep]).nodes()))
        part = FactorGraph(
            [v for v in graph.variables if v.name in keep],
            [f for f in graph.factors if all(v.name in keep for v in f.variables)],
        )
        logs, self.status = self._log_max_table(part, names, known)
        if logs.max() == -np.inf:
            raise InconsistentEvidenceError("probability zero: no joint state agrees with the evidence")
        return float(1.0 / np.exp(logs - logs.max()).sum())

    def _log_max_table(self, graph: FactorGraph, names: Sequence[str], known: Evidence) -> tuple[Array, str]:
        """Logs of the max-marginal over ``names``, one most probable assignment for each entry; and its status."""
        shape = [graph.variable(name).cardinality for name in names]
        if math.prod(shape) > MOST_RUNS:
            raise TooLargeError(f"the max-marginal has {math.prod(shape):,} entries; the limit is {MOST_RUNS:,}")
        logs, statuses = np.full(shape, -np.inf), []
        for place in np.ndindex(*shape):
            more = dict(known)
            for name, i in zip(names, place, strict=True):
                more[name] = _fixed(known.get(name), graph.variable(name).states[i], i)
            if any(not isinstance(value, str) and not np.any(value) for value in more.values()):
                continue  # soft evidence excludes this state
            try:
                best, status = self.best(graph, more)
            except InconsistentEvidenceError:
                continue
            statuses.append(status)
            logs[place] = self._log_weight(graph, known, best)
        return logs, weakest(statuses)

    @staticmethod
    def _log_weight(graph: FactorGraph, known: Evidence, assignment: dict[str, str]) -> float:
        return log_probability(absorb(graph, known), assignment)

    def induced_graph(self, elimination_order: Sequence[Hashable]) -> Any:
        """The networkx graph that eliminating in this order makes; pgmpy's own. Raises ValueError for another order."""
        from pgmpy.inference import VariableElimination

        return VariableElimination(self.model).induced_graph(elimination_order)

    def induced_width(self, elimination_order: Sequence[Hashable]) -> int:
        """Variables of the largest clique of the induced graph, less one; pgmpy's own. Errors as ``induced_graph``."""
        from pgmpy.inference import VariableElimination

        return int(VariableElimination(self.model).induced_width(elimination_order))

    def calibrate(self) -> None:
        """Only ExactInference works on cliques. Raises UnsupportedModelError."""
        self._no_cliques()

    def max_calibrate(self) -> None:
        """Only ExactInference works on cliques. Raises UnsupportedModelError."""
        self._no_cliques()

    def get_cliques(self) -> Any:
        """Only ExactInference works on cliques. Raises UnsupportedModelError."""
        self._no_cliques()

    def get_clique_beliefs(self) -> Any:
        """Only ExactInference works on cliques. Raises UnsupportedModelError."""
        self._no_cliques()

    def get_sepset_beliefs(self) -> Any:
        """Only ExactInference works on cliques. Raises UnsupportedModelError."""
        self._no_cliques()

    def _no_cliques(self) -> NoReturn:
        raise UnsupportedModelError(
            f"{type(self).__name__} has beliefs of variables, none of cliques; use ExactInference, or query(..)"
        )

    def _question(
        self, variables: Iterable[Hashable], evidence: Mapping[Hashable, Any] | None, virtual: Sequence[Any] | None
    ) -> tuple[FactorGraph, list[str], Evidence]:
        """The graph, the queried names and all the evidence in its terms."""
        graph = self.graph
        asked = [variables] if isinstance(variables, str) else list(variables)
        named = evidence or {}
        if both := [name for name in asked if name in named]:
            raise EvidenceError(f"variable {both[0]!r} is both queried and evidence; leave it out of one of them")
        names = [graph.variables[graph.position(name)].name for name in asked]
        if twice := [name for name in names if names.count(name) > 1]:
            raise EvidenceError(f"variable {twice[0]!r} is queried twice")
        known = {}
        for node, value in named.items():
            name = graph.variables[graph.position(node)].name
            known[name] = self._state(graph, name, value)
        for table in virtual or ():
            scope = list(getattr(table, "variables", ()))
            if len(scope) != 1:
                raise EvidenceError("virtual evidence must be a TabularCPD or DiscreteFactor over one variable each")
            if str(scope[0]) not in graph.index:
                valid = valid_names(graph.index, scope[0])
                raise UnknownVariableError(f"virtual evidence on {scope[0]!r}, no variable of this model; {valid}")
            name = str(scope[0])
            known[name] = _both(graph, name, known.get(name), table)
        return graph, names, known

    @staticmethod
    def _state(graph: FactorGraph, name: str, value: Any) -> str | Array:
        """A state, given in pgmpy's own words, in the graph's; anything else must be likelihoods."""
        variable, (_, own) = graph.variable(name), graph.pgmpy_names[name]  # type: ignore[index]
        if not is_missing(value) and isinstance(value, Hashable):
            for i, state in enumerate(own):
                if type(state) is type(value) and state == value:
                    return variable.states[i]
        if isinstance(value, str) or variable.find_state(value) is not None:
            return variable.states[variable.state_index(value)]
        return likelihoods(variable, value)

    def _factor(self, graph: FactorGraph, names: Sequence[str], values: Array) -> DiscreteFactor:
        from pgmpy.factors.discrete import DiscreteFactor

        own = [graph.pgmpy_names[name] for name in names]  # type: ignore[index]
        return DiscreteFactor([node for node, _ in own], values.shape, values, state_names=dict(own))

    @property
    def _is_normalised(self) -> bool:
        from pgmpy.models import DiscreteBayesianNetwork, JunctionTree

        return isinstance(self.model, (DiscreteBayesianNetwork, JunctionTree))


class ExactInference(PgmpyEngine):
    """Exact answers, by enumeration or on a junction tree of at most ``memory_limit`` bytes (bnt.exact_marginals)."""

    def __init__(self, model: Any, *, memory_limit: float = MEMORY_LIMIT):
        self.memory_limit = memory_limit
        self._cliques: dict[Any, DiscreteFactor] = {}
        self._sepsets: dict[Any, DiscreteFactor] = {}
        super().__init__(model)

    def get_cliques(self) -> Any:
        """The cliques of pgmpy's junction tree of the model."""
        return self._tree().nodes()

    def calibrate(self) -> None:
        """Beliefs of pgmpy's cliques and sepsets, for ``get_clique_beliefs`` and ``get_sepset_beliefs``.

        Each is a joint query: one run of exact_marginals for every joint state of all its variables but the largest,
        about 2^(k-1) for k binary ones. So it is for small cliques; the marginals of single variables come out of one
        run: ``query(.., joint=False)``. Raises as ``query``.
        """
        self._calibrate(lambda graph, names: np.asarray(self._joint(graph, names)))

    def max_calibrate(self) -> None:
        """The same with max-marginals, a run of exact_marginals for every entry. Raises TooLargeError beyond MOST_RUNS
        entries of one clique, UnsupportedModelError for weights beyond float64."""
        statuses = []

        def belief(graph: FactorGraph, names: list[str]) -> Array:
            logs, status = self._log_max_table(graph, names, {})
            statuses.append(status)
            in_range("the largest weight", float(logs.max()))
            return np.exp(logs)

        self._calibrate(belief)
        self.status = weakest(statuses)

    def get_clique_beliefs(self) -> dict[Any, DiscreteFactor]:
        """{clique: belief}; empty before ``calibrate`` or ``max_calibrate``."""
        return self._cliques

    def get_sepset_beliefs(self) -> dict[Any, DiscreteFactor]:
        """{frozenset of two cliques: belief of what they share}; empty before calibration."""
        return self._sepsets

    def _tree(self) -> Any:
        from pgmpy.models import JunctionTree

        return self.model if isinstance(self.model, JunctionTree) else self.model.to_junction_tree()

    def _joint(self, graph: FactorGraph, names: list[str]) -> Array:
        found: Any = self.query([graph.pgmpy_names[name][0] for name in names])  # type: ignore[index]
        values: Array = found.values
        return values

    def _calibrate(self, belief: Callable[[FactorGraph, list[str]], Array]) -> None:
        graph, tree = self.graph, self._tree()
        self._cliques, self._sepsets = {}, {}
        for clique in tree.nodes():
            names = [str(node) for node in clique]
            self._cliques[clique] = self._factor(graph, names, belief(graph, names))
        for edge in tree.edges():
            names = [str(node) for node in edge[0] if node in edge[1]]
            self._sepsets[frozenset(edge)] = self._factor(graph, names, belief(graph, names))

    def run(self, graph: FactorGraph, evidence: Evidence) -> Found:
        """Raises TooLargeError where the tree does not fit."""
        found = exact_marginals(graph, evidence, memory_limit=self.memory_limit)
        return Found(found.beliefs, found.log_z, "exact")

    def best(self, graph: FactorGraph, evidence: Evidence) -> tuple[dict[str, str], str]:
        """Raises TooLargeError where the tree does not fit."""
        found = exact_marginals(graph, evidence, mode="max", memory_limit=self.memory_limit)
        assert found.map_assignment is not None  # max mode has one
        return found.map_assignment, "exact"


class LoopyInference(PgmpyEngine):
    """Belief propagation: exact on forests, approximate on loops. ``options`` are those of bnt.run_bp."""

    def __init__(self, model: Any, **options: Any):
        self.options = options
        super().__init__(model)

    def run(self, graph: FactorGraph, evidence: Evidence) -> Found:
        """Raises as run_bp."""
        found = run_bp(graph, evidence, **self.options)
        assert found.log_z_bethe is not None  # sum mode has one
        return Found(found.beliefs, found.log_z_bethe, found.status)

    def best(self, graph: FactorGraph, evidence: Evidence) -> tuple[dict[str, str], str]:
        """Raises as run_bp."""
        found = run_bp(graph, evidence, **(self.options | {"mode": "max"}))
        if found.map_assignment is None:
            raise TooLargeError("no possible joint state was found by belief propagation; use ExactInference")
        return found.map_assignment, found.status


class TransformerInference(PgmpyEngine):
    """A transformer compiled for each question; its forward pass is the answer (bnt.compile_graph).

    rounds: of belief propagation, one layer each and one to begin; None: as many as it needs, at most 100.
    construction: as in compile_graph; "junction-tree" is exact on loops, too.
    """

    def __init__(self, model: Any, *, rounds: int | None = None, construction: Construction = "auto"):
        self.rounds, self.construction = rounds, construction
        super().__init__(model)

    def run(self, graph: FactorGraph, evidence: Evidence) -> Found:
        """log_z is Bethe's, of the transformer's own messages; the bound of tree-reweighted or mean-field rounds.

        Raises as compile_graph.
        """
        from bnt.kernels.readout import bethe_terms

        model, trace, status, rounds = self._forward(graph, evidence, "sum")
        if self._is_normalised:
            log_z = 0.0
        elif model.construction == "junction-tree":  # whose messages are those of cliques
            log_z = exact_marginals(graph, evidence).log_z
        elif isinstance(rounds, TRWResult):
            assert rounds.log_z_upper is not None  # with the edge weights of a compiled model it is certified
            log_z = rounds.log_z_upper
        elif isinstance(rounds, MeanFieldResult):
            log_z = rounds.log_z_lower
        else:
            mu = model.messages_of(trace.after_layer(-1))
            log_z = model.reduced.log_constant + math.fsum(bethe_terms(model.flat, mu))
        return Found(model.beliefs(trace), log_z, status)

    def best(self, graph: FactorGraph, evidence: Evidence) -> tuple[dict[str, str], str]:
        """Every variable's best state; a tie is broken, and the rest asked again given that.

        Where only sums can be compiled, the best joint state is searched for by the chain rule. Raises as
        compile_graph, and TooLargeError after MOST_RUNS of them.
        """
        if self.construction == "junction-tree" or pairwise_obstacle(absorb(graph, evidence)):
            return self._search(graph, evidence)
        known, chosen = dict(evidence), {}
        model, trace, status, _ = self._forward(graph, known, "max")
        beliefs, statuses = model.beliefs(trace), [status]
        for variable in graph.variables:
            vector = beliefs.vector(variable.name)
            i = int(np.argmax(vector))
            chosen[variable.name] = variable.states[i]
            if len(vector) > 1 and np.ptp(np.sort(vector)[-2:]) <= TIE:
                known[variable.name] = _fixed(known.get(variable.name), variable.states[i], i)
                model, trace, status, _ = self._forward(graph, known, "max")
                beliefs = model.beliefs(trace)
                statuses.append(status)
        return chosen, weakest(statuses)

    def _search(self, graph: FactorGraph, evidence: Evidence) -> tuple[dict[str, str], str]:
        """Depth first, the likelier state first; a branch that weighs no more than the best joint state is left."""
        names = [name for name in graph.index if not isinstance(evidence.get(name), str)]
        best: tuple[float, dict[str, str]] = (0.0, {})
        statuses: list[str] = []

        def visit(known: Evidence, depth: int, weight: float) -> None:
            nonlocal best
            if depth == len(names):
                best = (weight, known)
                return
            if len(statuses) == MOST_RUNS:
                raise TooLargeError(f"no best joint state is found within {MOST_RUNS} transformers; use ExactInference")
            found = self.run(graph, known)
            statuses.append(found.status)
            belief = found.beliefs.vector(names[depth])
            for i in np.argsort(-belief, kind="stable").tolist():
                if weight * belief[i] > best[0]:
                    state = graph.variable(names[depth]).states[i]
                    visit(
                        known | {names[depth]: _fixed(known.get(names[depth]), state, i)}, depth + 1, weight * belief[i]
                    )

        visit(evidence, 0, 1.0)
        chosen = {}
        for variable in graph.variables:
            value = best[1][variable.name]
            chosen[variable.name] = value if isinstance(value, str) else variable.states[int(np.argmax(value))]
        return chosen, weakest(statuses)

    def _forward(
        self, graph: FactorGraph, evidence: Evidence, mode: Any
    ) -> tuple[CompiledModel, Trace, str, BPResult | None]:
        """The compiled model, its forward pass, what that is worth, and the rounds that its layers compute."""
        construction, rounds, found = self.construction, self.rounds, None
        if construction != "junction-tree":
            if rounds is None:
                rounds = min(reference(construction, graph, evidence, mode, keep_history=False).rounds, MOST_ROUNDS)
            found = reference(construction, graph, evidence, mode, rounds=rounds, keep_history=False)
        model = compile_graph(graph, evidence, construction=construction, mode=mode, rounds=rounds)
        if found is not None:
            status = found.status
        else:
            enough = model.exact_after is not None and model.rounds >= model.exact_after
            known = parse_evidence(graph, evidence)
            status = exact_status(graph, known, mode, *graph.index) if enough else "not converged"
        return model, forward(model.tokens, model.weights, keep="last"), status, found


def in_range(what: str, log: float) -> float:
    """exp(log). Raises UnsupportedModelError where that is no normal float64: neither inf nor 0 would be right."""
    if not SMALLEST_LOG <= log <= LARGEST_LOG:
        raise UnsupportedModelError(
            f"{what} is exp({log:.6g}), beyond float64, and pgmpy's tables hold weights, not logarithms; multiply the "
            "factors by constants that bring it near 1, or take bnt.exact_marginals, which gives log_z"
        )
    return math.exp(log)


def _both(graph: FactorGraph, name: str, known: Any, table: Any) -> Array:
    """Evidence that is there already, and virtual evidence on the same variable: their product."""
    variable = graph.variable(name)
    likelihood = likelihoods(variable, table)
    if isinstance(known, str):
        known = np.eye(variable.cardinality)[variable.state_index(known)]
    product = likelihood if known is None else likelihood * known
    if not product.any():
        raise InconsistentEvidenceError(f"probability zero: the evidence on {name!r} and its virtual evidence exclude")
    return product


def _fixed(known: Any, state: str, i: int) -> Any:
    """Evidence that the variable is in its i-th state, which keeps the weight that soft evidence gives it."""
    return state if known is None or isinstance(known, str) else np.where(np.arange(len(known)) == i, known, 0.0)
