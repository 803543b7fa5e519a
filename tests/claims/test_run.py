"""The ledger: every row holds, every decidable claim has rows, and each row turns red if what it rests on is broken."""

import functools
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bnt import BntError, cli, odds
from bnt.claims import constructions, ledger, render
from bnt.claims import run as claims
from bnt.claims.rows import depth as claims_depth
from bnt.claims.rows import generalising as claims_generalising
from bnt.claims.rows import generation as claims_generation
from bnt.claims.rows import knowledge as claims_knowledge
from bnt.claims.rows import logic as claims_logic
from bnt.claims.rows import loops as claims_loops
from bnt.compiler import general as compile_general
from bnt.compiler import mean_field as compile_mean_field
from bnt.compiler import pairwise as compile_pairwise
from bnt.compiler import tree_reweighted as compile_tree_reweighted
from bnt.generation import goals, sampling, temperature
from bnt.inference import belief_propagation, exact, spectral_bound
from bnt.knowledge import noisy_gates
from bnt.learned import cavity
from bnt.reading import implicit_graph, recovery
from bnt.sequences import filtering, turing
from bnt.transformer import activations, blocks
from bnt.transformer import forward as transformer
from bnt.variational import spanning
from tests.claims import mutations_encoders, mutations_learning, mutations_shapes, mutations_wind_tunnels

REPO = Path(__file__).resolve().parents[2]
IDS = [row.id for row in claims.LEDGER]
LESSONS = {
    "01_evidence_adds",
    "03_messages_on_trees",
    "04_loops_and_damping",
    "05_a_transformer_in_numpy",
    "06_attention_routes_messages",
    "07_the_ffn_updates_messages",
    "08_compile_a_network",
    "08b_general_networks",
    "09_read_the_weights",
    "10_and_or_and_depth",
    "11_knowledge_and_hallucination",
    "12_sequences_and_machines",
    "13_learning_to_infer",
    "14_wind_tunnels",
    "15_shape_of_belief",
    "16_other_attention",
    "17_experts_and_rotation",
    "18_worlds_and_wishes",
    "19_a_real_model",
}


@pytest.fixture(scope="module")
def results():
    return claims.run()


@pytest.mark.parametrize("id", IDS)
def test_row_holds(results, id):
    (result,) = [result for result in results if result.id == id]
    assert result.holds, result.measured
    assert result.measured
    assert "failed" not in result.measured


def test_rows_are_complete_and_unique():
    assert len(set(IDS)) == len(IDS)
    for row in claims.LEDGER:
        assert row.verdict in claims.VERDICTS
        assert row.lesson in LESSONS
        assert any(word in row.source for word in ("section", "Theorem", "Corollar", ledger.OURS, "(20"))
        if row.verdict == "exact under conditions":
            assert row.conditions


def test_every_decidable_claim_of_the_paper_has_rows():
    assert list(claims.PAPER_CLAIMS) == [
        *(f"P{i}" for i in range(1, 23)),
        "W1",
        "F1",
        "F3",
        "F2",
        "F4",
        "F5",
        "S1",
        "S2",
    ]
    for paper_claim in claims.PAPER_CLAIMS.values():
        assert set(paper_claim.rows) <= set(IDS)
        assert paper_claim.rows or paper_claim.undecided
    assert not claims.PAPER_CLAIMS["P22"].rows
    used = {row for paper_claim in claims.PAPER_CLAIMS.values() for row in paper_claim.rows}
    assert used == set(IDS)


def test_results_are_plain_json_with_the_promised_keys(results):
    keys = [
        "id",
        "claim",
        "source",
        "verdict",
        "how",
        "conditions",
        "rescue",
        "measured",
        "tolerance",
        "holds",
        "lesson",
    ]
    for result in json.loads(json.dumps([result._asdict() for result in results])):
        assert list(result) == keys
        assert isinstance(result["holds"], bool)


def test_text_names_every_row_and_what_failed(results):
    text = "\n".join(map(render.as_text, results))
    assert all(id in text for id in IDS)
    assert render.summary(results)[1] == "every check agrees with its verdict"
    broken = [results[0]._replace(holds=False), *results[1:]]
    assert render.as_text(broken[0]).startswith(f"FAILS  {IDS[0]}")
    assert render.summary(broken)[1] == f"the check contradicts the verdict of: {IDS[0]}"
    assert max(len(line) for line in text.splitlines()) <= 160


def test_a_check_that_breaks_counts_as_failed():
    row = claims.find_claim("routing-keys")
    broken = replace(row, check=lambda full: 1 / 0)
    result = broken.run()
    assert not result.holds
    assert "ZeroDivisionError" in result.measured


def test_a_theorem_that_rocq_has_not_accepted_counts_as_failed(monkeypatch):
    row = claims.find_claim("ffn-weights-forced")
    monkeypatch.setattr(ledger, "proved", lambda: {"Uniqueness.ffn_weights_are_forced": {}})
    result = row.run()
    assert not result.holds
    assert result.measured == "the check failed: Rocq's record has no Uniqueness.on_the_diagonal_nothing_is_forced"


def test_an_error_above_the_tolerance_counts_as_failed():
    how = ledger.MEASURED
    row = ledger.Claim("a", "b", "c", "exact", "d", lambda full: ledger.Outcome("", True, 1e-3), how, tolerance=1e-6)
    assert not row.run().holds


def test_unknown_rows_verdicts_and_missing_provers_are_one_sentence(monkeypatch):
    with pytest.raises(BntError, match="did you mean 'tree-depth'"):
        claims.run(ids=["tree-dept"])
    with pytest.raises(ValueError, match="unknown verdict"):
        ledger.claim("a", "b", source="c", verdict="true", how=ledger.MEASURED, lesson="d")
    with pytest.raises(BntError, match="no way of knowing 'rock'; did you mean 'rocq'"):
        claims.chosen(how="rock")
    with pytest.raises(BntError, match="no verdict 'flase'; did you mean 'false'"):
        claims.chosen(verdict="flase")
    monkeypatch.setattr(claims, "find_spec", lambda module: None if module == "z3" else object())
    with pytest.raises(BntError, match="missing: z3-solver"):
        claims.run(ids=["tree-depth"])


def test_the_command_prints_rows_as_they_finish_and_exits_by_what_holds(capsys, monkeypatch, tmp_path):
    rows = ["claims", "--id", "routing-keys", "--id", "tree-depth"]
    assert cli.main([*rows, "--json"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == ["routing-keys", "tree-depth"]
    assert (
        cli.main(["claims", "--id", "routing-keys", "--id", "tree-depth", "--how", "rocq", "--verdict", "exact"]) == 0
    )
    assert capsys.readouterr().out == "no row of the ledger has all that was asked for\n"
    assert cli.main(["claims", "--id", "routing-keys", "--id", "routing-keys", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1
    assert cli.main(["claims", "--html", str(tmp_path / "no folder" / "page.html")]) == 2
    assert capsys.readouterr().out == ""  # asked before any check runs
    monkeypatch.setattr(constructions, "routing_classes", lambda n, slots: {})
    assert cli.main([*rows, "--html", str(tmp_path / "page.html")]) == 1
    out = capsys.readouterr().out
    assert out.index("routing-keys: ") < out.index("tree-depth: ")
    assert "contradicts the verdict of: routing-keys" in out
    page = (tmp_path / "page.html").read_text()
    assert '<article id="tree-depth">' in page
    assert "the check contradicts this verdict" in page
    assert cli.main([*rows, "--html", str(tmp_path / "page.html")]) == 2
    said = capsys.readouterr()
    assert (said.out, "is there already" in said.err) == ("", True)
    assert (tmp_path / "page.html").read_text() == page


def test_a_page_is_safe_against_markup(results):
    page = render.as_page([results[0]._replace(claim="<script>x</script>")])
    assert "<script>" not in page
    assert "&lt;script&gt;x" in page


def test_every_row_says_how_it_is_known_and_names_theorems_that_were_proved():
    record = json.loads((Path(ledger.__file__).parents[1] / "data" / "proofs.json").read_text())
    for row in claims.LEDGER:
        assert row.how.kind in ledger.KINDS
        assert (row.how.kind == "rocq") == bool(row.how.theorems)
        assert set(row.how.theorems) <= set(record), row.id
        assert row.how.by or row.how.kind in ("counterexample", "measured", "symbolic"), row.id
        if row.verdict == "measured":
            assert row.how.kind in ("measured", "stored"), row.id
        if row.how.kind == "stored":
            program = row.how.by.removeprefix("python ").split()[0]
            assert (REPO / program).is_file(), row.id


def test_what_is_rescued_names_rows_that_are_there():
    for row in claims.LEDGER:
        for named in re.findall(r"\(rows? ([\w, -]+)\)", f"{row.rescue} {row.conditions}"):
            assert set(named.split(", ")) <= set(IDS), row.id


def test_the_record_of_the_full_ledger_is_of_these_rows():
    """docs/claims_full.py writes it; a row that changes its verdict must run there again."""
    record = (REPO / "docs" / "claims_full.txt").read_text(encoding="utf-8")
    head = record.splitlines()[0]
    minutes = re.match(r"bnt claims --full, [\d-]+: ([\d.]+) minutes, .* exit code 0$", head)
    assert minutes, head
    assert float(minutes[1]) < 10
    rows = re.findall(r"^holds  ([\w-]+): (.+)$", record, re.MULTILINE)
    assert rows == [(row.id, row.verdict.upper()) for row in claims.LEDGER]


def test_no_machine_path_or_workplace_leaks_into_the_ledger():
    for path in Path(claims.__file__).parent.rglob("*.py"):
        assert "/work" not in path.read_text()
        assert "THEORY" not in path.read_text()


# ---------------------------------------------------------------- mutations: what each row rests on, broken


def shifted(function, by=0.01):
    """The function with everything it returns moved a little."""
    return lambda *args, **options: function(*args, **options) + by


def soft(scores):
    """Softmax at half the sharpness."""
    weight = np.exp((scores - scores.max(axis=-1, keepdims=True)) / 2)
    return weight / weight.sum(axis=-1, keepdims=True)


def one_hot_softmax(scores):
    return (scores == scores.max(axis=-1, keepdims=True)).astype(float)


def right_score(wanted, own):
    return -(wanted - own) * (wanted - own)


def rounded_belief(p, q):
    return p * q


def correct_round(beliefs, neighbours):
    """Beliefs that stay as they are: no echo, no 2-cycle."""
    return np.array(beliefs)


def dependent_tokens(x, sublayer, patterns=False, _attend=transformer.attend_in_tiles):
    """Attention that knows a token's position, so that equal tokens differ."""
    added, weight = _attend(x, sublayer, patterns)
    return added + 0.01 * np.arange(len(x))[:, None], weight


def attends_twice(x, sublayer, patterns=False, _attend=blocks.attend):
    added, weight = _attend(x, sublayer, patterns)
    return 2 * added, weight


def swapped_units(self, attention, ffn, _init=recovery._Units.__init__):
    _init(self, attention, ffn)
    self.a, self.c = self.c, self.a


def linear_scores(scores):
    return scores


def always_damped(graph, _run=claims_loops.run_bp, **options):
    return _run(graph, **{**options, "damping": 0.9})


def always_right(graph, _run=claims_loops.run_bp, **options):
    """Belief propagation that knows the answer."""
    result = _run(graph, **options)
    result.__dict__["beliefs"] = exact.exact_marginals(graph).beliefs
    return result


def never_impossible(graph, _run=claims_logic.run_bp, **options):
    """Belief propagation whose zeros leak."""
    history = [{key: np.maximum(m, -600.0) for key, m in one.items()} for one in _run(graph, **options).history]
    return SimpleNamespace(history=history)


def one_by_one(gate, inputs):
    """A chain of gates instead of a tree."""
    return functools.reduce(gate, inputs), len(inputs) - 1


def coupled_wrongly(table, _binarised=constructions.binarised):
    hidden = _binarised(table)
    return hidden._replace(coupling=1.001 * hidden.coupling)


def for_long_tapes(machine, bits, _compile=turing.compile_machine):
    return _compile(machine, 9)


def small_machine(machine):
    return SimpleNamespace(model=SimpleNamespace(layers=2, width=16, size=2_500))


def all_uniform(name, seed, as_coded, _build=claims_loops.table_4_graph):
    return _build(name, seed, False)


def always_as_coded(name, seed, as_coded, _build=claims_loops.table_4_graph):
    return _build(name, seed, True)


def scaled_log_psi(function):
    def build(listed, layout, *rest):
        tokens = function(listed, layout, *rest)
        rows = layout.rows("configuration")
        tokens[rows, layout.column("log_psi")] *= 1.1
        return tokens

    return build


def wrong_marginals(*args, _exact=exact.exact_marginals, **options):
    result = _exact(*args, **options)
    flat = result.beliefs.flat + 1e-3 * (-1.0) ** np.arange(len(result.beliefs.flat))
    return result._replace(beliefs=type(result.beliefs)(result.beliefs.graph, flat))


def gates_not_scaled(read, gate, keep=None, _weights=blocks.gate_weights):
    """The kept weights as they were: they do not sum to one."""
    return np.where(_weights(read, gate, keep) > 0, _weights(read, gate), 0.0)


def mixes_probabilities(x, sublayer, _mix=blocks.mixture_feed_forward):
    """Experts' log odds made probabilities before they are mixed."""
    weight = blocks.gate_weights(x, sublayer.gate)
    said = np.array([odds.sigmoid(blocks.feed_forward(x, expert)) for expert in sublayer.experts])
    return odds.logit(np.einsum("nk,knd->nd", weight, said))


ROTARY = ("rope-routes-offsets", "rope-any-graph", "rope-grid-bp", "rope-everywhere")


def not_turned(columns, frequencies):
    """Queries and keys that know no position."""
    return columns


def mean_field_means(fields, couplings):
    """What mean field says in place of the exact means."""
    means = np.tanh(fields)
    for _ in range(50):
        means = np.tanh(fields + np.einsum("mij,mj->mi", couplings, means))
    return means


def all_ones(flat):
    """Edge weights of plain belief propagation."""
    return np.ones(len(flat.factor_index))


def blurred_table(parents, causes, base=0.0, _table=noisy_gates.noisy_or_table):
    return 0.9 * _table(parents, causes, base) + 0.05


def trained_on_all_names(cases, width, depth, seed, _train=claims_knowledge.train_by_name):
    return _train(cases, width, depth, seed, trained=12)


def backward_in_time(matrix, weights, _backward=goals._backward):
    """Messages along the arrows, not against them."""
    return _backward(matrix.T, weights)


def steered_by_the_backward_message(room, start, strength):
    return claims_generation.smoothed_future(room, claims_generation.walk()[1])


def the_power_itself(p, temperature, order=None, _law=temperature.temperature_law):
    found = _law(p, temperature, order)
    return found._replace(sampled=found.power, distance=0.0)


MUTATIONS = [
    ("index-matching", constructions, "index_score", right_score),
    ("rank-one-routing", constructions, "index_score", right_score),
    ("inconsistent-axioms", transformer, "attend_in_tiles", dependent_tokens),
    ("softmax-hard-routing", blocks, "softmax", one_hot_softmax),
    ("routing-codes", blocks, "softmax", soft),
    ("paper-round-on-trees", constructions, "paper_round", correct_round),
    ("paper-round-on-a-star", constructions, "update_belief", rounded_belief),
    ("two-variable-target", constructions, "paper_round", shifted(constructions.paper_round, 0.3)),
    ("compiled-round", compile_pairwise, "ROUTING", 8.0),
    ("one-set-of-weights", compile_pairwise, "bits_for", lambda count: max(3, count - 4)),
    ("general-round", compile_general, "general_tokens", scaled_log_psi(compile_general.general_tokens)),
    ("junction-tree-exact", compile_general, "general_tokens", scaled_log_psi(compile_general.general_tokens)),
    ("damping-is-a-weight", compile_pairwise, "erase", lambda name: []),
    ("tree-depth", compile_pairwise, "linear", lambda terms, targets: []),
    ("locality", compile_pairwise, "ROUTING", 8.0),
    ("exact-for-huge-potentials", belief_propagation, "largest_log", lambda graph: 0.0),
    ("alternation-is-pearl", compile_pairwise, "erase", lambda name: []),
    ("depth-lower-bound", claims_depth, "compile_doubling_filter", filtering.compile_filter),
    ("weighted-bp-by-definition", odds, "sigmoid", shifted(odds.sigmoid)),
    ("prior-and-likelihood-identified", blocks, "softmax", linear_scores),
    ("attention-pattern-forced", constructions, "slot_reading", lambda pattern, beliefs: beliefs[0]),
    ("sigmoid-unit-is-a-limit", odds, "sigmoid", shifted(odds.sigmoid, -0.1)),
    ("gather-is-and-on-supports", claims_logic, "run_bp", never_impossible),
    ("kary-gates-binarise", odds, "combine_in_pairs", one_by_one),
    ("positive-factors-binarise", constructions, "binarised", coupled_wrongly),
    ("one-set-of-weights-is-turing-complete", turing, "compile_machine", for_long_tapes),
    ("published-weights-simulate-circuits", constructions, "index_score", right_score),
    ("machines-size", claims_generalising.learned_machines, "MachineConfig", small_machine),
    ("implicit-graph-exists", exact, "exact_marginals", wrong_marginals),
    ("implicit-graph-log-odds", implicit_graph, "DIFFERENT", np.eye(2)),
    ("real-weights-are-potentials", implicit_graph.LayerReading, "integer", True),
    ("attention-posterior-mean", blocks, "softmax", soft),
    ("hidden-graph-recovered", recovery._Units, "__init__", swapped_units),
    ("ffn-weights-forced", odds, "update_belief", rounded_belief),
    ("attention-weights-forced", blocks, "softmax", linear_scores),
    ("sigmoid-unit-is-bp", constructions, "sigmoid", shifted(odds.sigmoid, -0.1)),
    ("moebius-sigmoid", constructions, "moebius_message", lambda p, psi: psi[0][1] * (1 - p) + psi[1][1] * p),
    ("raw-probability-ffn", odds, "update_belief", lambda p, q: (p + q) / 2),
    ("relu-compatible", activations.ACTIVATIONS, "relu", activations.ACTIVATIONS["silu"]),
    ("softplus-sharpness", activations.ACTIVATIONS, "softplus", activations.ACTIVATIONS["silu"]),
    ("gelu-silu", activations.ACTIVATIONS, "gelu", activations.ACTIVATIONS["softplus"]),
    ("update-belief-group", odds, "update_belief", rounded_belief),
    ("update-belief-is-and-or", odds, "update_belief", rounded_belief),
    ("attention-is-and", claims_logic, "attend", attends_twice),
    ("noisy-gates-in-one-head", claims_logic, "attend", attends_twice),
    ("kary-updates-binarise", odds, "update_belief", rounded_belief),
    ("kary-factors-binarise", claims_logic, "majority", lambda a, b, c: a),
    ("turing-machines", turing, "ROUTING", 0.5),
    ("behaviours-of-n-states", constructions, "behaviours", lambda n: [tuple(range(n))]),
    ("routing-keys", constructions, "routing_classes", lambda n, slots: dict.fromkeys(range(2 * n * n))),
    ("rules-ground", noisy_gates, "noisy_or_table", blurred_table),
    ("untrained-names", claims_knowledge, "train_by_name", trained_on_all_names),
    ("loopy-table-4", claims_loops, "table_4_graph", all_uniform),
    ("loopy-table-4-protocol", claims_loops, "table_4_graph", always_as_coded),
    ("loopy-table-4-convergence", spectral_bound, "dependence", lambda table, i, j: 1.0),
    ("mooij-kappen", spectral_bound, "dependence", lambda table, i, j: 0.3),
    ("loopy-converges", claims_loops, "run_bp", always_damped),
    ("converged-is-right", claims_loops, "run_bp", always_right),
    ("spin-glasses", claims_loops, "run_bp", always_damped),
    ("bethe-free-energy", claims_loops.BPResult, "log_z_bethe", 0.0),
    ("two-hallucinations", claims_loops, "run_bp", always_right),
    *((row, blocks, "rotate", not_turned) for row in ROTARY),
    ("moe-gate-is-posterior", blocks, "softmax", soft),
    ("moe-top-k", blocks, "gate_weights", gates_not_scaled),
    ("moe-log-odds", blocks, "mixture_feed_forward", mixes_probabilities),
    ("csi-leaves", compile_general, "levels", lambda layout, pool, level: ()),
    ("mean-field-layer", compile_mean_field, "NEVER", 0.0),
    ("trw-layer", compile_tree_reweighted, "spanning_tree_weights", all_ones),
    ("trw-bounds", spanning, "spanning_tree_weights", all_ones),
    ("trw-repairs", spanning, "spanning_tree_weights", all_ones),
    ("cavity-learned", cavity, "exact_means", mean_field_means),
    ("goal-is-h-transform", goals, "_backward", backward_in_time),
    ("goal-by-steering", claims_generation, "steered", steered_by_the_backward_message),
    ("temperature-is-bayes", temperature, "temperature_law", the_power_itself),
    ("bp-sampling", sampling, "run_bp", exact.exact_marginals),
    *mutations_learning.MUTATIONS,
    *mutations_wind_tunnels.MUTATIONS,
    *mutations_encoders.MUTATIONS,
    *mutations_shapes.MUTATIONS,
]


def test_every_row_has_a_mutation():
    assert sorted(row for row, *_ in MUTATIONS) == sorted(IDS)


@pytest.mark.parametrize(("row", "where", "name", "mutant"), MUTATIONS, ids=[row for row, *_ in MUTATIONS])
def test_a_broken_implementation_turns_the_row_red(monkeypatch, row, where, name, mutant):
    if isinstance(where, dict):
        monkeypatch.setitem(where, name, mutant)
    else:
        monkeypatch.setattr(where, name, mutant)
    result = claims.find_claim(row).run()
    assert not result.holds, f"still holds although {name} is broken: {result.measured}"


def test_a_lesson_quotes_verdict_claim_and_conditions() -> None:
    row = claims.find_claim("moebius-sigmoid")
    text = " ".join(claims.quote("index-matching", "moebius-sigmoid").split())
    assert text.startswith("FALSE [index-matching; arXiv:2603.17063")
    assert row.verdict.upper() in text
    assert row.claim in text
    assert f"condition: {row.conditions}" in text


def test_a_row_whose_check_fails_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constructions, "index_score", lambda wanted, k: -((wanted - k) * (wanted - k)))
    with pytest.raises(BntError, match="'index-matching' contradicts its verdict"):
        claims.quote("index-matching")
