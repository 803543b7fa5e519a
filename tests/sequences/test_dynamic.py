"""Dynamic Bayesian networks: the interface algorithm against the unrolled network, factored beliefs against numpy."""

import copy
import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from pgmpy.factors.discrete import TabularCPD
from pgmpy.inference import DBNInference
from pgmpy.models import DynamicBayesianNetwork

from bnt.errors import (
    BntError,
    EvidenceError,
    InconsistentEvidenceError,
    ModelError,
    TooLargeError,
    UnknownStateError,
    UnknownVariableError,
)
from bnt.graph.factor_graph import Factor, Variable
from bnt.inference.exact import exact_marginals
from bnt.sequences.dynamic import DynamicNetwork, filter_slices, previous, smooth_slices
from bnt.sequences.hmm import HMM, filter_states, log_likelihood, smooth_states
from tests import random_graphs


def random_network(seed, zeros=0.0):
    """2 or 3 variables of 2 or 3 states, random factors of any scale in a slice and between slices, loops included."""
    rng = np.random.default_rng(seed)
    names = random_graphs.variables(rng.integers(2, 4, int(rng.integers(2, 4))))

    def factor(scope):
        return random_graphs.random_factor(scope, rng, zeros)

    def some(pool, count):
        return [pool[i] for i in rng.choice(len(pool), count, replace=False)]

    first = [factor(some(names, int(rng.integers(1, 3)))) for _ in range(int(rng.integers(0, 3)))]
    within = [factor(some(names, 2)) for _ in range(int(rng.integers(0, 3)))]
    between = [
        factor([previous(v), *some(names, int(rng.integers(1, 3)))]) for v in some(names, int(rng.integers(1, 3)))
    ]
    if seed % 3 == 0:
        between.append(factor([previous(names[0]), previous(names[1]), names[-1]]))
    if seed % 4 == 0:
        between.append(factor([names[0]]))  # of every slice but the first
    return DynamicNetwork(names, first, within, between)


def random_evidence(network, length, seed):
    """Hard, soft and missing, by slice; and the same for the unrolled network."""
    rng = np.random.default_rng(seed)
    found, flat = [], {}
    for t in range(1, length + 1):
        seen = {}
        for variable in network.variables:
            draw = rng.random()
            if draw < 0.3:
                seen[variable.name] = str(rng.choice(variable.states))
            elif draw < 0.45:
                seen[variable.name] = rng.uniform(0.0, 1.0, variable.cardinality)
            if draw < 0.45:
                flat[f"{variable.name}@{t}"] = seen[variable.name]
            elif draw < 0.6:
                seen[variable.name] = [None, float("nan"), pd.NA][int(rng.integers(3))]
        found.append(seen)
    return found, flat


def worst_of(result, exact, slices):
    return max(
        np.abs(result.at(t).vector(name) - exact.beliefs.vector(f"{name}@{t}")).max()
        for t in slices
        for name in result.at(t)
    )


def test_filtering_and_smoothing_are_those_of_the_unrolled_network():
    worst, compared, impossible = 0.0, 0, 0
    for seed in range(40):
        network = random_network(seed, zeros=0.25 if seed % 5 == 0 else 0.0)
        length = 1 + seed % 5
        evidence, flat = random_evidence(network, length, seed)
        try:
            whole = exact_marginals(network.unroll(length), flat)
        except InconsistentEvidenceError:
            with pytest.raises(InconsistentEvidenceError, match=r"probability zero: slice \d"):
                smooth_slices(network, evidence)
            impossible += 1
            continue
        smoothed, filtered = smooth_slices(network, evidence), filter_slices(network, evidence)
        assert smoothed.status == filtered.status == "exact"
        worst = max(worst, worst_of(smoothed, whole, range(1, length + 1)))
        for t in range(1, length + 1):
            seen = {name: value for name, value in flat.items() if int(name.rpartition("@")[2]) <= t}
            part = exact_marginals(network.unroll(t), seen)
            worst = max(worst, worst_of(filtered, part, [t]))
            worst = max(worst, abs(filtered.log_likelihood[:t].sum() - part.log_z) / max(1.0, abs(part.log_z)))
            compared += 1
    assert worst <= 1e-10, worst  # measured: 1e-14
    assert compared > 80
    assert impossible >= 1


def test_a_hidden_markov_model_is_one():
    rng = np.random.default_rng(4)
    hmm = HMM(rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3), 3), rng.dirichlet(np.ones(2), 3))
    x, y = Variable("x", hmm.states), Variable("y", hmm.symbols)
    network = DynamicNetwork(
        [x, y], [Factor((x,), hmm.initial)], [Factor((x, y), hmm.emission)], [Factor((previous(x), x), hmm.transition)]
    )
    assert network.interface == ("x",)
    symbols = [None if rng.random() < 0.2 else str(rng.integers(2)) for _ in range(60)]
    evidence = [{"y": symbol} for symbol in symbols]
    assert np.abs(filter_slices(network, evidence)["x"] - filter_states(hmm, symbols)).max() <= 1e-13
    smoothed = smooth_slices(network, pd.DataFrame({"y": symbols}))
    assert np.abs(smoothed["x"] - smooth_states(hmm, symbols)).max() <= 1e-13
    assert smoothed.log_likelihood.sum() == pytest.approx(log_likelihood(hmm, symbols), abs=1e-11)


def coupled():
    """Two chains of pgmpy, the second listening to the first, with a sensor that both reach."""
    model = DynamicBayesianNetwork(
        [
            (("a", 0), ("a", 1)),
            (("b", 0), ("b", 1)),
            (("a", 0), ("b", 1)),
            (("a", 0), ("s", 0)),
            (("b", 0), ("s", 0)),
        ]
    )
    model.add_cpds(
        TabularCPD(("a", 0), 2, [[0.6], [0.4]]),
        TabularCPD(("b", 0), 2, [[0.3], [0.7]]),
        TabularCPD(("a", 1), 2, [[0.9, 0.2], [0.1, 0.8]], [("a", 0)], [2]),
        TabularCPD(("b", 1), 2, [[0.9, 0.6, 0.3, 0.1], [0.1, 0.4, 0.7, 0.9]], [("b", 0), ("a", 0)], [2, 2]),
        TabularCPD(("s", 0), 2, [[0.9, 0.6, 0.5, 0.1], [0.1, 0.4, 0.5, 0.9]], [("a", 0), ("b", 0)], [2, 2]),
    )
    return model


def test_pgmpy_s_dynamic_networks_are_answered_as_pgmpy_does():
    model = coupled()
    network = DynamicNetwork.from_pgmpy(model)
    assert network.interface == ("a", "b")
    assert (len(network.first), len(network.within), len(network.between)) == (2, 1, 2)
    seen = [0, 1, 1, 0, 1]
    filtered = filter_slices(network, [{"s": symbol} for symbol in seen])
    smoothed = smooth_slices(network, [{"s": symbol} for symbol in seen])
    model.initialize_initial_state()
    given = {("s", t): symbol for t, symbol in enumerate(seen)}
    again = DynamicNetwork.from_pgmpy(model)  # the sensor has a table of its own in slice 1 now
    assert np.abs(filter_slices(again, [{"s": symbol} for symbol in seen])["b"] - filtered["b"]).max() <= 1e-15
    theirs = DBNInference(model)
    for name in "ab":
        ahead = theirs.forward_inference([(name, 4)], given)[name, 4].values
        assert np.abs(filtered[name][4] - ahead).max() <= 1e-12
        back = theirs.backward_inference([(name, 2)], given)[name, 2].values
        assert np.abs(smoothed[name][2] - back).max() <= 1e-12


def agents(n=5, couple=0.9):
    """Two agents on a ring, jointly seen: b tends to follow a; a noisy sensor of a's place, and whether they meet."""
    joint = np.zeros((n, n, n, n))
    for a, b in itertools.product(range(n), repeat=2):
        for da, p in ((0, 0.5), (1, 0.3), (-1, 0.2)):
            for db in (0, 1, -1):
                joint[a, b, (a + da) % n, (b + db) % n] += p * (1 - couple) / 3
            towards = int(np.sign((a - b + n // 2) % n - n // 2))
            joint[a, b, (a + da) % n, (b + towards) % n] += p * couple
    place = 0.8 * np.eye(n) + 0.2 / (n - 1) * (1 - np.eye(n))
    meet = np.where(np.eye(n)[..., None] > 0, [0.1, 0.9], [0.9, 0.1])  # (a, b, no or yes)
    states = [str(i) for i in range(n)]
    a, b, seen = (Variable(name, states) for name in ("a", "b", "seen"))
    met = Variable("met", ("no", "yes"))
    network = DynamicNetwork(
        [a, b, seen, met],
        [],
        [Factor((a, seen), place), Factor((a, b, met), meet)],
        [Factor((previous(a), previous(b), a, b), joint)],
    )
    return network, joint, place, meet


def run_of_agents(joint, place, meet, length, seed):
    rng, n = np.random.default_rng(seed), len(place)
    state, symbols = int(rng.integers(n * n)), []
    for t in range(length):
        if t:
            state = int(rng.choice(n * n, p=joint[state // n, state % n].ravel()))
        symbols.append((int(rng.choice(n, p=place[state // n])), int(rng.random() < meet[state // n, state % n, 1])))
    return symbols


def test_factored_beliefs_are_those_of_boyen_and_koller_and_err_as_measured():
    """Plain numpy: predict the product of marginals, weigh by what is seen, take the marginals of that."""
    gaps = []
    for seed in range(3):
        network, joint, place, meet = agents()
        symbols = run_of_agents(joint, place, meet, 25, seed)
        evidence = [{"seen": o, "met": ("no", "yes")[m]} for o, m in symbols]
        factored = filter_slices(network, evidence, clusters=[["a"], ["b"]])
        exact = filter_slices(network, evidence, clusters=[["a", "b"]])
        assert (factored.status, exact.status) == ("approximate", "exact")
        belief = np.full((5, 5), 1 / 25)
        for t, (o, m) in enumerate(symbols):
            if t:
                belief = np.einsum("a,b,abcd->cd", belief.sum(1), belief.sum(0), joint)
            belief = belief * place[:, [o]] * meet[:, :, m]
            belief /= belief.sum()
            assert np.abs(factored["a"][t] - belief.sum(1)).max() <= 1e-13
            assert np.abs(factored["b"][t] - belief.sum(0)).max() <= 1e-13
        gap = factored.total_variation(exact)
        assert gap.shape == (25, 4)
        gaps.append(gap[:, :2].max(axis=1))
    assert 0.005 < np.mean(gaps) < 0.08
    assert np.max(gaps) > 0.05


def test_factored_beliefs_of_chains_that_never_meet_are_exact():
    rng = np.random.default_rng(0)
    one, two = random_graphs.variables([3, 2])
    network = DynamicNetwork(
        [one, two],
        [Factor((one,), rng.random(3)), Factor((two,), rng.random(2))],
        [],
        [Factor((previous(v), v), rng.random((v.cardinality,) * 2)) for v in (one, two)],
    )
    evidence, _ = random_evidence(network, 30, 1)
    factored = filter_slices(network, evidence, clusters=[["x1"], ["x0"]])
    assert factored.total_variation(filter_slices(network, evidence)).max() <= 1e-14


def small():
    x, y = Variable("x", ("no", "yes")), Variable("y", ("off", "on"))
    return DynamicNetwork(
        [x, y],
        [Factor((x,), [0.5, 0.5])],
        [Factor((x, y), [[1.0, 0.0], [0.2, 0.8]])],
        [Factor((previous(x), x), [[0.9, 0.1], [0.0, 1.0]])],
    )


def test_empty_slices_predict():
    result = filter_slices(small(), [{"x": "no"}, {}, {}])
    assert np.abs(result["x"][:, 0] - [1.0, 0.9, 0.81]).max() <= 1e-15
    assert np.abs(np.exp(result.log_likelihood) - [0.5, 1.0, 1.0]).max() <= 1e-15
    frame = result.to_frame()
    assert list(frame.columns) == ["slice", "variable", "state", "probability"]
    assert len(frame) == 12
    assert "exact" in result._repr_html_()
    assert "interface x" in small()._repr_html_()
    assert result.at(2)["x"]["yes"] == pytest.approx(0.1, abs=1e-15)


def test_soft_evidence_that_leaves_one_state_keeps_its_weight():
    result = filter_slices(small(), [{"x": [0.25, 0.0]}, {"y": {"off": 0.0, "on": 3.0}}])
    assert np.abs(np.exp(result.log_likelihood) - [0.125, 3 * 0.1 * 0.8]).max() <= 1e-15


@pytest.mark.parametrize(
    ("evidence", "error", "says"),
    [
        ([{"x": "no"}, {"x": "maybe"}], UnknownStateError, "slice 2: 'maybe' is no state of variable 'x'"),
        ([{"q": "no"}], UnknownVariableError, "slice 1: 'q' is no variable"),
        ([{"previous x": "no"}], UnknownVariableError, "slice 1: 'previous x' is no variable"),
        ([{"x": "no"}, 3], EvidenceError, "slice 2: evidence must be a mapping"),
        ([], EvidenceError, "there is no slice; give one mapping per slice"),
        ({"x": "no"}, EvidenceError, "evidence must be a sequence of mappings, one per slice, not the dict"),
        ([{"x": "yes"}, {}, {"x": "no"}], InconsistentEvidenceError, "slice 3, x=no, is impossible after the earlier"),
        ([{"x": "no", "y": "on"}], InconsistentEvidenceError, "slice 1, x=no, y=on, is impossible$"),
    ],
)
def test_wrong_evidence_is_named_with_its_slice(evidence, error, says):
    for ask in (filter_slices, smooth_slices):
        with pytest.raises(error, match=says):
            ask(small(), evidence)


@pytest.mark.parametrize(
    ("clusters", "says"),
    [
        ([["x"], ["x"]], "clusters: 'x' stands twice"),
        ([["y"]], "clusters: 'y' is not in the interface; valid: x"),
        ([], "clusters: x is missing; each name"),
        ([["x"], []], "an empty group"),
        ("x", "clusters must be a sequence of lists of names"),
    ],
)
def test_clusters_partition_the_interface(clusters, says):
    with pytest.raises(BntError, match=says):
        filter_slices(small(), [{}], clusters=clusters)


def test_wrong_networks_are_named():
    x, y = small().variables
    with pytest.raises(ModelError, match="no factor joins a slice to the one before"):
        DynamicNetwork([x], [], [], [Factor((x,), [1, 2])])
    with pytest.raises(ModelError, match="'previous x' is no variable of this graph"):
        DynamicNetwork([x], [], [Factor((previous(x), x), np.ones((2, 2)))], [])
    with pytest.raises(ModelError, match="'previous ' marks the slice before"):
        DynamicNetwork([previous(x)], [], [], [])
    with pytest.raises(ModelError, match=r"must be a DynamicNetwork, not an HMM; DynamicNetwork\("):
        filter_slices(HMM([1], [[1]], [[1]]), [{}])
    with pytest.raises(ModelError, match="same number of slices"):
        filter_slices(small(), [{}]).total_variation(filter_slices(small(), [{}, {}]))
    with pytest.raises(TooLargeError, match="the interface x has 2 joint states: 16 bytes; the limit is 8 bytes"):
        filter_slices(small(), [{}], memory_limit=8)
    with pytest.raises(BntError, match="the slice must be a whole number from 1 to 1"):
        filter_slices(small(), [{}]).at(0)
    with pytest.raises(ModelError, match="expected a pgmpy DynamicBayesianNetwork"):
        DynamicNetwork.from_pgmpy(small())
    model = coupled()
    model.remove_cpds(("b", 1))
    with pytest.raises(ModelError, match="no CPD for 'b' in slice 1"):
        DynamicNetwork.from_pgmpy(model)
    assert y.name == "y"


def test_copies_answer_the_same():
    evidence = [{"y": "on"}, {}]
    expected = filter_slices(small(), evidence)["x"]
    for twin in (copy.deepcopy(small()), pickle.loads(pickle.dumps(small()))):
        assert (filter_slices(twin, evidence)["x"] == expected).all()
