"""What the ledger tests: the paper's constructions taken literally, routing codes, sigmoid messages, finite counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.checks import is_real, whole_number
from bnt.compiler.pairwise import check_pairwise
from bnt.errors import BntError, TooLargeError, valid_names
from bnt.graph.evidence import EvidenceLike, Reduced, absorb
from bnt.graph.factor_graph import FactorGraph
from bnt.inference.result import Messages as LogMessages
from bnt.odds import logit, sigmoid, update_belief

Array = NDArray[np.float64]

# --- what the paper writes, not what works ----------------------------------------------------------------------------
#
# The constructions of arXiv:2603.17063 taken literally, to be tested: what the paper writes, not what works.
#
# What works is in compiler/pairwise.py: routing by Hamming codes, cavity messages that read the factor tables.

NOBODY = 0.5  # the belief of a missing neighbour


def index_score(neighbour: Any, own: Any) -> Any:
    """Score of the paper's head (section 5.2): product of the index a token looks for and the index a token has.

    Only a product, so numbers and z3 integers both work.
    """
    return neighbour * own


def paper_round(beliefs: Array, neighbours: Sequence[tuple[int | None, int | None]]) -> Array:
    """One round as in Theorem 1.2: every token's belief becomes update_belief of its two neighbours' beliefs.

    beliefs (n,); neighbours: two token numbers per token, None for a missing one. Factor tables are not read.
    """
    read = [[NOBODY if k is None else beliefs[k] for k in pair] for pair in neighbours]
    return np.array([update_belief(p, q) for p, q in read], dtype=np.float64)


def round_matrix(neighbours: Sequence[tuple[int | None, int | None]]) -> Array:
    """The same round in log odds, L <- A L: A[j, k] = how often k is a neighbour of j, (n, n)."""
    matrix = np.zeros((len(neighbours), len(neighbours)))
    for j, pair in enumerate(neighbours):
        for k in pair:
            if k is not None:
                matrix[j, k] += 1
    return matrix


# --- codes by which attention finds token i by its number -------------------------------------------------------------
#
# Codes by which attention finds token i by its number: queries and keys whose scores peak at the match alone.
#
# Softmax is never one-hot over the reals, but in float64 exp(-gap) is exactly 0 from gap > 1075 ln 2 = 745.13 on; then
# every other token has weight exactly 0. Each code states the gap that a unit scale gives, hence the scale it needs.

HARD_GAP = 1075 * math.log(2)  # 745.1332...: exp(-HARD_GAP) rounds to 0; the smallest positive float64 is 2^-1074


class RoutingCode(NamedTuple):
    """scores = queries @ keys.T, already multiplied by ``scale``; row i peaks at column i."""

    queries: Array  # (n, d_k)
    keys: Array  # (n, d_k)
    scale: float
    gap: float  # between the match and the next best, before scaling


def quadratic_code(n: int) -> tuple[Array, Array, float]:
    """d_k = 2: q_i = (2i, -1), k_j = (j, j^2); the score is i^2 - (i-j)^2. Gap 1; fails once scale 2 n^2 > 2^53."""
    i = np.arange(n, dtype=np.float64)
    return np.stack([2 * i, -np.ones(n)], axis=1), np.stack([i, i**2], axis=1), 1.0


def circle_code(n: int) -> tuple[Array, Array, float]:
    """d_k = 2: points on the unit circle, as in rotary embedding. Gap 1 - cos(2 pi / n), about 2 pi^2 / n^2."""
    angle = 2 * np.pi * np.arange(n) / n
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points, points, 1 - math.cos(2 * math.pi / n) if n > 1 else 1.0


def sign_code(n: int) -> tuple[Array, Array, float]:
    """d_k = ceil(log2 n): binary digits as +1 and -1. Gap 2."""
    signs = 2.0 * _digits(n) - 1
    return signs, signs, 2.0


def hamming_code(n: int) -> tuple[Array, Array, float]:
    """d_k = 2 ceil(log2 n): q = [b, 1-b], k = -[1-b, b]; the score is minus the Hamming distance. Gap 1.

    The match scores exactly 0, whatever the scale: a real-valued score on top loses no digit. The compiler's code.
    """
    b = _digits(n)
    return np.hstack([b, 1 - b]), -np.hstack([1 - b, b]), 1.0


def one_hot_code(n: int) -> tuple[Array, Array, float]:
    """d_k = n: unit vectors. Gap 1."""
    return np.eye(n), np.eye(n), 1.0


CODES: dict[str, Callable[[int], tuple[Array, Array, float]]] = {
    "quadratic": quadratic_code,
    "circle": circle_code,
    "sign": sign_code,
    "hamming": hamming_code,
    "one-hot": one_hot_code,
}


def routing_code(name: str, n: int, gap: float = 746.0) -> RoutingCode:
    """Queries and keys for n tokens, scaled so that the match wins by ``gap``.

    Raises BntError: an unknown name, no token, a gap that is not above zero.
    """
    if not isinstance(name, str) or name not in CODES:
        raise BntError(f"unknown routing code {name!r}; {valid_names(CODES, name)}")
    n = whole_number("the number of tokens", n, 1)
    if not is_real(gap) or not 0 < gap < math.inf:
        raise BntError(f"gap must be a finite number above 0, not {gap!r}")
    queries, keys, unit = CODES[name](n)
    scale = gap * (1 + 1e-3) / unit if name == "circle" else gap / unit
    return RoutingCode(scale * queries, keys, scale, unit)


def _digits(n: int) -> Array:
    """Binary digits of 0 .. n-1, lowest first: (n, max(1, ceil(log2 n)))."""
    bits = max(1, (n - 1).bit_length())
    return ((np.arange(n)[:, None] >> np.arange(bits)) & 1).astype(np.float64)


# --- messages of belief propagation with sigmoids ---------------------------------------------------------------------
#
# Belief propagation in probability space with a sigmoid, and the mean field that a sigmoid without logits gives.
#
# For binary variables and psi(x_i, x_j) > 0, with p = p(x_i = 1 | all but j) the cavity belief,
#
#     m = (psi01 (1-p) + psi11 p) / ((psi00 + psi01)(1-p) + (psi10 + psi11) p)     the message to j: a Moebius map of p
#     p = sigmoid(theta_i + sum of logit m)                                            read in as log odds: exact
#
# The softplus unit of the compiler is the same map in other coordinates. If beliefs enter the sum as they are, without
# logit, the fixed point is the mean field, mu_i = sigmoid(b_i + sum_j W_ij mu_j): the first-order term in W, not BP.

Messages = dict[tuple[int, str], float]


def moebius_message(p: Any, psi: Any) -> Any:
    """Sum-product message P(x_j = 1) of a 2x2 table psi[x_i][x_j] for a cavity belief p; numbers, arrays or sympy."""
    one = psi[0][1] * (1 - p) + psi[1][1] * p
    return one / (psi[0][0] * (1 - p) + psi[1][0] * p + one)


def sigmoid_bp(graph: FactorGraph, rounds: int, evidence: EvidenceLike = None) -> list[Messages]:
    """Messages P(receiver = second state) after 0, 1, ... rounds of the sigmoid form, by (factor, receiving variable).

    Raises UnsupportedModelError for a model that is not binary and pairwise without zeros, BntError for rounds < 0.
    """
    rounds = whole_number("rounds", rounds)
    reduced, theta = _binary(graph, evidence)
    names = [variable.name for variable in graph.variables]
    messages: Messages = {(f.index, names[i]): 0.5 for f in reduced.factors for i in f.scope}
    history = [messages]
    for _ in range(rounds):
        evidence_for = {key: float(logit(m)) for key, m in messages.items()}
        total = dict(zip(names, theta, strict=True))
        for (_, name), value in evidence_for.items():
            total[name] += value
        messages = {}
        for factor in reduced.factors:
            for sender, receiver in (factor.scope, factor.scope[::-1]):
                psi = np.exp(factor.log_table if sender == factor.scope[0] else factor.log_table.T)
                cavity = float(sigmoid(np.array(total[names[sender]] - evidence_for[factor.index, names[sender]])))
                messages[factor.index, names[receiver]] = float(moebius_message(cavity, psi))
        history.append(messages)
    return history


def mean_field(graph: FactorGraph, rounds: int, evidence: EvidenceLike = None) -> list[Array]:
    """P(second state) of every variable after 0, 1, ... rounds of mu <- sigmoid(b + W mu), from mu = sigmoid(b).

    One round is one sigmoid layer on raw probabilities. Raises as ``sigmoid_bp``.
    """
    rounds = whole_number("rounds", rounds)
    reduced, theta = _binary(graph, evidence)
    n = len(theta)
    bias, W = theta.copy(), np.zeros((n, n))
    for factor in reduced.factors:
        (i, j), t = factor.scope, factor.log_table
        W[i, j] = W[j, i] = t[0, 0] + t[1, 1] - t[0, 1] - t[1, 0]
        bias[i] += t[1, 0] - t[0, 0]
        bias[j] += t[0, 1] - t[0, 0]
    history = [sigmoid(bias)]
    for _ in range(rounds):
        history.append(sigmoid(bias + W @ history[-1]))
    return history


def _binary(graph: FactorGraph, evidence: EvidenceLike) -> tuple[Reduced, Array]:
    """The reduced graph and the log odds of every local field (observed variables: +-inf, without edges)."""
    reduced = absorb(graph, evidence)
    check_pairwise(reduced)
    return reduced, np.array([field[1] - field[0] for field in reduced.fields])


# --- finite-state facts, by enumeration -------------------------------------------------------------------------------
#
# Finite-state facts, by enumeration: behaviours of an n-state machine, and routing classes of index tokens.
#
# arXiv:2603.17063, section 9: a machine with n states tells at most n^n inputs apart, and a token that names its type,
# its own index and one neighbour index has 2 n^2 routing keys. With two neighbour slots, as in the formal proofs that
# go with the paper, the count is 2 n^3. Counted here, not quoted.

Behaviour = tuple[int, ...]  # where each state goes
ENUMERATION_LIMIT = 2**20


def behaviours(n: int) -> list[Behaviour]:
    """Every way an input can act on n states: all n^n functions. Two inputs that act alike cannot be told apart.

    Raises BntError for n < 1, TooLargeError beyond ENUMERATION_LIMIT.
    """
    n = whole_number("n", n, 1)
    _check(n**n, f"{n} states")
    return list(product(range(n), repeat=n))


def generated_behaviours(generators: Iterable[Sequence[int]]) -> set[Behaviour]:
    """All behaviours of strings over these input symbols, the empty string included: the transition monoid.

    Three symbols suffice for all n^n: a cycle, a swap, and a merging of two states. Raises BntError for what is no
    next state of every state, TooLargeError.
    """
    symbols = [tuple(one) for one in generators]
    if not symbols or any(sorted({*one, *range(len(one))}) != list(range(len(symbols[0]))) for one in symbols):
        raise BntError("each symbol must give a next state 0..n-1 for every state, the same n for all, at least one")
    _check(len(symbols[0]) ** len(symbols[0]), f"{len(symbols[0])} states")
    found = {tuple(range(len(symbols[0])))}
    frontier = list(found)
    while frontier:
        word = frontier.pop()
        for symbol in symbols:
            longer = tuple(symbol[state] for state in word)
            if longer not in found:
                found.add(longer)
                frontier.append(longer)
    return found


Token = tuple[int, ...]  # (type 0 or 1, own index, neighbour index of slot 1, ...)


def routing_classes(n: int, slots: int) -> dict[tuple[frozenset[Token], ...], list[Token]]:
    """Tokens (type, own index, neighbour indices) grouped by how they take part in hard routing.

    Head k lets a token attend to all tokens of the other type whose own index is its k-th neighbour index. A token's
    class is what it attends to under every head, and who attends to it under every head. Enumerated: 2 n^(1 + slots)
    classes for n >= 2, each of a single token; 2 n^2 with one slot, 2 n^3 with two. Raises BntError for n < 1 or
    slots < 1, TooLargeError.
    """
    n, slots = whole_number("n", n, 1), whole_number("slots", slots, 1)
    _check((2 * n ** (1 + slots)) ** 2, f"pairs of tokens over {n} indices with {slots} slots")
    tokens = [(kind, *numbers) for kind in (0, 1) for numbers in product(range(n), repeat=1 + slots)]
    classes: dict[tuple[frozenset[Token], ...], list[Token]] = {}
    for token in tokens:
        looks_at = [_heads(token, tokens, k, looking=True) for k in range(slots)]
        seen_by = [_heads(token, tokens, k, looking=False) for k in range(slots)]
        classes.setdefault((*looks_at, *seen_by), []).append(token)
    return classes


def _heads(token: Token, tokens: Sequence[Token], k: int, *, looking: bool) -> frozenset[Token]:
    if looking:
        return frozenset(key for key in tokens if key[0] != token[0] and key[1] == token[2 + k])
    return frozenset(query for query in tokens if query[0] != token[0] and query[2 + k] == token[1])


def _check(count: int, what: str) -> None:
    if count > ENUMERATION_LIMIT:
        raise TooLargeError(f"{what}: {count:.3g} cases to enumerate; the limit is {ENUMERATION_LIMIT}")


def slot_reading(pattern: Sequence[Any], beliefs: Sequence[Any]) -> Any:
    """What one slot of the published head reads: sum_k pattern_k belief_k; numbers or sympy symbols."""
    return sum(weight * belief for weight, belief in zip(pattern, beliefs, strict=True))


# --- gates and factors ------------------------------------------------------------------------------------------------


def supports_agree(graph: FactorGraph, before: LogMessages, after: LogMessages) -> tuple[int, int]:
    """Entries of the messages ``after`` a round, and how many have the support that AND and OR alone give them.

    A variable gathers: state x is possible iff it is by its own factors AND by every other message. A factor updates:
    x is possible iff OR over its configurations with x, of nonzero entry AND possible states of the others.
    """
    own = {
        v.name: np.all([f.table > 0 for f in graph.factors if f.variables == (v,)] or [np.ones(v.cardinality, bool)], 0)
        for v in graph.variables
    }
    seen = agree = 0
    for (k, name), message in after.items():
        factor, other_axes = graph.factors[k], []
        possible = factor.table > 0
        for axis, variable in enumerate(factor.variables):
            if variable.name == name:
                continue
            other_axes.append(axis)
            gathered = [np.isfinite(m) for (f, u), m in before.items() if u == variable.name and f != k]
            fits = np.all([own[variable.name], *gathered], axis=0)
            possible = possible & fits.reshape([-1 if a == axis else 1 for a in range(possible.ndim)])
        seen += message.size
        agree += int((possible.any(axis=tuple(other_axes)) == np.isfinite(message)).sum())
    return seen, agree


class HiddenBit(NamedTuple):
    """exp(xy[x, y] + xz[x, z] + yz[y, z]) sum_h exp(h (bias + coupling (x + y + z))): pairwise, with one hidden bit."""

    xy: Array  # (2, 2)
    xz: Array  # (2, 2)
    yz: Array  # (2, 2)
    bias: float
    coupling: float

    def table(self) -> Array:
        """The factor over three bits, (2, 2, 2)."""
        pairs = self.xy[:, :, None] + self.xz[:, None, :] + self.yz[None]
        return np.exp(pairs + _summed_out(self.bias, self.coupling))


def binarised(table: Array) -> HiddenBit:
    """A positive table over three bits, (2, 2, 2), as pairwise tables and one hidden bit (Arity.v gives the proof).

    The hidden bit supplies the third difference of the log table, which no pairwise tables have; the rest is pairwise.
    """
    from scipy.optimize import brentq

    wanted = _third_difference(np.log(table))
    ratio, top = (-2.5, 2 * wanted + 8 * np.log(2)) if wanted >= 0 else (-1.0, 4 * np.log(2) - wanted)
    coupling = brentq(lambda w: _third_difference(_summed_out(ratio * w, w)) - wanted, 0.0, top, xtol=1e-15, rtol=1e-15)
    rest = np.log(table) - _summed_out(ratio * coupling, coupling)
    xz = rest[:, 0, :] - rest[:, 0, :1]
    yz = rest[0] - rest[0, :, :1] - rest[0, :1] + rest[0, 0, 0]
    return HiddenBit(rest[:, :, 0], xz, yz, ratio * coupling, coupling)


def _summed_out(bias: float, coupling: float) -> Array:
    """ln sum_h exp(h (bias + coupling (x + y + z))), (2, 2, 2)."""
    return np.logaddexp(0.0, bias + coupling * np.indices((2, 2, 2)).sum(axis=0))


def _third_difference(logs: Array) -> float:
    return float((logs * (-1.0) ** (np.indices((2, 2, 2)).sum(axis=0) + 1)).sum())
