"""Built-in networks against the published files and independent formulas; names and paths."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt.errors import BntError, FormatError, ModelError
from bnt.graph import networks
from bnt.graph.bif import read_bif
from tests import naive

DIRECTED = ["sprinkler", "asia", "cancer", "earthquake", "survey", "dating"]
UNDIRECTED = ["chain", "star", "grid", "random_tree"]


def joint(graph) -> np.ndarray:
    """The normalised joint table by einsum over all factors: nothing shared with the library's inference."""
    operands = [
        part for factor, scope in zip(graph.factors, graph.scopes, strict=True) for part in (factor.table, scope)
    ]
    table = np.einsum(*operands, list(range(len(graph.variables))), optimize=True)
    return table / table.sum()


def marginal(graph, name: str, **given: str) -> dict[str, float]:
    table = joint(graph)
    for other, state in given.items():
        i = graph.position(other)
        table = np.take(table, [graph.variables[i].state_index(state)], axis=i)
    i = graph.position(name)
    values = table.sum(axis=tuple(a for a in range(table.ndim) if a != i)) / table.sum()
    return dict(zip(graph.variables[i].states, values.tolist(), strict=False))


def test_the_names_that_are_promised():
    assert list(networks.BUILT_IN) == DIRECTED + UNDIRECTED


@pytest.mark.parametrize("name", ["asia", "cancer", "earthquake", "survey"])
def test_equal_to_the_repository_file(name, benchmark_networks):
    ours, theirs = networks.BUILT_IN[name](), read_bif(benchmark_networks / f"{name}.bif.gz")
    assert list(ours.states.items()) == list(theirs.states.items())
    assert ours.parents == theirs.parents
    for variable, table in theirs.tables.items():
        np.testing.assert_array_equal(ours.tables[variable], table)


# Published answers, to the digits of the source.
def test_sprinkler_as_in_the_textbook():
    # Russell and Norvig, section 14.5: P(rain | sprinkler) = (0.3, 0.7)
    graph = networks.load_graph("sprinkler")
    assert marginal(graph, "rain", sprinkler="yes")["yes"] == pytest.approx(0.3, abs=1e-12)
    # Murphy's Bayes Net Toolbox page on the same tables: P(sprinkler | wet) = .4298, P(rain | wet) = .7079
    assert marginal(graph, "sprinkler", wet_grass="yes")["yes"] == pytest.approx(0.4298, abs=5e-5)
    assert marginal(graph, "rain", wet_grass="yes")["yes"] == pytest.approx(0.7079, abs=5e-5)


def test_asia_as_published():
    # Lauritzen and Spiegelhalter 1988: P(tuberculosis) = 1.04 %, lung cancer 5.5 %, bronchitis 45 %, either 6.4828 %
    graph = networks.load_graph("asia")
    published = {"tub": 0.0104, "lung": 0.055, "bronc": 0.45, "either": 0.064828}
    for name, value in published.items():
        assert marginal(graph, name)["yes"] == pytest.approx(value, abs=1e-12)


def test_dating_by_hand():
    graph = networks.load_graph("dating")
    likes = 1 - 0.7 * 0.4
    assert marginal(graph, "jack_likes_jill")["yes"] == pytest.approx(likes, abs=1e-12)
    assert marginal(graph, "date")["yes"] == pytest.approx(likes * 0.4, abs=1e-12)
    assert marginal(graph, "lonely_jack", jack_likes_jill="yes")["yes"] == pytest.approx(0.3 / likes, abs=1e-12)
    assert marginal(graph, "date", jack_likes_jill="no")["yes"] == 0.0
    gates = {one for factor in graph.factors for one in factor.table.ravel().tolist() if factor.table.ndim == 3}
    assert gates == {0.0, 1.0}


def is_forest(graph) -> bool:
    pairs = [scope for scope in graph.scopes if len(scope) == 2]
    root = list(range(len(graph.variables)))

    def find(i: int) -> int:
        return i if root[i] == i else find(root[i])

    for i, j in pairs:
        if find(i) == find(j):
            return False
        root[find(i)] = find(j)
    return True


@given(st.integers(1, 12), st.integers(0, 1000))
def test_ising_networks_have_their_shape(size, seed):
    for build in (networks.chain, networks.star, networks.random_tree):
        graph = build(size, seed=seed)
        assert is_forest(graph)
        assert sum(len(scope) == 2 for scope in graph.scopes) == len(graph.variables) - 1
    grid = networks.grid(size, 3, seed=seed)
    assert len(grid.variables) == 3 * size
    assert sum(len(scope) == 2 for scope in grid.scopes) == 2 * size + 3 * (size - 1)
    assert all(grid.index[f"x{r}_{c}"] == 3 * r + c for r in range(size) for c in range(3))


def test_random_trees_differ_in_shape():
    # the third variable hangs from either of the first two with probability 1/2: 100 draws, 5 standard deviations
    hangs_from_first = sum(networks.random_tree(3, seed=s).scopes[-1] == (0, 2) for s in range(100))
    assert 25 <= hangs_from_first <= 75


def test_ising_tables_follow_the_stated_convention():
    graph = networks.chain(2, coupling=0.7, field=0.3)
    s = np.array([-1, 1])
    expected = np.exp(0.7 * np.outer(s, s)) * np.outer(np.exp([0, 0.3]), np.exp([0, 0.3]))
    np.testing.assert_allclose(joint(graph), expected / expected.sum(), rtol=1e-14)


def test_a_seed_draws_a_spin_glass_and_repeats():
    couplings = [networks.grid(30, 30, coupling=2.0, field=0.0, seed=s).factors for s in (0, 0, 1)]
    values = [np.array([factor.log_table[0, 0] for factor in factors]) for factors in couplings]
    np.testing.assert_array_equal(values[0], values[1])
    assert (values[0] != values[2]).all()
    assert values[0].std() == pytest.approx(2.0, rel=0.1)
    assert {len(networks.chain(5, field=0.0).factors), len(networks.chain(5).factors)} == {4, 9}


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "3"])
def test_sizes_must_be_whole_and_positive(wrong):
    for build in (networks.chain, networks.star, networks.grid, networks.random_tree):
        with pytest.raises(ModelError, match="whole number of at least 1"):
            build(wrong)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"edges": [(0, 2)]}, r"two different positions, 0 to 1, not \(0, 2\)"),
        ({"edges": [(0, -1)]}, "two different positions"),
        ({"edges": [(1, 1)]}, "two different positions"),
        ({"edges": [("a", "b")]}, "two different positions"),
        ({"edges": [0]}, "two different positions"),
        ({"coupling": "x"}, "coupling and field must be finite numbers, not 'x' and 0.2"),
        ({"field": np.nan}, "coupling and field must be finite numbers"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"seed": "x"}, "seed must be"),
        ({"names": "ab"}, "names must be a sequence"),
    ],
)
def test_what_is_no_ising_model_is_named(options, says):
    with pytest.raises(ModelError, match=says):
        networks.ising(**{"names": ["a", "b"], "edges": [(0, 1)], **options})


@pytest.mark.parametrize("wrong", [None, 3, b"asia", ["asia"]])
def test_what_is_no_name_is_told_so(wrong):
    for load in (networks.load_network, networks.load_graph):
        with pytest.raises(BntError, match="by its name or the path"):
            load(wrong)


@pytest.mark.parametrize("name", DIRECTED + UNDIRECTED)
def test_load_network_gives_valid_pgmpy_models_with_the_same_tables(name):
    from pgmpy.models import DiscreteBayesianNetwork, DiscreteMarkovNetwork

    model = networks.load_network(name)
    assert type(model) is (DiscreteBayesianNetwork if name in DIRECTED else DiscreteMarkovNetwork)
    assert model.check_model()
    back, graph = type(networks.load_graph(name)).from_pgmpy(model), networks.load_graph(name)
    assert back.variables == graph.variables
    for one, other in zip(back.factors, graph.factors, strict=True):
        assert one.variables == other.variables
        np.testing.assert_allclose(one.table, other.table, rtol=1e-15)


@pytest.mark.parametrize("name", ["random-tree", "Random_Tree", " random_tree "])
def test_names_are_tolerant(name):
    assert len(networks.load_graph(name).variables) == 8


def test_unknown_name_lists_the_valid_ones():
    with pytest.raises(BntError, match="'asai', and no file; did you mean 'asia'") as caught:
        networks.load_graph("asai")
    assert all(name in str(caught.value) for name in networks.BUILT_IN)
    with pytest.raises(BntError, match="''"):
        networks.load_graph("")


@pytest.mark.parametrize("path", ["none.bif", "none.bif.gz", "./asia", "no/such", "a\0b.bif", "x" * 300 + ".bif"])
def test_paths_that_do_not_exist(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=r"no such file|cannot be read"):
        networks.load_graph(path)


def test_paths_of_every_kind(tmp_path, monkeypatch):
    from bnt.graph.bif import write_bif

    monkeypatch.chdir(tmp_path)
    for name in ("asia", "net.txt", "net.bif", "net.bif.gz"):
        write_bif(networks.shipped("cancer"), tmp_path / name)
    for path in ("./asia", "net.txt", "net.bif", "net.bif.gz", tmp_path / "asia", tmp_path / "net.bif"):
        assert networks.load_graph(path).variables[0].name == "Pollution"
    assert networks.load_graph("asia").variables[0].name == "asia"  # a built-in name wins over a file


STEMS = "alarm andes asia cancer child earthquake hailfinder hepar2 insurance munin1 pigs sachs survey"


@pytest.mark.parametrize("stem", STEMS.split())
def test_all_thirteen_benchmark_networks_load_both_ways(stem, benchmark_networks):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*renormalised")
        graph = networks.load_graph(benchmark_networks / f"{stem}.bif.gz")
        model = networks.load_network(str(benchmark_networks / f"{stem}.bif.gz"))
    assert model.check_model()
    assert list(model.nodes()) == [variable.name for variable in graph.variables]
    again = graph.from_pgmpy(model)
    for one, other in zip(graph.factors, again.factors, strict=True):
        assert one.variables == other.variables
        np.testing.assert_array_equal(one.log_table, other.log_table)


def test_a_noisy_image_weighs_pictures_as_it_says():
    seen = np.array([[0, 1, 1], [1, 0, 1]])
    weights = naive.joint(networks.noisy_image(seen, 0.4, 0.15))
    for picture, weight in weights.items():
        ink = np.array(picture, dtype=int).reshape(2, 3)
        s = 2 * ink - 1
        agree = (s[:, 1:] * s[:, :-1]).sum() + (s[1:] * s[:-1]).sum()
        by_hand = np.where(ink == seen, 0.85, 0.15).prod() * np.exp(0.4 * agree)
        assert weight == pytest.approx(by_hand, rel=1e-12)


def test_what_is_no_picture_is_one_sentence():
    with pytest.raises(BntError, match=r"rows and columns, not the shape \(3,\)"):
        networks.noisy_image([0, 1, 0], 0.4, 0.1)
    with pytest.raises(BntError, match="noise must be between 0 and 1, not '0"):
        networks.noisy_image(np.zeros((2, 2)), 0.4, "0.1")
    with pytest.raises(BntError, match="noise must be between 0 and 1"):
        networks.noisy_image([[0, 1]], 0.4, 0.0)
