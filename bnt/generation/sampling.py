"""Samples of a factor graph, one variable after the other, each given those before it: ancestral sampling.

    q(x) = prod_i c_i(x_i | x_<i),   c_i proportional to p(x_i | x_<i, evidence)^(1/T)

"exact": with exact conditionals; at T = 1 the samples are those of p. "bp": with the beliefs of belief propagation. On
a forest these are the same; where the graph is one cycle, fixing the first variable cuts it, and only the first
conditional errs. "look-ahead": exact conditionals of p^(1/T) itself, local^(1/T) times the sum over all futures,

    R_i(x_<=i) = sum_{x_>i} prod_{j>i} p(x_j | x_<j)^(1/T),

which samples p^(1/T) / Z in any order. "transformer": with conditionals read out of a compiled transformer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from bnt.checks import MEMORY_LIMIT, fits, need, whole_number
from bnt.compiler.model import CompiledModel
from bnt.compiler.posterior import transformer_posterior
from bnt.display import card, counted
from bnt.errors import valid_names
from bnt.generation.temperature import in_sequence, log_of, positive
from bnt.graph.evidence import EvidenceLike, absorb, parse_evidence
from bnt.graph.factor_graph import Array, Factor, FactorGraph
from bnt.graph.flat import Ints
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.belief_propagation import run_bp
from bnt.inference.posterior import Posterior, posterior, weakest
from bnt.inference.result import BPResult

if TYPE_CHECKING:
    from pandas import DataFrame

Method = Literal["exact", "bp", "look-ahead", "transformer"]
Prefix = tuple[int, ...]  # states of the variables drawn so far
OF_A_BEGINNING = 256  # bytes: of a tuple, a number and their place in a dict, but for the states


@dataclass(frozen=True, eq=False)
class Samples:
    """n joint states, drawn one variable after the other.

    states (n, variables): numbers of states, columns as ``graph.variables``. log_probability (n,): log q of each, by
    the law that it was drawn from. law: that law in words. status: what the conditionals are worth, as in
    ``posterior``.
    """

    graph: FactorGraph
    states: Ints
    log_probability: Array
    law: str
    status: str

    def __len__(self) -> int:
        return len(self.states)

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Each sample as variable -> state."""
        variables = self.graph.variables
        for row in self.states.tolist():
            yield {variable.name: variable.states[s] for variable, s in zip(variables, row, strict=True)}

    def frequency(self, name: str) -> Array:
        """Share of each state of one variable, (cardinality,). Raises UnknownVariableError."""
        i = self.graph.position(name)
        count = np.bincount(self.states[:, i], minlength=self.graph.variables[i].cardinality)
        return count / len(self.states)

    def to_frame(self) -> DataFrame:
        """A pandas frame with one row per sample and one column per variable."""
        import pandas as pd

        return pd.DataFrame(list(self), columns=[variable.name for variable in self.graph.variables])

    def _repr_html_(self) -> str:
        line = f"{counted(len(self), 'sample')} of {self.law}"
        names = [variable.name for variable in self.graph.variables]
        rows = ([*sample.values()] for sample in self)
        return card("Samples", line, names, rows, total=len(self), things="samples", status=self.status)

    def __repr__(self) -> str:
        return f"<Samples: {len(self)} of {self.law}; conditionals {self.status}>"


def sample(
    model: Any,
    evidence: EvidenceLike = None,
    temperature: float = 1.0,
    method: Method = "exact",
    *,
    n: int = 1,
    order: Iterable[str] | None = None,
    seed: Any = 0,
) -> Samples:
    """``n`` samples of a factor graph, a pgmpy model or a compiled model given the evidence; methods as above.

    order: the names of the unobserved variables in the order in which they are drawn, by default that of the graph.
    temperature divides the log of every conditional (of the whole joint with "look-ahead"). seed: a whole number or a
    numpy Generator. A compiled model stands for its graph and its evidence. Conditionals are computed once for each
    beginning that occurs. Raises BntError: a temperature that is not finite and positive, an unknown method, n < 1, an
    order that does not name each unobserved variable once; as ``posterior``; InconsistentEvidenceError too where belief
    propagation draws a beginning of probability zero.
    """
    steps = _Steps(model, evidence, temperature, method, order)
    rng, n = generator(seed), whole_number("n", n, 1)
    states = np.zeros((n, steps.graph.n_variables), dtype=np.int64)
    states[:, list(steps.known)] = list(steps.known.values())
    logs = np.zeros(n)
    groups: dict[Prefix, Ints] = {(): np.arange(n)}
    for i in steps.order:
        longer: dict[Prefix, Ints] = {}
        for prefix, rows in groups.items():
            p = steps.conditional(prefix)
            drawn = rng.choice(len(p), size=len(rows), p=p)
            states[rows, i] = drawn
            logs[rows] += np.log(p[drawn])
            longer |= {(*prefix, s): rows[drawn == s] for s in np.unique(drawn).tolist()}
        groups = longer
    return Samples(steps.graph, states, logs, steps.law, steps.status)


def sampling_law(
    model: Any,
    evidence: EvidenceLike = None,
    temperature: float = 1.0,
    method: Method = "exact",
    *,
    order: Iterable[str] | None = None,
) -> Array:
    """The probabilities with which ``sample`` draws every joint state, one axis per variable in the graph's order.

    For small graphs: every beginning is asked for. Raises as ``sample``, and TooLargeError.
    """
    steps = _Steps(model, evidence, temperature, method, order)
    shape = [variable.cardinality for variable in steps.graph.variables]
    beginnings = prod(float(shape[i]) for i in steps.order)
    bytes_needed = 8.0 * prod(map(float, shape)) + (OF_A_BEGINNING + 8.0 * len(steps.order)) * beginnings
    fits("the law over all joint states", bytes_needed, MEMORY_LIMIT)
    law = np.zeros(shape)
    reached: dict[Prefix, float] = {(): 1.0}
    for _ in steps.order:
        longer: dict[Prefix, float] = {}
        for prefix, q in reached.items():
            longer |= {(*prefix, s): q * c for s, c in enumerate(steps.conditional(prefix).tolist()) if c > 0}
        reached = longer
    for prefix, q in reached.items():
        place = steps.known | dict(zip(steps.order, prefix, strict=True))
        law[tuple(place[i] for i in range(len(shape)))] = q
    return law


def generator(seed: Any) -> np.random.Generator:
    """A numpy Generator as it is, or a new one. Raises BntError unless ``seed`` is one, or a whole number >= 0."""
    return seed if isinstance(seed, np.random.Generator) else np.random.default_rng(whole_number("seed", seed))


class _Steps:
    """The conditionals of one run, their order, and what they are worth."""

    def __init__(
        self, model: Any, evidence: EvidenceLike, temperature: float, method: Method, order: Iterable[str] | None
    ):
        need(method in get_args(Method), f"unknown method {method!r}; {valid_names(get_args(Method), method)}")
        self.construction: Any = "auto"
        if isinstance(model, CompiledModel):
            need(evidence is None, "a compiled model has its evidence already; give none, or compile it anew")
            self.construction, evidence, model = model.construction, model.evidence, model.graph
        self.graph = as_graph(model)
        self.power, self.method = 1 / positive("temperature", temperature), method
        found = parse_evidence(self.graph, evidence)
        self.known, v = found.hard, self.graph.variables
        self.evidence: dict[str, Any] = {v[i].name: v[i].states[s] for i, s in found.hard.items()}
        self.evidence |= {v[i].name: np.exp(logs) for i, logs in found.soft.items()}
        free = [i for i in range(self.graph.n_variables) if i not in found.hard]
        if not free:
            absorb(self.graph, found)  # no conditional will tell that this evidence is impossible
        names = [v[i].name for i in free]
        self.order = [free[k] for k in in_sequence(order, names)]
        self.law = {True: "p", False: f"p^(1/{temperature:g}), normalised at every step"}[self.power == 1]
        if method == "look-ahead":
            self.law = self.law.removesuffix(", normalised at every step")
            self.graph, self.evidence = self._powered(found.soft)
        self.status = "exact"

    def _powered(self, soft: Mapping[int, Array]) -> tuple[FactorGraph, dict[str, Any]]:
        """The graph of p^(1/T), soft evidence included, and the evidence that is left."""
        v = self.graph.variables
        logs = [(factor.variables, factor.log_table) for factor in self.graph.factors]
        logs += [((v[i],), log_likelihood) for i, log_likelihood in soft.items()]
        factors = [Factor(scope, log_table=self.power * table) for scope, table in logs]
        return FactorGraph(v, factors), {v[i].name: v[i].states[s] for i, s in self.known.items()}

    def conditional(self, prefix: Prefix) -> Array:
        """c_i of the next variable, given the states drawn so far."""
        v = self.graph.variables
        given = {v[i].name: v[i].states[s] for i, s in zip(self.order, prefix, strict=False)}
        name = v[self.order[len(prefix)]].name
        known = self.evidence | given
        answer: Posterior | BPResult
        if self.method == "transformer":
            answer = transformer_posterior(self.graph, known, [name], construction=self.construction)
        elif self.method == "bp":
            answer = run_bp(self.graph, known)
        else:
            answer = posterior(self.graph, known, [name], "exact")
        self.status = weakest([self.status, answer.status_of(name)])
        p: Array = np.asarray(answer.beliefs.vector(name))
        if self.method != "look-ahead" and self.power != 1:
            logs = self.power * log_of(p)
            p = np.exp(logs - logs.max())
        return p / p.sum()
