"""Trained encoders of BERT's kind, read from their files into stock ``Weights``: no torch, no network.

A folder holds ``config.json``, ``model.safetensors`` and, if text is to be read, ``tokenizer.json``. Every layer
becomes two sublayers, attention and FFN, each with its LayerNorm after the sum. The temperature 1/sqrt(d_k) goes into
W_Q and b_Q. Numbers are float64, whatever the file holds. Safetensors and tokenizers: ``pip install "bnt[encoder]"``.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bnt.checks import in_order, is_real, need
from bnt.display import card, counted
from bnt.errors import BntError, FormatError, UnsupportedModelError
from bnt.transformer.blocks import FFN, Array, Attention, Head, Layer, LayerNorm, Weights
from bnt.transformer.forward import Trace, forward

ACTIVATION_OF = {"gelu": "gelu", "relu": "relu", "silu": "silu", "swish": "silu", "tanh": "tanh"}  # by the file's name
PREFIXES = ("", "bert.", "model.", "0.auto_model.")  # that different programs put before every name


@dataclass(frozen=True, eq=False)
class Encoder:
    """A trained encoder. weights: its layers. words (V, d), positions (P, d), kinds (K, d): embeddings, added and then
    normalised by ``norm``. tokenizer: of the library tokenizers, None where the folder has none."""

    name: str
    weights: Weights
    words: Array
    positions: Array
    kinds: Array
    norm: LayerNorm
    tokenizer: Any = field(default=None, repr=False)

    def ids(self, text: str) -> list[int]:
        """Numbers of the tokens of a text, with the marks at both ends. Raises BntError without a tokenizer."""
        return list(self._encoding(text).ids)

    def tokens(self, text: str) -> list[str]:
        """The tokens themselves; what continues a word begins with ##."""
        return list(self._encoding(text).tokens)

    def _encoding(self, text: str) -> Any:
        need(isinstance(text, str), f"a text must be a str, not {type(text).__name__}")
        need(self.tokenizer is not None, f"{self.name} has no tokenizer.json; give the numbers of the tokens instead")
        return self.tokenizer.encode(text)

    def embed(self, text: str | Iterable[int]) -> Array:
        """The stream before the first layer, (n, d), of a text or of numbers of tokens.

        Raises BntError: no token, a number outside the vocabulary, more tokens than there are positions.
        """
        ids = self.ids(text) if isinstance(text, str) else list(in_order("a text", text, "numbers of tokens"))
        need(len(ids) > 0, "an encoder needs at least one token")
        need(len(ids) <= len(self.positions), f"{len(ids)} tokens; {self.name} has {len(self.positions)} positions")
        whole = all(isinstance(i, int | np.integer) and not isinstance(i, bool) for i in ids)
        legal = whole and all(0 <= i < len(self.words) for i in ids)
        need(legal, f"numbers of tokens must be whole, from 0 to {len(self.words) - 1}")
        return self.norm(self.words[ids] + self.positions[: len(ids)] + self.kinds[0])

    def run(self, text: str | Iterable[int], **options: Any) -> Trace:
        """``forward`` on the embedded text; options as there."""
        return forward(self.embed(text), self.weights, **options)

    def sentence(self, text: str | Iterable[int]) -> Array:
        """One direction for the whole text, (d,): the mean of the last stream, of length one. The dot product of two is
        their cosine similarity."""
        mean: Array = self.run(text, keep="last").final.mean(axis=0)
        return mean / np.linalg.norm(mean)

    @property
    def parameters(self) -> int:
        """How many numbers it was trained to have."""
        arrays = [self.words, self.positions, self.kinds, self.norm.gain, self.norm.bias]
        for layer in self.weights.layers:
            for sub in layer:
                parts = [sub, *(sub.heads if isinstance(sub, Attention) else ()), *([sub.after] if sub.after else [])]
                arrays += [one for part in parts for one in vars(part).values() if isinstance(one, np.ndarray)]
        return sum(array.size for array in arrays)

    def _repr_html_(self) -> str:
        attention = next(sub for sub in self.weights.layers[0] if isinstance(sub, Attention))
        line = f"{self.name}: {counted(len(self.weights.layers), 'layer')} of {counted(len(attention.heads), 'head')}, "
        line += f"{self.words.shape[1]:,} columns, {len(self.words):,} words, {self.parameters:,} trained numbers"
        return card("Encoder", line)

    def __repr__(self) -> str:
        return f"<Encoder {self.name!r}: {len(self.weights.layers)} layers, {self.words.shape[1]} columns>"


def installed_encoder(package: str) -> Path | None:
    """The folder of an encoder's files inside an installed package, without importing it; None: not installed, or no
    model.safetensors in it."""
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    for folder in (found.submodule_search_locations or ()) if found else ():
        for file in sorted(Path(folder).rglob("model.safetensors")):
            return file.parent
    return None


def load_encoder(path: str | os.PathLike[str]) -> Encoder:
    """The encoder in a folder, or beside the given ``.safetensors`` file.

    Raises BntError: no such folder, or a library that is missing; FormatError: a file that cannot be read, or a part
    that is missing or has another shape, by name, or layers that config.json does not count; UnsupportedModelError: no
    absolute positions, or those of another kind (RoBERTa's begin at 2), another activation, a decoder.
    """
    folder = Path(path)
    file = folder / "model.safetensors" if folder.suffix != ".safetensors" else folder
    folder = file.parent
    for needed in (file, folder / "config.json"):
        need(needed.is_file(), f"{needed} is missing; an encoder is a folder with model.safetensors and config.json")
    config = _config(folder / "config.json")
    name = str(config.get("_name_or_path") or folder.name)
    return _build(name, config, _tensors(file), _tokenizer(folder / "tokenizer.json"))


def _config(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"{path}: cannot be read as JSON: {error}") from None
    for key in ("num_hidden_layers", "num_attention_heads", "hidden_size"):
        if not isinstance(found, dict) or not isinstance(found.get(key), int) or found[key] < 1:
            raise FormatError(f"{path}: {key!r} must be a whole number of at least 1")
    if (kind := found.get("position_embedding_type", "absolute")) != "absolute":
        raise UnsupportedModelError(f"{path}: positions are {kind!r}; only 'absolute' ones are read")
    if (kind := found.get("model_type", "bert")) != "bert":
        raise UnsupportedModelError(
            f"{path}: the model is a {kind!r}; only 'bert' is read: others count positions anew"
        )
    if (act := found.get("hidden_act", "gelu")) not in list(ACTIVATION_OF):  # what is no text has no hash, perhaps
        raise UnsupportedModelError(f"{path}: the activation is {act!r}; valid: {', '.join(ACTIVATION_OF)}")
    if found.get("is_decoder"):
        raise UnsupportedModelError(f"{path}: this is a decoder; an encoder is wanted")
    if found["hidden_size"] % found["num_attention_heads"]:
        raise FormatError(f"{path}: {found['num_attention_heads']} heads do not divide {found['hidden_size']} columns")
    epsilon = found.setdefault("layer_norm_eps", 1e-12)
    if not is_real(epsilon) or isinstance(epsilon, bool) or not 0 <= epsilon < math.inf:
        raise FormatError(f"{path}: 'layer_norm_eps' must be a number of at least 0, not {epsilon!r}")
    return found


def _tensors(path: Path) -> dict[str, Array]:
    """All arrays of real numbers by name, without the prefix of the program that wrote them."""
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ModuleNotFoundError:
        raise BntError('an encoder needs safetensors; install with: python -m pip install "bnt[encoder]"') from None
    try:
        found = load_file(path)
    except (OSError, SafetensorError, ValueError, TypeError) as error:  # TypeError: bfloat16, which numpy has not
        raise FormatError(f"{path}: cannot be read as safetensors: {error}") from None
    prefix = next((one for one in PREFIXES if f"{one}embeddings.word_embeddings.weight" in found), None)
    if prefix is None:
        raise UnsupportedModelError(f"{path}: no embeddings.word_embeddings.weight, so no encoder of BERT's kind")
    return {
        name.removeprefix(prefix): array.astype(np.float64) for name, array in found.items() if array.dtype.kind == "f"
    }


def _tokenizer(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError:
        raise BntError('a tokenizer needs tokenizers; install with: python -m pip install "bnt[encoder]"') from None
    try:
        found = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exceptions
        raise FormatError(f"{path}: cannot be read as a tokenizer: {error}") from None
    found.no_padding()
    found.no_truncation()
    return found


class _Parts:
    """The arrays of one file by name, each checked for its shape when it is taken."""

    def __init__(self, tensors: Mapping[str, Array]):
        self.tensors = tensors

    def take(self, name: str, *shape: int | None) -> Array:
        """An array of this shape (None: any length)."""
        if name not in self.tensors:
            raise FormatError(f"the encoder has no {name!r}")
        found = self.tensors[name]
        fits = len(found.shape) == len(shape) and all(b in (None, a) for a, b in zip(found.shape, shape, strict=True))
        if not fits or not found.size or not np.isfinite(found).all():
            raise FormatError(f"{name!r} must be finite and of shape {shape}, not {found.shape}")
        return found

    def norm(self, name: str, d: int, epsilon: float) -> LayerNorm:
        return LayerNorm(self.take(f"{name}.weight", d), self.take(f"{name}.bias", d), epsilon)


def _build(name: str, config: dict[str, Any], tensors: Mapping[str, Array], tokenizer: Any) -> Encoder:
    parts, d, epsilon = _Parts(tensors), config["hidden_size"], float(config["layer_norm_eps"])
    if any(one.startswith(f"encoder.layer.{config['num_hidden_layers']}.") for one in tensors):
        raise FormatError(f"the encoder has more layers than the {config['num_hidden_layers']} of its config.json")
    layers = tuple(_layer(parts, f"encoder.layer.{i}.", config, d, epsilon) for i in range(config["num_hidden_layers"]))
    return Encoder(
        name,
        Weights(layers),
        parts.take("embeddings.word_embeddings.weight", None, d),
        parts.take("embeddings.position_embeddings.weight", None, d),
        parts.take("embeddings.token_type_embeddings.weight", None, d),
        parts.norm("embeddings.LayerNorm", d, epsilon),
        tokenizer,
    )


def _layer(parts: _Parts, at: str, config: dict[str, Any], d: int, epsilon: float) -> Layer:
    """A file's matrices stand the other way round: y = x W^T + b."""
    count = config["num_attention_heads"]
    d_k = d // count
    maps = {
        part: (
            parts.take(f"{at}attention.self.{part}.weight", d, d).T,
            parts.take(f"{at}attention.self.{part}.bias", d),
        )
        for part in ("query", "key", "value")
    }
    W_O = parts.take(f"{at}attention.output.dense.weight", d, d).T
    temperature = 1.0 / math.sqrt(d_k)
    heads = []
    for h in range(count):
        mine = slice(h * d_k, (h + 1) * d_k)
        (W_Q, b_Q), (W_K, b_K), (W_V, b_V) = ((matrix[:, mine], bias[mine]) for matrix, bias in maps.values())
        heads.append(Head(W_Q * temperature, W_K, W_V, W_O[mine], b_Q=b_Q * temperature, b_K=b_K, b_V=b_V))
    attention = Attention(
        tuple(heads),
        after=parts.norm(f"{at}attention.output.LayerNorm", d, epsilon),
        b_O=parts.take(f"{at}attention.output.dense.bias", d),
    )
    W_in = parts.take(f"{at}intermediate.dense.weight", None, d).T
    ffn = FFN(
        W_in,
        parts.take(f"{at}intermediate.dense.bias", W_in.shape[1]),
        parts.take(f"{at}output.dense.weight", d, W_in.shape[1]).T,
        parts.take(f"{at}output.dense.bias", d),
        ACTIVATION_OF[config.get("hidden_act", "gelu")],
        after=parts.norm(f"{at}output.LayerNorm", d, epsilon),
    )
    return attention, ffn
