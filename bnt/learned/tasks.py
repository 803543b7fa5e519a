"""Inference problems to learn from, many at a time: random tables, evidence, and the true posterior of every variable.

Every task is ``Problems``: inputs for a transformer (one token per variable unless said otherwise), targets P(x = 1 |
evidence) by enumeration of the joint distribution, and a mask of the tokens that are asked (unobserved variables).
All variables are binary. *Oriented* tables are log tables whose rows are the states of the token's own variable.

    two_variables   one factor, no evidence; also as published: raw entries, one orientation for both ends, three tokens
    updates         two independent beliefs about one variable, to be combined
    chain           x0 - x1 - x2, random factors, random evidence
    dating          lonely, exciting -> likes; likes, liked -> date; random tables, random evidence
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bnt.graph.factor_graph import Array, Factor, FactorGraph, Variable
from bnt.odds import logit, sigmoid, update_belief

TABLE = (0.05, 1.0)  # entries of a factor table are uniform in here, as in arXiv:2603.17063, section 6.7
BELIEFS = (0.05, 0.95)  # beliefs to combine
CHANCE = (0.05, 0.95)  # entries of a prior or of a conditional probability table
STATES = ("0", "1")
UNOBSERVED = -1
DATING = ("lonely", "exciting", "likes", "liked", "date")


class Problems(NamedTuple):
    """What a model sees, what it should say, and of which tokens it is asked."""

    inputs: Array  # (count, n, columns)
    targets: Array  # (count, n, 1)   P(x = 1 | evidence)
    mask: Array  # (count, n, 1)   1 where the token is asked, else 0

    def take(self, rows: Any) -> Problems:
        """Some of the problems."""
        return Problems(self.inputs[rows], self.targets[rows], self.mask[rows])

    def mean_error(self, answers: Array) -> float:
        """Mean absolute error of answers (count, n, 1), over the tokens that are asked."""
        return float((np.abs(answers - self.targets) * self.mask).sum() / self.mask.sum())

    def largest_error(self, answers: Array) -> float:
        """Largest absolute error of answers (count, n, 1), over the tokens that are asked."""
        return float((np.abs(answers - self.targets) * self.mask).max())

    def asked(self, answers: Array) -> Array:
        """The answers of the tokens that are asked, (m,)."""
        return answers[self.mask > 0]

    @property
    def baseline(self) -> float:
        """Mean absolute error of always saying the mean target."""
        return self.mean_error(np.full_like(self.targets, self.asked(self.targets).mean()))


# ---------------------------------------------------------------- two variables


def random_tables(count: int, rng: np.random.Generator) -> Array:
    """(count, 2, 2) tables with entries uniform in TABLE."""
    return rng.uniform(*TABLE, (count, 2, 2))


def two_variables(tables: Array) -> Problems:
    """Two tokens of four columns: the log table, rows the token's own states. tables (count, 2, 2)[x0, x1]."""
    own = np.stack([tables, tables.transpose(0, 2, 1)], axis=1)  # (count, 2, own, other)
    inputs = np.log(own).reshape(-1, 2, 4)
    targets = own[:, :, 1].sum(-1) / own.sum((-1, -2))
    return Problems(inputs, targets[..., None], np.ones((len(tables), 2, 1)))


def two_variables_as_published(tables: Array) -> Problems:
    """Three tokens (x0, factor, x1) of eight columns: belief .5, the four entries, node type, own and other index / 2.

    Both variables see the table in the same orientation, and the factor token is not asked (arXiv:2603.17063, section
    6.7, and its companion code).
    """
    count = len(tables)
    inputs = np.zeros((count, 3, 8))
    inputs[:, :, 0] = 0.5
    inputs[:, :, 1:5] = tables.reshape(count, 1, 4)
    inputs[:, 1, 5] = 1.0
    inputs[:, :, 6], inputs[:, :, 7] = [0.0, 0.5, 1.0], [0.5, 0.0, 0.5]
    targets = np.insert(two_variables(tables).targets, 1, 0.5, axis=1)
    return Problems(inputs, targets, np.broadcast_to([[1.0], [0.0], [1.0]], targets.shape).copy())


def updates(beliefs: Array) -> Problems:
    """updateBelief of two beliefs (count, 2): one token of two columns, their log odds."""
    log_odds = logit(beliefs)[:, None]  # (count, 1, 2)
    return Problems(log_odds, sigmoid(log_odds.sum(-1, keepdims=True)), np.ones((len(beliefs), 1, 1)))


# ---------------------------------------------------------------- evidence and enumeration


def posteriors(joint: Array, observed: Array) -> Array:
    """P(x_i = 1 | evidence), (count, n), from joint tables (count, 2, ..., 2) of any scale.

    observed (count, n): the state of each variable, or UNOBSERVED.
    """
    count, n = observed.shape
    states = np.stack(np.meshgrid(*[[0, 1]] * n, indexing="ij"), -1).reshape(-1, n)  # (2^n, n)
    possible = ((observed[:, None] == UNOBSERVED) | (observed[:, None] == states)).all(-1)  # (count, 2^n)
    weight = joint.reshape(count, -1) * possible
    return (weight @ states) / weight.sum(1, keepdims=True)


def random_evidence(joint: Array, share: float, rng: np.random.Generator) -> Array:
    """A state drawn from each joint table, each variable of it shown with probability ``share``; one is always hidden.

    Returns (count, n), UNOBSERVED where hidden.
    """
    count, n = len(joint), joint.ndim - 1
    weight = joint.reshape(count, -1)
    total = np.cumsum(weight, axis=1)
    drawn = (total < rng.random((count, 1)) * total[:, -1:]).sum(1)  # (count,)
    states = (drawn[:, None] >> np.arange(n - 1, -1, -1)) & 1  # (count, n), the first variable is the highest bit
    shown = rng.random((count, n)) < share
    shown[np.arange(count), rng.integers(0, n, count)] = False
    return np.where(shown, states, UNOBSERVED)


def _problems(joint: Array, observed: Array, columns: Array) -> Problems:
    """Columns (count, n, c) and, before them, "observed as 0", "observed as 1"; at the end the variable's number."""
    count, n = observed.shape
    evidence = np.stack([observed == 0, observed == 1], -1)
    number = np.broadcast_to(np.eye(n), (count, n, n))
    inputs = np.concatenate([evidence, columns, number], -1).astype(np.float64)
    hidden = (observed == UNOBSERVED).astype(np.float64)
    return Problems(inputs, posteriors(joint, observed)[..., None], hidden[..., None])


def evidence_of(observed: Array, names: tuple[str, ...]) -> Mapping[str, str]:
    """One row of observed states as evidence for ``run_bp`` and ``exact_marginals``."""
    return {name: STATES[int(s)] for name, s in zip(names, observed, strict=True) if s != UNOBSERVED}


# ---------------------------------------------------------------- the chain of three variables


class Chains(NamedTuple):
    """count chains x0 - x1 - x2."""

    first: Array  # (count, 2, 2)[x0, x1]
    second: Array  # (count, 2, 2)[x1, x2]
    observed: Array  # (count, 3)

    @property
    def joint(self) -> Array:
        """(count, 2, 2, 2), not normalised."""
        return self.first[:, :, :, None] * self.second[:, None]

    def graph(self, row: int) -> tuple[FactorGraph, Mapping[str, str]]:
        """One of the chains as a factor graph, and its evidence."""
        x = [Variable(f"x{i}", STATES) for i in range(3)]
        factors = [Factor((x[0], x[1]), self.first[row]), Factor((x[1], x[2]), self.second[row])]
        return FactorGraph(x, factors), evidence_of(self.observed[row], ("x0", "x1", "x2"))


def random_chains(count: int, rng: np.random.Generator, share: float = 1 / 3) -> Chains:
    """Random tables; every variable is observed with probability ``share``, in a state drawn from the chain."""
    chains = Chains(random_tables(count, rng), random_tables(count, rng), np.full((count, 3), UNOBSERVED))
    return chains._replace(observed=random_evidence(chains.joint, share, rng)) if share else chains


def chain(chains: Chains) -> Problems:
    """Three tokens: evidence (2), oriented log table towards the left (4) and the right (4), number (3)."""
    tables = np.zeros((len(chains.first), 3, 2, 2, 2))  # token, side, own, other
    tables[:, 1, 0], tables[:, 2, 0] = (np.log(t).transpose(0, 2, 1) for t in (chains.first, chains.second))
    tables[:, 0, 1], tables[:, 1, 1] = np.log(chains.first), np.log(chains.second)
    return _problems(chains.joint, chains.observed, tables.reshape(-1, 3, 8))


def published_chain_targets(chains: Chains) -> Array:
    """What the paper's companion code trains its chain on, (count, 3), for chains without evidence: no posterior.

    Two rounds from .5 in which every table is read in one orientation for both directions, and whole beliefs are sent
    instead of cavity messages.
    """
    x0 = x1 = x2 = np.full(len(chains.first), 0.5)

    def send(table: Array, belief: Array) -> Array:
        out = table[:, 0] * (1 - belief[:, None]) + table[:, 1] * belief[:, None]
        return out[:, 1] / out.sum(1)

    for _ in range(2):
        x0, x1, x2 = (
            send(chains.first, x1),
            update_belief(send(chains.first, x0), send(chains.second, x2)),
            send(chains.second, x1),
        )
    return np.stack([x0, x1, x2], axis=1)


# ---------------------------------------------------------------- the dating graph


class Dates(NamedTuple):
    """count dating graphs: lonely, exciting -> likes; likes, liked -> date."""

    prior: Array  # (count, 3)      P(lonely), P(exciting), P(liked)
    likes: Array  # (count, 2, 2)   P(likes | lonely, exciting)
    date: Array  # (count, 2, 2)   P(date | likes, liked)
    observed: Array  # (count, 5), in the order of DATING

    @property
    def joint(self) -> Array:
        """(count, 2, 2, 2, 2, 2) in the order of DATING."""
        priors = np.stack([1 - self.prior, self.prior], -1)  # (count, 3, 2)
        likes = np.stack([1 - self.likes, self.likes], -1)  # (count, lonely, exciting, likes)
        date = np.stack([1 - self.date, self.date], -1)  # (count, likes, liked, date)
        lonely, exciting, liked = priors[:, 0], priors[:, 1], priors[:, 2]
        return np.einsum("na,nb,nabc,nd,ncde->nabcde", lonely, exciting, likes, liked, date)

    def graph(self, row: int) -> tuple[FactorGraph, Mapping[str, str]]:
        """One of them as a factor graph, and its evidence."""
        lonely, exciting, likes, liked, date = x = [Variable(name, STATES) for name in DATING]
        factors = [
            Factor((v,), [1 - p, p]) for v, p in zip((lonely, exciting, liked), self.prior[row].tolist(), strict=True)
        ]
        factors += [
            Factor((lonely, exciting, likes), np.stack([1 - self.likes[row], self.likes[row]], -1)),
            Factor((likes, liked, date), np.stack([1 - self.date[row], self.date[row]], -1)),
        ]
        return FactorGraph(x, factors), evidence_of(self.observed[row], DATING)


def random_dates(count: int, rng: np.random.Generator, share: float = 1 / 3) -> Dates:
    """Random tables; every variable is observed with probability ``share``, in a state drawn from the network."""
    prior, likes, date = (rng.uniform(*CHANCE, (count, *shape)) for shape in ((3,), (2, 2), (2, 2)))
    dates = Dates(prior, likes, date, np.full((count, 5), UNOBSERVED))
    return dates._replace(observed=random_evidence(dates.joint, share, rng)) if share else dates


def dating(dates: Dates) -> Problems:
    """Five tokens: evidence (2), prior log odds (1), log odds of its own table (4) and of its child's (4), number (5).

    The child's table is oriented: its rows are the states of the token's own variable.
    """
    columns = np.zeros((len(dates.prior), 5, 9))
    columns[:, [0, 1, 3], 0] = logit(dates.prior)
    likes, date = logit(dates.likes), logit(dates.date)
    columns[:, 2, 1:5], columns[:, 4, 1:5] = likes.reshape(-1, 4), date.reshape(-1, 4)
    for token, table in ((0, likes), (1, likes.transpose(0, 2, 1)), (2, date), (3, date.transpose(0, 2, 1))):
        columns[:, token, 5:9] = table.reshape(-1, 4)
    return _problems(dates.joint, dates.observed, columns)


def published_dating_targets(dates: Dates) -> Array:
    """What the companion code trains on, (count, 5): prior marginals forwards, right only where nothing is observed."""
    lonely, exciting, liked = dates.prior.T

    def mixed(table: Array, p: Array, q: Array) -> Array:
        rows = table[:, 0] * (1 - p)[:, None] + table[:, 1] * p[:, None]
        return rows[:, 0] * (1 - q) + rows[:, 1] * q

    likes = mixed(dates.likes, lonely, exciting)
    return np.stack([lonely, exciting, likes, liked, mixed(dates.date, likes, liked)], axis=1)
