"""The general construction: any cardinality, any arity, zeros. Softmax attention IS the marginalisation.

Tokens. configuration (f, c): one per nonzero table entry. entry (f, v, x): one per state of each message from f to v,
it holds mu, the log message, as one number, so the width of the stream does not grow with the cardinality.
message (f, v): one per message, it holds the message's gauge. state (v, x): beliefs are read here. One sink.

One layer is one round. With k slots in the largest factor, its sublayers are

    1 sum          an entry adds up mu of its (v, x) from all other factors                         -> nu
    2 fetch        per slot, a configuration fetches nu + theta of the entry it contains            -> nu_in[slot]
    3 gauge        per slot, a message averages the scores of its factor's configurations,
                   score_p(c) = log psi(c) + sum of nu_in over the other slots                      -> gauge
    4 marginalise  per slot, an entry attends to the configurations that contain it, by score_p, and to its
                   message token, by gauge: total weights P and Q                                   -> P, Q
    5 FFN, floored logarithm         fresh = log P - log Q = log sum_c exp(score_p(c)) - gauge
    6 FFN, ReLU pairs                mu <- (1-d) fresh + d mu, belief <- nu + theta, and erase the rest

The gauge is the mean score under the softmax, which lies within log(number of configurations) of the log of the
total: so mu is the log message up to a constant that is bounded, in every round. The logarithm of sublayer 5,
max(x, 1e-300) inside, is the one departure from a stock transformer. A message entry below 1e-300 of its message's
total is held at that floor: exact to any float64 probability, unless messages that strong contradict each other.

Leaves (graph/leaves.py). A configuration may leave slots of its factor open. Such a slot stands for the sum of its
incoming message, sum_x nu(x) theta(x), and not for 1: messages here are not normalised. Between 1 and 2 come

    pool    per slot, a message averages nu + theta of its entries under their softmax           -> pool, norm
    level   per slot, it attends to its entries, by nu + theta, and to itself, by pool           -> level_P, level_Q
    FFN, floored logarithm       norm = pool + log level_P - log level_Q = log sum exp(nu + theta)

and in 2 a configuration fetches norm of the message for a slot that it leaves open. In 4 it answers every entry there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bnt.compiler.configurations import Configurations, configurations
from bnt.compiler.layout import CodeBit, Layout, Terms, binary_code, bits_for, erase, ffn, head, linear, same
from bnt.compiler.model import Parts
from bnt.errors import InconsistentEvidenceError, TooLargeError, UnsupportedModelError
from bnt.graph.evidence import Reduced, ReducedFactor, ReducedLeaves, describe
from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat, Ints
from bnt.transformer.activations import FLOOR
from bnt.transformer.blocks import Attention, Head, Layer

UNDERFLOW = 746.0  # exp(-746) is exactly 0 in float64
MOST_DAMPING_WITH_ZEROS = 0.9  # damping d weakens a floored zero to FLOOR ** (1-d): 1e-30 at 0.9
ZERO = -600.0  # an undamped log message or belief this far below its largest entry is read as a zero again
LEVELS = ("norm", "pool", "level_P", "level_Q")  # columns for slots that leaves leave open
NOTE = "FFN 1 of each layer uses a floored logarithm, max(x, 1e-300): not a stock activation"
NOTE_LEAVES = NOTE.replace("FFN 1 of each layer uses", "FFNs 1 and 2 of each layer use")


def compile_general(reduced: Reduced, flat: Flat, mode: str, damping: float, memory_limit: int) -> Parts:
    """Layer, tokens and readout. Raises UnsupportedModelError (max mode; strong damping with zeros), TooLargeError."""
    check_general(reduced, mode, damping)
    listed = configurations(reduced)
    labels = flat.factor_index
    layer, tokens, layout = general_parts(listed, labels, reduced.free, damping, memory_limit)
    note = NOTE_LEAVES if "norm" in layout.columns else NOTE
    return Parts(layer, tokens, layout, GeneralReadout(reduced, flat, layout, damping), note)


def general_parts(
    listed: Configurations,
    labels: Ints,
    free: tuple[int, ...],
    damping: float,
    memory_limit: int,
    what: str = "the model",
) -> tuple[Layer, Array, Layout]:
    """Layer, tokens and layout of any list of configurations; ``labels`` name its factors, ``free`` its variables."""
    layout = general_layout(listed, labels, free)
    check_memory(what, layout, memory_limit)
    fan_in = 2 ** int(listed.degree.max(initial=0)).bit_length()
    zero_field, routing = certified_constants(listed)
    tokens = general_tokens(listed, layout, free, fan_in, zero_field)
    return general_layer(layout, listed.slots, fan_in, routing, damping), tokens, layout


def check_memory(what: str, layout: Layout, memory_limit: int) -> None:
    """Raises TooLargeError if a forward pass (tokens, stream, working arrays) would need more than ``memory_limit``."""
    need = 3 * 8 * layout.size * layout.width
    if need > memory_limit:
        raise TooLargeError(
            f"{what}: {layout.size} tokens of width {layout.width} need about {need / 2**30:.2f} GiB; "
            f"the limit is {memory_limit / 2**30:.2f} GiB (memory_limit raises it)"
        )


def certified_constants(listed: Configurations) -> tuple[float, float]:
    """(zero_field, routing): the log potential that stands for a zero in a local field, and the code penalty C.

    A message entry satisfies |mu| <= -log FLOOR + log(1 + configurations of a factor), so nu + theta, its sum over the
    states of an open slot, and any score are bounded; call that bound B. A zero in a field must underflow against every
    possible score: more than 746 + 2 B. A pair that does not match (-C), and a sink (-C/2) beside a match, likewise
    with the new bound.
    """
    per_factor = int(np.bincount(listed.factor).max(initial=0))
    largest_mu = -np.log(FLOOR) + np.log1p(per_factor)
    theta = np.concatenate([np.zeros(1), *(field - field.max() for field in listed.fields)])
    finite = theta[np.isfinite(theta)]

    def bound(largest_theta: float) -> float:
        others = max(listed.slots - 1, 0)
        incoming = int(listed.degree.max(initial=0)) * largest_mu + largest_theta
        if listed.open.any():
            incoming += np.log(int(listed.cardinality.max()))
        return float(np.abs(listed.log_psi).max(initial=0.0) + others * incoming)

    zero_field = UNDERFLOW + 2 * bound(-finite.min()) if len(finite) < len(theta) else -float(finite.min())
    routing = 2 * (UNDERFLOW + 2 * bound(zero_field))
    return -float(zero_field), float(2 ** np.ceil(np.log2(routing)))


def check_general(reduced: Reduced, mode: str, damping: float) -> None:
    """Raises UnsupportedModelError for max mode, and for more damping than zeros in the tables allow."""
    if mode == "max":
        raise UnsupportedModelError(
            "the general construction sums (softmax attention is a sum); mode='max' needs the pairwise construction, "
            "which covers binary variables and positive factors over two of them"
        )
    if damping > MOST_DAMPING_WITH_ZEROS and any(has_zeros(factor) for factor in reduced.factors):
        raise UnsupportedModelError(
            f"with zero entries the general construction allows damping up to {MOST_DAMPING_WITH_ZEROS}, "
            f"not {damping}: more would make a floored zero count"
        )


def has_zeros(factor: ReducedFactor | ReducedLeaves) -> bool:
    """Is an entry of its table, or a leaf, zero?"""
    logs = factor.listed.log_values if isinstance(factor, ReducedLeaves) else factor.log_table
    return bool(np.isneginf(logs).any())


# ---------------------------------------------------------------- tokens


def general_layout(listed: Configurations, labels: Ints, free: tuple[int, ...]) -> Layout:
    """Names. Labels: configuration (factor, entry of its table), entry (factor, variable, state), message, state."""
    number = bits_for(len(listed.cardinality))
    state = bits_for(int(listed.cardinality.max(initial=1)))
    factor = bits_for(int(listed.edge_factor.max(initial=0)) + 1)
    scalars: tuple[str, ...] = (
        "mu",
        "nu",
        "theta",
        "gauge",
        "P",
        "Q",
        "fresh",
        "belief",
        "log_psi",
        "sink_score",
        "one",
        "sink",
        "not_entry",
    )
    if listed.open.any():
        scalars += (*LEVELS, "not_message", *(f"open{p}" for p in range(listed.slots)))
    columns = dict.fromkeys((*scalars, *kinds(listed.slots), *(f"nu_in{p}" for p in range(listed.slots))), 1)
    columns |= {"local": int(listed.degree.max(initial=0)), "factor": 2 * factor}
    columns |= {f"slot{p}": 2 * state for p in range(listed.slots)}
    columns |= {"variable": 2 * number, "state_code": 2 * state}

    states = listed.cardinality[listed.edge_variable]  # (E,)
    edge = np.repeat(np.arange(len(states)), states)  # (entries,)
    numbers = np.array(free, dtype=np.int64)
    tokens = {
        "configuration": np.stack([labels[listed.factor], listed.entry], axis=1),
        "entry": np.stack([labels[listed.edge_factor[edge]], listed.edge_variable[edge], count_up(states)], axis=1),
        "message": np.stack([labels[listed.edge_factor], listed.edge_variable], axis=1),
        "state": np.stack(
            [np.repeat(numbers, listed.cardinality[numbers]), count_up(listed.cardinality[numbers])], axis=1
        ),
        "sink": np.zeros((1, 0), np.int64),
    }
    return Layout({name: width for name, width in columns.items() if width}, tokens)


def kinds(slots: int) -> list[str]:
    """Flag columns: every token but the sink has exactly one of them set; entries and messages by their slot."""
    by_slot = [f"{kind}{p}" for kind in ("entry", "message") for p in range(slots)]
    return ["configuration", "state", *by_slot]


def count_up(lengths: Ints) -> Ints:
    """[0, .., l0-1, 0, .., l1-1, ...]"""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def general_tokens(
    listed: Configurations, layout: Layout, free: tuple[int, ...], fan_in: int, zero_field: float
) -> Array:
    """The graph as tokens (n, d). In a code block, [b, 1-b] is a number, all 1 nobody, all 0 any number."""
    tokens = np.zeros((layout.size, layout.width), order="F")
    half = {name: (columns.stop - columns.start) // 2 for name, columns in layout.columns.items()}

    def put(kind: str, name: str, value: Array | float) -> None:
        values = np.asarray(value, dtype=np.float64)
        tokens[layout.rows(kind), layout.column(name)] = values if values.ndim != 1 else values[:, None]

    def put_code(kind: str, name: str, numbers: Ints) -> None:
        put(kind, name, binary_code(numbers, half[name]))

    states = listed.cardinality[listed.edge_variable]  # (E,)
    edge = np.repeat(np.arange(len(states)), states)  # (entries,) edge of each entry
    variable, state = layout.labels["state"].T
    theta = np.concatenate([np.zeros(0), *(field - field.max() for field in listed.fields)])
    theta = np.where(np.isneginf(theta), zero_field, theta)
    starts = np.cumsum(listed.cardinality) - listed.cardinality  # (n,)
    degree, slots = listed.degree, range(listed.slots)

    for kind in ("configuration", "entry", "message", "state"):
        for name in ("factor", *(f"slot{p}" for p in slots), "variable", "state_code"):
            put(kind, name, 1.0)  # nobody, unless stated below
    put("sink", "sink", 1.0)  # its blocks stay open to every query
    tokens[:, layout.column("one")] = tokens[:, layout.column("not_entry")] = 1.0

    put("configuration", "configuration", 1.0)
    put("configuration", "log_psi", listed.log_psi)
    put_code("configuration", "factor", listed.factor)
    any_state = listed.open  # (c, k)
    for p in slots:
        code = binary_code(np.maximum(listed.states[:, p], 0), half[f"slot{p}"])
        unnamed = np.where(any_state[:, p, None], 0.0, 1.0)  # any number, or nobody where there is no such slot
        put("configuration", f"slot{p}", np.where(listed.states[:, p, None] < 0, unnamed, code))
        if "norm" in layout.columns:
            put("configuration", f"open{p}", any_state[:, p].astype(np.float64))

    put("entry", "not_entry", 0.0)
    put("entry", "theta", theta[starts[listed.edge_variable[edge]] + count_up(states)])
    put("entry", "sink_score", np.log(fan_in - degree[listed.edge_variable[edge]] + 1))
    put_code("entry", "factor", listed.edge_factor[edge])
    put_code("entry", "variable", listed.edge_variable[edge])
    put_code("entry", "state_code", count_up(states))
    if listed.slots:
        order = np.argsort(listed.edge_variable, kind="stable")  # number the edges of each variable 0, 1, ...
        local = np.empty_like(order)
        local[order] = count_up(degree)
        put("entry", "local", np.eye(int(degree.max()))[local[edge]])

    if "norm" in layout.columns:
        tokens[:, layout.column("not_message")] = 1.0
        put("message", "not_message", 0.0)
    put_code("message", "factor", listed.edge_factor)
    put("message", "state_code", 0.0)  # open: any state
    for p in slots:
        put("message", f"slot{p}", 0.0)
        put("message", f"message{p}", listed.edge_slot == p)
        put("entry", f"entry{p}", (listed.edge_slot == p)[edge])

    put("state", "state", 1.0)
    put("state", "theta", theta[starts[variable] + state])
    put("state", "belief", theta[starts[variable] + state])
    put("state", "sink_score", np.log(fan_in - degree[variable]))
    put_code("state", "variable", variable)
    put_code("state", "state_code", state)
    return tokens


# ---------------------------------------------------------------- one layer


def general_layer(layout: Layout, slots: int, fan_in: int, routing: float, damping: float) -> Layer:
    """The explicit weights of one round: the sublayers of the module's text, three more where leaves are open."""
    every, leaves = kinds(slots), "norm" in layout.columns
    entries = [f"entry{p}" for p in range(slots)]

    def only(queries: list[str], keys: list[str]) -> list[CodeBit]:
        """Only tokens of some kinds ask, only tokens of some kinds answer; all others meet at the sink."""
        silent = dict.fromkeys([*(kind for kind in every if kind not in queries), "sink"], 1.0)
        ask = CodeBit(silent, silent, is_zero=dict.fromkeys(every, 1.0), is_one={})
        answer = CodeBit({"one": 1.0}, {}, {k: 1.0 for k in every if k not in keys}, dict.fromkeys(keys, 1.0))
        return [ask, answer]

    def score(p: int) -> Terms:
        return {"log_psi": 1.0, **{f"nu_in{q}": 1.0 for q in range(slots) if q != p}}

    otherwise: Terms = {"sink": -routing / 2}  # the sink answers where nothing else does
    own = layout.block("local") if "local" in layout.columns else []
    total = head(
        layout,
        routing,
        only([*entries, "state"], entries)
        + same(layout, "variable", "variable")
        + same(layout, "state_code", "state_code"),
        score=[({"sink_score": 1.0}, {"sink": 1.0}), *(({name: 1.0}, {name: -routing}) for name in own)],
        value=[({"mu": float(fan_in)}, {"nu": 1.0})],
    )
    factor = same(layout, "factor", "factor")
    incoming: Terms = {"nu": 1.0, "theta": 1.0}
    pool, level, fetch, gauge, marginalise = [], [], [], [], []
    for p in range(slots):
        sources, fetched, which = [f"entry{p}"], incoming, list[CodeBit]()
        if leaves:
            sources, fetched = [*sources, f"message{p}"], {**incoming, "norm": 1.0}
            mentioned = {"configuration": 1.0, f"open{p}": -1.0}
            which = [CodeBit({f"open{p}": 1.0}, mentioned, {f"entry{p}": 1.0}, {f"message{p}": 1.0})]
            pool.append(
                head(
                    layout,
                    routing,
                    only([f"message{p}"], [f"entry{p}"]) + factor,
                    score=[({"one": 1.0}, {**incoming, **otherwise})],
                    value=[(incoming, {"pool": 1.0, "norm": 1.0})],
                )
            )
            level.append(
                head(
                    layout,
                    routing,
                    only([f"message{p}"], sources) + factor,
                    score=[({"one": 1.0}, {**incoming, "pool": 1.0, **otherwise})],
                    value=[({f"entry{p}": 1.0}, {"level_P": 1.0}), ({f"message{p}": 1.0}, {"level_Q": 1.0})],
                )
            )
        fetch.append(
            head(
                layout,
                routing,
                only(["configuration"], sources) + factor + which + same(layout, f"slot{p}", "state_code"),
                score=[({"one": 1.0}, otherwise)],
                value=[(fetched, {f"nu_in{p}": 1.0})],
            )
        )
        gauge.append(
            head(
                layout,
                routing,
                only([f"message{p}"], ["configuration"]) + factor + same(layout, "state_code", f"slot{p}"),
                score=[({"one": 1.0}, {**score(p), **otherwise})],
                value=[(score(p), {"gauge": 1.0})],
            )
        )
        marginalise.append(
            head(
                layout,
                routing,
                only([f"entry{p}"], ["configuration", f"message{p}"]) + factor + same(layout, "state_code", f"slot{p}"),
                score=[({"one": 1.0}, {**score(p), "gauge": 1.0, **otherwise})],
                value=[({"configuration": 1.0}, {"P": 1.0}), ({f"message{p}": 1.0}, {"Q": 1.0})],
            )
        )
    logarithm = ffn(
        layout,
        [({"P": 1.0, "not_entry": 1.0}, 0.0, {"fresh": 1.0}), ({"Q": 1.0, "not_entry": 1.0}, 0.0, {"fresh": -1.0})],
        "floored log",
    )
    summed = LEVELS if leaves else ()
    update = [
        *linear({"fresh": 1.0, "mu": -1.0}, {"mu": 1.0 - damping}),
        *linear({"nu": 1.0, "theta": 1.0, "belief": -1.0}, {"belief": 1.0}),
    ]
    update += [
        unit
        for name in ("nu", "gauge", "P", "Q", "fresh", *(f"nu_in{p}" for p in range(slots)), *summed)
        for unit in erase(name)
    ]
    before = levels(layout, pool, level) if leaves else ()
    attention = [Attention(tuple(heads)) for heads in (fetch, gauge, marginalise) if heads]
    return (Attention((total,)), *before, *attention, logarithm, ffn(layout, update, "relu"))


def levels(layout: Layout, pool: Sequence[Head], level: Sequence[Head]) -> Layer:
    """norm = log sum exp(nu + theta) on every message token, for the slots that leaves leave open."""
    alone = {"not_message": 1.0}
    units: list[tuple[Terms, float, Terms]] = [
        ({"level_P": 1.0, **alone}, 0.0, {"norm": 1.0}),
        ({"level_Q": 1.0, **alone}, 0.0, {"norm": -1.0}),
    ]
    return Attention(tuple(pool)), Attention(tuple(level)), ffn(layout, units, "floored log")


# ---------------------------------------------------------------- read-out


class GeneralReadout(NamedTuple):
    """mu on entry tokens, beliefs on state tokens."""

    reduced: Reduced
    flat: Flat
    layout: Layout
    damping: float

    def log_messages(self, stream: Array) -> Array:
        """See Readout. Undamped, floored zeros are -inf again."""
        mu = stream[self.layout.rows("entry"), self.layout.position("mu")]
        return zeros_again(mu, self.flat.message_ptr) if self.damping == 0.0 else mu

    def log_beliefs(self, stream: Array) -> Array:
        """See Readout. Raises InconsistentEvidenceError where every state of a variable has a zero message."""
        flat, reduced = self.flat, self.reduced
        self._check_mass(stream)
        observed = np.zeros(len(flat.cardinality), dtype=bool)
        observed[list(reduced.evidence.hard)] = True
        logs = np.full(flat.field_ptr[-1], -np.inf)
        logs[~np.repeat(observed, flat.cardinality)] = stream[self.layout.rows("state"), self.layout.position("belief")]
        for i, state in reduced.evidence.hard.items():
            logs[flat.field_ptr[i] + state] = 0.0
        logs[np.isneginf(flat.field) & ~np.repeat(observed, flat.cardinality)] = -np.inf
        return zeros_again(logs, flat.field_ptr) if self.damping == 0.0 else logs

    def _check_mass(self, stream: Array) -> None:
        flat = self.flat
        if not len(flat.edge_variable):
            return
        lengths = np.diff(flat.message_ptr)
        mu = stream[self.layout.rows("entry"), self.layout.position("mu")]
        mu = mu - np.repeat(np.maximum.reduceat(mu, flat.message_ptr[:-1]), lengths)
        place = np.repeat(flat.field_ptr[flat.edge_variable] - flat.message_ptr[:-1], lengths) + np.arange(len(mu))
        alive = ~np.isneginf(flat.field)
        alive[place[mu <= (1.0 - self.damping) * ZERO]] = False
        anything = np.logical_or.reduceat(alive, flat.field_ptr[:-1])  # (n,)
        dead = next((v for v in self.reduced.free if not anything[v]), None)
        if dead is not None:
            name = self.reduced.graph.variables[dead].name
            known = describe(self.reduced.graph, self.reduced.evidence)
            raise InconsistentEvidenceError(f"probability zero: {known}; no state of {name!r} has mass")


def zeros_again(logs: Array, pointer: Ints) -> Array:
    """-inf for what lies ZERO below the largest of its own vector, logs[pointer[i]:pointer[i+1]]."""
    if not len(logs):
        return logs
    highest = np.repeat(np.maximum.reduceat(logs, pointer[:-1]), np.diff(pointer))
    return np.where(logs <= highest + ZERO, -np.inf, logs)
