"""The report of verify_model, and that it turns red when a weight or a token is wrong."""

import dataclasses

import numpy as np
import pytest

from bnt.compiler.compile import compile_graph
from bnt.compiler.verify import TOLERANCE, verify_model
from bnt.errors import BntError, UnsupportedModelError
from bnt.graph.factor_graph import Factor, FactorGraph
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals
from bnt.transformer.blocks import Attention, Weights
from tests import random_graphs

TRIANGLE = random_graphs.pairwise(1, 1.0, edges=[(0, 1), (1, 2), (2, 0)])
PATH = random_graphs.pairwise(2, 1.0, edges=[(0, 1), (1, 2), (2, 3)])


def test_fields_of_the_report():
    report = verify_model(compile_graph(PATH, {"x0": "s1"}))
    assert (report.construction, report.attention, report.status) == ("pairwise", "dense", "exact")
    assert (report.variables, report.tokens, report.layers, report.heads) == (4, 4 + 3 + 1, 3, 2)
    assert report.d_model == 10 + 4 * 2
    assert report.transformer_vs_exact <= 1e-15
    assert report.bp_vs_exact <= 1e-15
    text = str(report)
    assert "pairwise construction" in text
    assert "holds" in text
    assert "round" in text or report.worst_message is None


def test_wrong_arguments_are_named():
    with pytest.raises(BntError, match="must be a CompiledModel, not a FactorGraph; compile_graph"):
        verify_model(PATH)
    with pytest.raises(BntError, match=r"attention must be .*not 'sparse'"):
        verify_model(compile_graph(PATH), attention="sparse")


def test_a_loop_is_never_called_exact():
    report = verify_model(compile_graph(TRIANGLE))
    assert report.holds
    assert report.status == "approximate"
    assert report.bp_vs_exact > 1e-6
    assert report.transformer_vs_exact == pytest.approx(report.bp_vs_exact, abs=1e-9)
    assert verify_model(compile_graph(TRIANGLE, rounds=2)).status == "not converged"
    assert verify_model(compile_graph(TRIANGLE), exact=False).transformer_vs_exact is None


@pytest.mark.parametrize("column", ["theta", "a", "c", "d", "sink_score"])
def test_one_wrong_token_entry_is_found(column):
    model = compile_graph(TRIANGLE, rounds=5)
    tokens = model.tokens.copy()
    tokens[0, model.layout.position(column)] += 1e-6
    report = verify_model(dataclasses.replace(model, tokens=tokens))
    assert not report.holds
    assert "DOES NOT HOLD" in str(report)
    assert "round" in report.worst_message


@pytest.mark.parametrize("matrix", ["W_Q", "W_K", "W_V", "W_O"])
def test_one_wrong_weight_of_a_head_is_found(matrix):
    model = compile_graph(TRIANGLE, rounds=5)
    attention, ffn = model.weights.layers[0]
    changed = getattr(attention.heads[0], matrix).copy()
    place = tuple(np.argwhere(changed)[-1])
    changed[place] = changed[place] * 1.001 if matrix != "W_K" else 0.0
    heads = (dataclasses.replace(attention.heads[0], **{matrix: changed}), attention.heads[1])
    if matrix == "W_K":  # the column of a code bit: messages of other variables leak in
        heads[0].W_K[:, : heads[0].code] = 0.0
    layer = (Attention(heads), ffn)
    report = verify_model(dataclasses.replace(model, weights=Weights((layer,) * 6)), attention="dense")
    assert (matrix == "W_Q") or not report.holds
    if matrix == "W_Q":  # the last column carries the sink's own query alone; a code column is what matters
        changed = attention.heads[0].W_Q.copy()
        changed[:, 0] = 0.0
        heads = (dataclasses.replace(attention.heads[0], W_Q=changed), attention.heads[1])
        report = verify_model(dataclasses.replace(model, weights=Weights(((Attention(heads), ffn),) * 6)))
        assert not report.holds
    assert TOLERANCE == 1e-11


def test_beyond_the_floored_logarithm_nothing_is_called_exact_or_impossible():
    """Fields of 1e-320 against 1e-310 are ordinary to belief propagation, which adds logs; the floor is 1e-300."""
    a, b, c = random_graphs.variables([2, 2, 2])
    same = np.eye(2)
    fields = [Factor((a,), [1, 1e-160])] * 2 + [Factor((c,), [1e-155, 1])] * 2
    chain = FactorGraph([a, b, c], [Factor((a, b), same), Factor((b, c), same), *fields])
    assert run_bp(chain).status == "exact"
    assert run_bp(chain).beliefs.distance(exact_marginals(chain).beliefs) <= 1e-15
    with pytest.raises(UnsupportedModelError, match=r"beyond the general construction.*no state of 'x1' has mass"):
        verify_model(compile_graph(chain, construction="general"))


def test_a_transformer_that_differs_from_its_exact_belief_propagation_is_not_called_exact():
    model = compile_graph(PATH)
    assert verify_model(model).status == "exact"
    tokens = model.tokens.copy()
    tokens[0, model.layout.position("a")] += 1e-6
    assert verify_model(dataclasses.replace(model, tokens=tokens)).status == "approximate"
