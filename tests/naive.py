"""Slow, obvious twins: textbook formulas in probability space, loops and dictionaries, nothing shared with the library.

Graphs are read only through their public names and tables.
"""

import cmath
import itertools
import math

import numpy as np

# ---------------------------------------------------------------- factor graphs and belief propagation


def joint(graph, evidence=None):
    """{assignment tuple: unnormalised probability} over all variables; evidence as run_bp takes it."""
    result = {}
    for assignment in itertools.product(*(v.states for v in graph.variables)):
        named = dict(zip((v.name for v in graph.variables), assignment, strict=True))
        weight = 1.0
        for factor in graph.factors:
            weight *= factor.table[tuple(v.states.index(named[v.name]) for v in factor.variables)]
        for name, value in (evidence or {}).items():
            weight *= likelihood(graph, name, value)[graph.variable(name).states.index(named[name])]
        result[assignment] = weight
    return result


def marginals(graph, evidence=None, maximise=False):
    """{variable name: probabilities} by summing (or maximising) the joint, and the total mass."""
    table = joint(graph, evidence)
    out = {v.name: np.zeros(v.cardinality) for v in graph.variables}
    for assignment, weight in table.items():
        for variable, state in zip(graph.variables, assignment, strict=True):
            i = variable.states.index(state)
            old = out[variable.name][i]
            out[variable.name][i] = max(old, weight) if maximise else old + weight
    mass = sum(table.values())
    return {name: p / p.sum() if mass else p for name, p in out.items()}, mass


def scope_marginals(graph, evidence=None):
    """One array per factor: p(its scope | evidence), by adding up the joint."""
    table = joint(graph, evidence)
    mass, found = sum(table.values()), []
    for factor in graph.factors:
        marginal = np.zeros(factor.table.shape)
        for assignment, weight in table.items():
            named = dict(zip((v.name for v in graph.variables), assignment, strict=True))
            marginal[tuple(v.states.index(named[v.name]) for v in factor.variables)] += weight / mass
        found.append(marginal)
    return found


def likelihood(graph, name, value):
    """Evidence on one variable as a vector: one-hot for a state, the numbers themselves for soft evidence."""
    states = graph.variable(name).states
    if isinstance(value, str):
        return np.array([float(state == value) for state in states])
    if isinstance(value, dict):
        return np.array([value[state] for state in states], float)
    return np.array(value, float)


def bp_messages(graph, evidence=None, rounds=10, maximise=False, damping=0.0):
    """Flooding belief propagation in probability space: one {(factor, variable name): message} per round, start first.

    Observed states are zeroed in the tables rather than removed. A factor with a single unobserved variable, and soft
    evidence, are that variable's local field.
    """
    evidence = evidence or {}
    observed = {
        name
        for name, value in evidence.items()
        if isinstance(value, str) or np.count_nonzero(likelihood(graph, name, value)) == 1
    }
    tables = []
    for factor in graph.factors:
        table = factor.table
        for axis, variable in enumerate(factor.variables):
            if variable.name in observed:
                one_hot = (likelihood(graph, variable.name, evidence[variable.name]) > 0).astype(float)
                table = table * along(one_hot, axis, table.ndim)
        tables.append(table)
    free = [[v.name for v in factor.variables if v.name not in observed] for factor in graph.factors]
    field = {v.name: np.ones(v.cardinality) for v in graph.variables}
    for name, value in evidence.items():
        field[name] = likelihood(graph, name, value)
    for factor, table, names in zip(graph.factors, tables, free, strict=True):
        if len(names) == 1:
            axis = [v.name for v in factor.variables].index(names[0])
            field[names[0]] = field[names[0]] * table.sum(tuple(a for a in range(table.ndim) if a != axis))

    def scaled(vector):
        return vector / (vector.max() if maximise else vector.sum())

    messages = {
        (f, name): scaled(np.ones(graph.variable(name).cardinality))
        for f, names in enumerate(free)
        if len(names) >= 2
        for name in names
    }
    rounds_so_far = [messages]
    for _ in range(rounds):
        new = {}
        for (f, target), old in messages.items():
            factor, product = graph.factors[f], tables[f]
            for axis, variable in enumerate(factor.variables):
                if variable.name in (target, *observed):
                    continue
                incoming = field[variable.name].copy()
                for (g, name), message in messages.items():
                    if name == variable.name and g != f:
                        incoming = incoming * message
                product = product * along(incoming, axis, product.ndim)
            axis = [v.name for v in factor.variables].index(target)
            rest = tuple(a for a in range(product.ndim) if a != axis)
            message = scaled(product.max(rest) if maximise else product.sum(rest))
            if damping:
                with np.errstate(divide="ignore"):
                    message = scaled(np.exp((1 - damping) * np.log(message) + damping * np.log(old)))
            new[f, target] = message
        messages = new
        rounds_so_far.append(messages)
    return rounds_so_far, field


def one_by_one(graph, schedule, rounds, maximise=False, damping=0.0, tolerance=None):
    """Sequential or residual belief propagation without evidence: ({(factor, variable name): message}, rounds, change).

    Every message is computed anew, by ``bp_messages``' equation, each time that it may have changed. tolerance: end
    after the round whose change is at most that.
    """
    start, field = bp_messages(graph, None, 0, maximise)
    messages, change = dict(start[0]), math.inf

    def sent(key):
        f, target = key
        names = [v.name for v in graph.factors[f].variables]
        product = graph.factors[f].table
        for axis, name in enumerate(names):
            if name != target:
                incoming = field[name].copy()
                for (g, other), message in messages.items():
                    if other == name and g != f:
                        incoming = incoming * message
                product = product * along(incoming, axis, product.ndim)
        rest = tuple(axis for axis, name in enumerate(names) if name != target)
        found = product.max(rest) if maximise else product.sum(rest)
        found = found / (found.max() if maximise else found.sum())
        with np.errstate(divide="ignore"):
            found = np.exp((1 - damping) * np.log(found) + damping * np.log(messages[key]))
        return found / (found.max() if maximise else found.sum())

    def difference(key, new):
        return float(np.abs(new - messages[key]).max())

    candidates, pending, put_in, turn = {}, {}, {}, 0

    def put(key):
        nonlocal turn
        candidates[key] = sent(key)
        pending[key], put_in[key], turn = difference(key, candidates[key]), turn, turn + 1

    def level(key):  # the power of two below its change
        return -math.inf if pending[key] == 0 else max(math.floor(math.log2(pending[key])), -62)

    if schedule == "residual":
        for key in messages:
            put(key)
    factors = sorted({f for f, _ in messages})
    for ran in range(1, rounds + 1):
        if schedule == "residual":
            for _ in range(len(messages)):
                top = max(map(level, messages))
                if top == -math.inf:
                    break
                key = max((key for key in messages if level(key) == top), key=put_in.get)
                messages[key] = candidates[key]
                if damping:
                    put(key)
                else:
                    pending[key] = 0.0
                f, name = key
                for g, other in messages:  # what its variable sends on, factor by factor
                    if other == name and g != f:
                        for onward in messages:
                            if onward[0] == g and onward[1] != name:
                                put(onward)
            change = max(pending.values(), default=0.0)
        else:
            change = 0.0
            for f in factors if ran % 2 else factors[::-1]:
                new = {key: sent(key) for key in messages if key[0] == f}
                change = max(change, *(difference(key, message) for key, message in new.items()))
                messages.update(new)
        if tolerance is not None and change <= tolerance:
            break
    return messages, ran, change


def bp_beliefs(graph, messages, field):
    """{variable name: probabilities} from one round's messages."""
    out = {}
    for variable in graph.variables:
        belief = field[variable.name].copy()
        for (_, name), message in messages.items():
            if name == variable.name:
                belief = belief * message
        out[variable.name] = belief / belief.sum()
    return out


def log_factors(graph, evidence=None):
    """({variable: log field}, [(factor index, free names, log table)]) after hard evidence {name: state}."""
    evidence = evidence or {}
    field = {v.name: np.zeros(v.cardinality) for v in graph.variables if v.name not in evidence}
    left = []
    for f, factor in enumerate(graph.factors):
        at = tuple(v.states.index(evidence[v.name]) if v.name in evidence else slice(None) for v in factor.variables)
        names = [v.name for v in factor.variables if v.name not in evidence]
        if len(names) == 1:
            field[names[0]] = field[names[0]] + factor.log_table[at]
        elif names:
            left.append((f, names, factor.log_table[at]))
    return field, left


def log_normalised(values):
    """values - log sum exp(values)."""
    highest = max(values)
    return np.array([v - highest for v in values]) - math.log(sum(math.exp(v - highest) for v in values))


def trw_messages(graph, rho, rounds, damping=0.0, evidence=None):
    """Tree-reweighted log messages {(factor, receiver): vector} of every round, start first, and the log fields.

    rho: {factor index: weight}. Factors over two free variables; one message after the other, in dictionaries.
    """
    field, pairs = log_factors(graph, evidence)
    messages = {(f, name): log_normalised(np.zeros(len(field[name]))) for f, names, _ in pairs for name in names}
    history = [messages]
    for _ in range(rounds):
        new = {}
        for f, (first, second), table in pairs:
            for source, target, psi in ((first, second, table), (second, first, table.T)):
                nu = field[source] - messages[f, source]
                for (g, name), message in messages.items():
                    if name == source:
                        nu = nu + rho[g] * message
                scores = [[psi[y, x] / rho[f] + nu[y] for y in range(len(nu))] for x in range(len(field[target]))]
                tops = [max(row) for row in scores]
                log_sums = [
                    t + math.log(sum(math.exp(v - t) for v in row)) for t, row in zip(tops, scores, strict=True)
                ]
                found = log_normalised(log_sums)
                new[f, target] = log_normalised((1 - damping) * found + damping * messages[f, target])
        messages = new
        history.append(messages)
    return history, field


def trw_beliefs(messages, field, rho):
    """{variable: probabilities} from one round's messages."""
    out = {}
    for name, values in field.items():
        for (f, receiver), message in messages.items():
            if receiver == name:
                values = values + rho[f] * message
        out[name] = np.exp(log_normalised(values))
    return out


def mean_field_messages(graph, rounds, damping=0.0, evidence=None):
    """Parallel mean field: E[log psi | x_v] as log messages of every round, and the beliefs that they give.

    Round 0 has the messages that uniform beliefs send.
    """
    field, factors = log_factors(graph, evidence)
    beliefs = {name: np.full(len(values), 1 / len(values)) for name, values in field.items()}
    messages, history = None, []
    for _ in range(rounds + 1):
        new = {}
        for f, names, table in factors:
            for slot, target in enumerate(names):
                total = np.zeros(len(field[target]))
                for states in itertools.product(*(range(size) for size in table.shape)):
                    weight = math.prod(
                        beliefs[name][state]
                        for i, (name, state) in enumerate(zip(names, states, strict=True))
                        if i != slot
                    )
                    total[states[slot]] += weight * table[states]
                found = log_normalised(total)
                old = messages[f, target] if messages else found
                new[f, target] = log_normalised((1 - damping) * found + damping * old)
        messages = new
        beliefs = {
            name: np.exp(log_normalised(values + sum(m for (_, to), m in messages.items() if to == name)))
            for name, values in field.items()
        }
        history.append((messages, beliefs))
    return history


def spanning_tree_shares(n, edges):
    """The share of all spanning trees of a connected graph that hold each edge, by listing every tree."""
    counts, trees = [0] * len(edges), 0
    for chosen in itertools.combinations(range(len(edges)), n - 1):
        root = list(range(n))
        for e in chosen:
            a, b = (root[i] for i in edges[e])
            if a == b:
                break
            root = [a if r == b else r for r in root]
        else:
            trees += 1
            for e in chosen:
                counts[e] += 1
    return [count / trees for count in counts]


def along(vector, axis, ndim):
    """A vector shaped to broadcast along one axis."""
    return vector.reshape([-1 if a == axis else 1 for a in range(ndim)])


# ---------------------------------------------------------------- transformer, gather attention


def transformer(tokens, weights):
    """Residual streams after every sublayer, by loops over tokens, heads and columns; lists of floats."""
    x = [[float(value) for value in row] for row in tokens]
    streams = []
    for layer in weights.layers:
        for sublayer in layer:
            read = [layer_norm(row, sublayer.norm) for row in x] if sublayer.norm else x
            if hasattr(sublayer, "heads"):
                added = attention(read, sublayer)
            else:
                added = mixture(read, sublayer) if hasattr(sublayer, "experts") else ffn(read, sublayer)
            x = [[a + b for a, b in zip(row, more, strict=True)] for row, more in zip(x, added, strict=True)]
            x = [layer_norm(row, sublayer.after) for row in x] if sublayer.after else x
            streams.append(np.array(x))
    return streams


def times(row, matrix):
    """Row vector times matrix."""
    return [sum(row[i] * float(matrix[i][j]) for i in range(len(row))) for j in range(matrix.shape[1])]


def plus(row, bias):
    """Row vector plus a bias, which may be missing."""
    return row if bias is None else [a + float(b) for a, b in zip(row, bias, strict=True)]


def attention(x, sublayer):
    """What the heads add to every token: for each query, exp(q . k) / total over the keys it may see."""
    added = [plus([0.0] * len(x[0]), sublayer.b_O) for _ in x]
    for one in sublayer.heads:
        for i, row in enumerate(x):
            q = turned(plus(times(row, one.W_Q), one.b_Q), one.rotary, i)
            seen = range(i + 1) if sublayer.causal else range(len(x))
            keys = [turned(plus(times(x[j], one.W_K), one.b_K), one.rotary, j) for j in seen]
            scores = [sum(a * b for a, b in zip(q, key, strict=True)) for key in keys]
            powers = [math.exp(score - max(scores)) for score in scores]
            for j, power in zip(seen, powers, strict=True):
                value = times(plus(times(x[j], one.W_V), one.b_V), one.W_O)
                added[i] = [a + power / sum(powers) * v for a, v in zip(added[i], value, strict=True)]
    return added


def turned(row, frequencies, position):
    """Pairs of columns as complex numbers, times exp(i w position)."""
    if frequencies is None:
        return row
    planes = [
        complex(row[2 * f], row[2 * f + 1]) * cmath.exp(1j * float(w) * position) for f, w in enumerate(frequencies)
    ]
    return [part for plane in planes for part in (plane.real, plane.imag)]


def ffn(x, sublayer):
    """act(beta h) / beta of every hidden unit, from the textbook formula of each activation."""
    formulas = {
        "softplus": lambda h: max(h, 0.0) + math.log1p(math.exp(-abs(h))),
        "relu": lambda h: h if h > 0 else 0.0,
        "sigmoid": lambda h: 1 / (1 + math.exp(-h)),
        "gelu": lambda h: h * math.erfc(-h / math.sqrt(2)) / 2,
        "silu": lambda h: h / (1 + math.exp(-h)),
        "tanh": lambda h: (math.exp(h) - math.exp(-h)) / (math.exp(h) + math.exp(-h)),
        "identity": lambda h: h,
        "floored log": lambda h: math.log(h) if h > 1e-300 else math.log(1e-300),
    }
    added = []
    for row in x:
        hidden = [h + float(b) for h, b in zip(times(row, sublayer.W_in), sublayer.b_in, strict=True)]
        hidden = [formulas[sublayer.activation](sublayer.beta * h) / sublayer.beta for h in hidden]
        added.append([o + float(b) for o, b in zip(times(hidden, sublayer.W_out), sublayer.b_out, strict=True)])
    return added


def mixture(x, sublayer):
    """What a mixture of experts adds to every token: of the kept experts, exp(score) / total times what each says."""
    said = [ffn(x, expert) for expert in sublayer.experts]
    added = []
    for i, row in enumerate(x):
        scores = [s + float(b) for s, b in zip(times(row, sublayer.gate.W), sublayer.gate.b, strict=True)]
        best = sorted(range(len(scores)), key=lambda k: (-scores[k], k))
        kept = best if sublayer.keep is None else best[: sublayer.keep]
        powers = {k: math.exp(scores[k] - max(scores)) for k in kept}
        added.append([sum(powers[k] / sum(powers.values()) * said[k][i][c] for k in kept) for c in range(len(row))])
    return added


def layer_norm(row, norm):
    """(x - mean) / sqrt(variance + epsilon) * gain + bias."""
    mean = sum(row) / len(row)
    variance = sum((value - mean) ** 2 for value in row) / len(row)
    scale = math.sqrt(variance + norm.epsilon)
    return [(value - mean) / scale * float(g) + float(b) for value, g, b in zip(row, norm.gain, norm.bias, strict=True)]


def code_matches(q, k):
    """All (i, j) where query code i and key code j score zero, ascending."""
    return [
        (i, j) for i in range(len(q)) for j in range(len(k)) if sum(a * b for a, b in zip(q[i], k[j], strict=True)) == 0
    ]


# ---------------------------------------------------------------- implicit graphs, attention as a posterior


def contracted_marginal(graph, name):
    """Marginal of one variable by multiplying tables and summing variables out, fewest new axes first."""
    tables = [([v.name for v in factor.variables], factor.table) for factor in graph.factors]
    left = [v.name for v in graph.variables if v.name != name]
    while left:
        width = {one: len({n for names, _ in tables if one in names for n in names}) for one in left}
        out = min(left, key=width.get)
        left.remove(out)
        touched = [entry for entry in tables if out in entry[0]]
        tables = [entry for entry in tables if out not in entry[0]]
        names, product = touched[0]
        for more, table in touched[1:]:
            both = names + [n for n in more if n not in names]
            product = np.einsum(
                product, [both.index(n) for n in names], table, [both.index(n) for n in more], range(len(both))
            )
            names = both
        axis = names.index(out)
        tables.append(([n for n in names if n != out], product.sum(axis)))
    result = np.ones(graph.variable(name).cardinality)
    for names, table in tables:
        result = result * (table if names else float(table))
    return result / result.sum()


def mixture_posterior_mean(queries, keys, values, seen):
    """E[value of a | query] by Bayes' rule: q | a is normal around key a, the prior of a is exp(|key|^2 / 2)."""
    out = []
    for q, allowed in zip(queries, seen, strict=True):
        weight = {}
        for a in allowed:
            density = math.prod(
                math.exp(-((x - m) ** 2) / 2) / math.sqrt(2 * math.pi) for x, m in zip(q, keys[a], strict=True)
            )
            weight[a] = math.exp(sum(m * m for m in keys[a]) / 2) * density
        total = sum(weight.values())
        out.append(sum(w / total * np.array(values[a]) for a, w in weight.items()))
    return np.array(out)


def mooij_kappen_radius(graph):
    """Spectral radius of the dense matrix over directed edges of a binary pairwise graph, entries tanh |J|."""
    edges = {}
    for factor in graph.factors:
        if len(factor.variables) == 2:
            a, b = (v.name for v in factor.variables)
            t = factor.table
            edges[a, b] = edges[b, a] = math.tanh(abs(math.log(t[0, 0] * t[1, 1] / (t[0, 1] * t[1, 0]))) / 4)
    names = list(edges)
    matrix = np.array([[edges[k] if other[1] == k[0] and other[0] != k[1] else 0.0 for other in names] for k in names])
    log_norm = 0.0  # radius = limit of |A^n| ^ (1/n), here n = 2^20, rescaled at every squaring
    for squaring in range(20):
        size = np.abs(matrix).max()
        if size == 0:
            return 0.0
        matrix = (matrix / size) @ (matrix / size)
        log_norm += math.log(size) / 2**squaring
    return math.exp(log_norm)


# ---------------------------------------------------------------- training


def adam(start, gradients, rates, matrix, decay=0.0, clip=None):
    """AdamW number by number: the numbers after all steps. matrix[i] says whether number i belongs to a matrix."""
    numbers = [float(w) for w in start]
    first, second = [0.0] * len(numbers), [0.0] * len(numbers)
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        length = math.sqrt(sum(g * g for g in gradient))
        shrink = clip / length if clip is not None and length > clip else 1.0
        for i, g in enumerate(gradient):
            first[i] = 0.9 * first[i] + 0.1 * g * shrink
            second[i] = 0.999 * second[i] + 0.001 * (g * shrink) ** 2
            towards = (first[i] / (1 - 0.9**step)) / (math.sqrt(second[i] / (1 - 0.999**step)) + 1e-8)
            numbers[i] -= rate * (towards + (decay * numbers[i] if matrix[i] else 0.0))
    return numbers


def mean_loss(kind, logits, targets, mask):
    """Losses by their textbook formulas, one entry after the other. mask: a weight for every term."""
    total = weight = 0.0
    for b in range(len(logits)):
        for t in range(len(logits[b])):
            z, target = [float(v) for v in logits[b][t]], targets[b][t]
            p = [1 / (1 + math.exp(-v)) for v in z]
            if kind == "cross_entropy":
                parts = sum(math.exp(v) for v in z)
                shares = [math.exp(v) / parts for v in z]
                wanted = target if np.ndim(target) else np.eye(len(z))[target]
                terms = [-sum(w * math.log(s) for w, s in zip(wanted, shares, strict=True))]
            elif kind == "squared_error":
                terms = [(a - b) ** 2 for a, b in zip(p, target, strict=True)]
            else:
                terms = [-b * math.log(a) - (1 - b) * math.log(1 - a) for a, b in zip(p, target, strict=True)]
            for term, m in zip(terms, np.atleast_1d(mask[b][t]), strict=True):
                total += float(m) * term
                weight += float(m)
    return total / weight


# ---------------------------------------------------------------- hidden Markov chains, in logarithms


def log_sum(terms):
    highest = max(terms)
    if highest == -math.inf:
        return highest
    return highest + math.log(math.fsum(math.exp(term - highest) for term in terms))


def log_of(table):
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(table, float)).tolist()


def hmm_logs(hmm, numbers):
    """Rows of ln p(x_t | y_1..y_t), of ln p(y_{t+1}..y_T | x_t) up to a constant, and the terms of ln p(y_1..y_T).

    ``numbers``: symbols, None where missing. Each row is shifted to sum (largest) 0, so that no digits are lost.
    """
    start, step, shows = log_of(hmm.initial), log_of(hmm.transition), log_of(hmm.emission)
    states = range(len(start))

    def shown(i, symbol):
        return 0.0 if symbol is None else shows[i][symbol]

    forwards, terms = [], []
    for symbol in numbers:
        if forwards:
            row = [log_sum([forwards[-1][i] + step[i][j] for i in states]) + shown(j, symbol) for j in states]
        else:
            row = [start[j] + shown(j, symbol) for j in states]
        terms.append(log_sum(row))
        forwards.append([one - terms[-1] for one in row])
    backwards = [[0.0 for _ in states]]
    for symbol in reversed(numbers[1:]):
        after = backwards[-1]
        row = [log_sum([step[i][j] + shown(j, symbol) + after[j] for j in states]) for i in states]
        backwards.append([one - max(row) for one in row])
    return forwards, backwards[::-1], terms


def hmm_filter(hmm, numbers):
    return np.exp(hmm_logs(hmm, numbers)[0])


def hmm_smooth(hmm, numbers):
    forwards, backwards, _ = hmm_logs(hmm, numbers)
    joint = [[a + b for a, b in zip(row, other, strict=True)] for row, other in zip(forwards, backwards, strict=True)]
    return np.array([[math.exp(one - log_sum(row)) for one in row] for row in joint])


def hmm_log_likelihood(hmm, numbers):
    return math.fsum(hmm_logs(hmm, numbers)[2])


def hmm_best(hmm, numbers):
    """The largest ln p(states, observed symbols), by trying every path."""
    start, step, shows = log_of(hmm.initial), log_of(hmm.transition), log_of(hmm.emission)
    scores = []
    for path in itertools.product(range(len(start)), repeat=len(numbers)):
        score = start[path[0]] + sum(step[i][j] for i, j in itertools.pairwise(path))
        scores.append(score + sum(shows[i][o] for i, o in zip(path, numbers, strict=True) if o is not None))
    return max(scores)
