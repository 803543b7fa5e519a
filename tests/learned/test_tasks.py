"""Generators of inference problems: every target against the library's exact marginals, which know nothing of them."""

import numpy as np
import pytest

from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.inference.exact import exact_marginals
from bnt.learned import tasks


def exact_row(graph, evidence):
    beliefs = exact_marginals(graph, evidence).beliefs
    return np.array([beliefs[v.name]["1"] for v in graph.variables])


def test_two_variables_in_both_encodings():
    tables = tasks.random_tables(20, np.random.default_rng(0))
    oriented, published = tasks.two_variables(tables), tasks.two_variables_as_published(tables)
    x = [Variable(name, ("0", "1")) for name in "ab"]
    for row in range(20):
        truth = exact_row(FactorGraph(x, [Factor((x[0], x[1]), tables[row])]), {})
        assert np.abs(oriented.targets[row, :, 0] - truth).max() < 1e-14
        assert np.abs(published.targets[row, [0, 2], 0] - truth).max() < 1e-14
    assert published.mask[0, :, 0].tolist() == [1, 0, 1]
    assert np.allclose(np.exp(oriented.inputs[3, 1]).reshape(2, 2), tables[3].T, atol=1e-15)  # rows: its own states
    assert np.allclose(published.inputs[3, 0, 1:5], published.inputs[3, 2, 1:5])


@pytest.mark.parametrize("share", [0.0, 1 / 3, 0.9])
@pytest.mark.parametrize(("sample", "encode"), [(tasks.random_chains, tasks.chain), (tasks.random_dates, tasks.dating)])
def test_targets_with_evidence_are_exact_posteriors(sample, encode, share):
    problems = sample(40, np.random.default_rng(1), share)
    encoded = encode(problems)
    for row in range(40):
        truth = exact_row(*problems.graph(row))
        assert np.abs(encoded.targets[row, :, 0] - truth).max() < 1e-14
        hidden = problems.observed[row] == tasks.UNOBSERVED
        assert (encoded.mask[row, :, 0] == hidden).all()
        assert hidden.any()
        assert (encoded.inputs[row, :, :2].sum(1) == ~hidden).all()


def test_evidence_is_drawn_from_the_joint():
    joint = np.broadcast_to(np.array([[0.1, 0.2], [0.3, 0.4]]), (40_000, 2, 2))
    observed = tasks.random_evidence(joint, 1.0, np.random.default_rng(2))
    assert ((observed == tasks.UNOBSERVED).sum(1) == 1).all()
    shown = observed[observed[:, 0] != tasks.UNOBSERVED, 0]
    assert abs(shown.mean() - 0.7) < 0.015  # four standard errors


def test_a_table_reaches_the_token_in_its_own_orientation():
    chains = tasks.random_chains(3, np.random.default_rng(3))
    inputs = np.exp(tasks.chain(chains).inputs[:, :, 2:10].reshape(3, 3, 2, 2, 2))
    assert np.allclose(inputs[:, 0, 1], chains.first, atol=1e-15)
    assert np.allclose(inputs[:, 1, 0], chains.first.transpose(0, 2, 1), atol=1e-15)
    assert np.allclose(inputs[:, 2, 0], chains.second.transpose(0, 2, 1), atol=1e-15)


def test_published_targets_are_no_posteriors():
    rng = np.random.default_rng(0)
    chains = tasks.random_chains(5000, rng, 0.0)
    error = np.abs(tasks.published_chain_targets(chains) - tasks.chain(chains).targets[..., 0]).mean()
    assert 0.10 < error < 0.13
    dates = tasks.random_dates(2000, rng, 0.0)
    assert np.abs(tasks.published_dating_targets(dates) - tasks.dating(dates).targets[..., 0]).max() < 1e-14
    shown = tasks.random_dates(2000, rng)
    encoded = tasks.dating(shown)
    assert encoded.mean_error(tasks.published_dating_targets(shown)[..., None]) > 0.03  # measured .041


def test_errors_and_baseline_count_only_what_is_asked():
    problems = tasks.Problems(np.zeros((1, 3, 1)), np.array([[[0.2], [0.9], [0.4]]]), np.array([[[1.0], [0.0], [1.0]]]))
    answers = np.array([[[0.3], [0.0], [0.4]]])
    assert problems.mean_error(answers) == pytest.approx(0.05)
    assert problems.largest_error(answers) == pytest.approx(0.1)
    assert problems.baseline == pytest.approx(0.1)
