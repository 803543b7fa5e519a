"""Ledger rows about a trained language model, all-MiniLM-L6-v2: what its heads are, and what they are not.

The figures of the model are read from the stored record of experiments/real_model.py, which has its weights installed;
the theorem about priors is sampled here, and run on the tiny encoder that ships.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bnt.claims.ledger import OURS, How, Outcome, claim
from bnt.knowledge.calibration import calibration_of
from bnt.reading import trained_heads
from bnt.reading.implicit_graph import extract_graph, posterior_mean
from bnt.stored import FOLDER, load_experiment
from bnt.transformer.blocks import softmax
from bnt.transformer.encoders import load_encoder

LESSON = "19_a_real_model"
STORED = How("stored", "python experiments/real_model.py")
TRAINED_SCALE = 20  # of cosines before the softmax: the default of the loss for such encoders; MiniLM's card names none
MODEL = "all-MiniLM-L6-v2: 6 layers of 12 heads, English"


def mean_of(rows: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([row[key] for row in rows]))


def top_answers(similarity: Any, scale: float) -> tuple[Any, Any]:
    """(probability of the most probable answer, whether it is the right one) of each question; right: the diagonal."""
    p = softmax(scale * np.asarray(similarity, dtype=float))
    return p.max(axis=1), (p.argmax(axis=1) == np.arange(len(p))).astype(float)


@claim(
    "any-prior-fits",
    "of a head with at most d_k + 1 keys in general position, every positive prior agrees with the attention",
    source=OURS,
    verdict="exact under conditions",
    conditions="the vectors (key, 1) are linearly independent; one vector is added to all keys, and the likelihood "
    "takes up what the prior loses",
    tolerance=1e-8,
    how=How("theorem", "n linear equations in d_k + 1 unknowns; proof in the lesson"),
    lesson=LESSON,
)
def any_prior_fits(full: bool) -> Outcome:
    rng, off, moved = np.random.default_rng(0), 0.0, 0.0
    for _ in range(500 if full else 60):
        d_k = int(rng.integers(1, 9))
        n = int(rng.integers(2, d_k + 2))
        keys, queries, wanted = rng.normal(size=(n, d_k)), rng.normal(size=(4, d_k)), rng.dirichlet(np.full(n, 2.0))
        if not (wanted > 0).all():
            continue
        added = trained_heads.any_prior(keys, wanted)
        off = max(off, float(np.abs(softmax((keys + added) ** 2 @ np.ones(d_k) / 2) - wanted).max()))
        moved = max(moved, float(np.abs(softmax(queries @ (keys + added).T) - softmax(queries @ keys.T)).max()))
    encoder = load_encoder(FOLDER / "tiny_encoder")
    stream = encoder.embed("cloud rain puddle the boot")
    head = encoder.weights.layers[1][0].heads[0]  # type: ignore[union-attr]
    wanted = rng.dirichlet(np.ones(len(stream)))
    other = posterior_mean(stream, trained_heads.shift_keys(head, trained_heads.any_prior(head.keys(stream), wanted)))
    off = max(off, float(np.abs(np.exp(other.log_prior[0]) - wanted).max()))
    moved = max(moved, float(np.abs(other.posterior - posterior_mean(stream, head).posterior).max()))
    real = load_experiment("real_model")["shifts"]
    return Outcome(
        f"random heads and one of the tiny encoder: prior met within {off:.0e}, attention within {moved:.0e}; MiniLM, "
        f"all 72 heads on 22 tokens (stored): {real['any_prior_off']:.0e} and {real['any_prior_attention']:.0e}",
        real["any_prior_off"] < 1e-9 and real["any_prior_attention"] < 1e-9,
        max(off, moved),
    )


@claim(
    "trained-heads-route",
    "the heads of a trained encoder route: each query reads one token, as belief propagation's would",
    source="arXiv:2603.17063, section 6.2, edges from attention patterns",
    verdict="false",
    conditions=f"{MODEL}; eight sentences; one token means more than .99 of the weight",
    rescue="one does: a head reads the token before with .975 to .9999 of its weight, on each of the eight",
    how=STORED,
    lesson=LESSON,
)
def trained_heads_route(full: bool) -> Outcome:
    record = load_experiment("real_model")
    spread = [mean_of([row for row in record["heads"] if row["layer"] == i], "effective_tokens") for i in range(6)]
    before = [row["layer 0 head 2"] for row in record["by_sentence"]]
    least = min(weight for _, weight in before)
    return Outcome(
        f"{100 * record['sharp_rows']:.1f} % of all rows; effective tokens by layer "
        f"{', '.join(f'{x:.1f}' for x in spread)} of {len(record['tokens'])}; layer 0 head 2 reads the token before "
        f"with at least {least:.3f}",
        record["sharp_rows"] < 0.05 and {offset for offset, _ in before} == {-1} and least > 0.97,
    )


@claim(
    "attention-weight-is-influence",
    "where a head puts its weight, there it gets what it writes",
    source=OURS,
    verdict="false",
    conditions=f"{MODEL}; the marks at both ends of eight sentences, layers 1 to 4; shares of the lengths |weight "
    "x value|",
    rescue="before training it is so: of random weights both shares are those of two tokens among all",
    how=STORED,
    lesson=LESSON,
)
def weight_is_influence(full: bool) -> Outcome:
    record = load_experiment("real_model")
    rows = record["by_sentence"]
    weight, written = ([row[key] for row in rows] for key in ("on_sinks", "from_sinks"))
    even = [2 / row["tokens"] for row in rows]
    control = mean_of(record["control"], "on_sinks"), mean_of(record["control"], "from_sinks")
    return Outcome(
        f"{100 * min(weight):.0f} to {100 * max(weight):.0f} % of the weight on the marks, {100 * min(written):.0f} to "
        f"{100 * max(written):.0f} % of what is written from them, each time less than the share of two tokens among "
        f"all; random weights: {100 * control[0]:.0f} % and {100 * control[1]:.0f} %",
        min(weight) > 0.4
        and all(mine < share for mine, share in zip(written, even, strict=True))
        and abs(control[0] - control[1]) < 0.02,
    )


@claim(
    "trained-encoder-has-a-graph",
    "this project's readings find a factor graph in the weights of a trained encoder",
    source="arXiv:2603.17063, section 6, Theorem 1.1",
    verdict="false",
    conditions=f"{MODEL}, and the tiny encoder; extract_graph looks for log-odds layers. That no other reading finds "
    "one is not shown, and 'some graph exists' is no reading",
    rescue="each attention head is a posterior mean, which holds for random weights as well",
    how=STORED,
    lesson=LESSON,
)
def trained_encoder_has_a_graph(full: bool) -> Outcome:
    record = load_experiment("real_model")
    graph, worst = record["graph"], max(row["reading_error"] for row in record["heads"])
    control = max(row["reading_error"] for row in record["control"])
    encoder = load_encoder(FOLDER / "tiny_encoder")
    tiny = extract_graph(encoder.weights, encoder.embed("cloud rain"))
    read = sum(layer is not None for layer in tiny.layers)
    return Outcome(
        f"layers with a graph: {graph['layers_with_a_graph']} of 6, of the tiny encoder {read} of 2 ({tiny.kind}); "
        f"posterior means: 72 of 72 within {worst:.0e}, random weights within {control:.0e}",
        graph["layers_with_a_graph"] == 0 and read == 0 and worst < 1e-12 and control < 1e-12,
    )


@claim(
    "sentence-posterior-is-calibrated",
    "the probabilities of a trained encoder are about as sure as they are right, where the question has an answer",
    source=OURS,
    verdict="measured",
    conditions=f"all-MiniLM-L6-v2; softmax of {TRAINED_SCALE} x cosine, the default of the loss for such encoders (its "
    "card names no scale), over 48 answers to 48 questions of our own; right 52 % of the "
    "time, with a standard error of 7 %",
    how=STORED,
    lesson=LESSON,
)
def sentence_posterior_is_calibrated(full: bool) -> Outcome:
    similarity = load_experiment("real_model")["similarity"]
    found = {}
    for scale in (10, TRAINED_SCALE, 40):
        stated, right = top_answers(similarity, scale)
        found[scale] = float(stated.mean()), float(right.mean()), calibration_of(stated, right, bins=4).ece
    stated_at, right_at, ece = found[TRAINED_SCALE]
    doubt = float(np.sqrt(right_at * (1 - right_at) / len(similarity)))
    text = ", ".join(f"scale {s}: {p:.2f} stated, ECE {e:.2f}" for s, (p, _, e) in found.items())
    return Outcome(
        f"right {right_at:.2f} (standard error {doubt:.2f}); {text}",
        abs(stated_at - right_at) < 2 * doubt and ece < min(found[10][2], found[40][2]) / 2,
    )
