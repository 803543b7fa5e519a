"""Small named networks, each with its source, and loaders that take a name or the path of a model file.

``load_network`` gives pgmpy objects, ``load_graph`` a FactorGraph without touching pgmpy. The directed ones are BIF
files in ``bnt/data/networks``; the undirected ones are Ising models, whose sizes are free: ``chain``, ``star``,
``grid``, ``random_tree``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from bnt.checks import in_order, is_real, need, whole_number
from bnt.errors import BntError, ModelError, valid_names
from bnt.graph.bayesian_network import BayesianNetwork
from bnt.graph.bif import read_bif
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.graph.uai import read_uai
from bnt.graph.xmlbif import SUFFIXES as XML_SUFFIXES
from bnt.graph.xmlbif import read_xmlbif
from bnt.stored import FOLDER

if TYPE_CHECKING:
    from pgmpy.models import DiscreteBayesianNetwork, DiscreteMarkovNetwork

Edges = Sequence[tuple[int, int]]
READERS: Mapping[str, Callable[[str], BayesianNetwork | FactorGraph]] = {
    ".bif": read_bif,
    ".uai": read_uai,
    **dict.fromkeys(XML_SUFFIXES, read_xmlbif),
}


def load_graph(network: str | os.PathLike[str]) -> FactorGraph:
    """The factor graph of a built-in network (``"asia"``) or of a file: BIF (.bif), UAI (.uai) or XMLBIF (.xml,
    .xmlbif, .bifxml), each also gzipped (.gz).

    Hyphens and underscores in a name are alike; write ``./asia`` for a file with a built-in name.
    Raises BntError, which lists near names, for an unknown name; FormatError for a file that cannot be read.
    Other sizes of the undirected ones: ``bnt.graph.networks.grid(5, 4)`` and the like.
    """
    source = _find(network)
    return source if isinstance(source, FactorGraph) else source.factor_graph()


def load_network(network: str | os.PathLike[str]) -> DiscreteBayesianNetwork | DiscreteMarkovNetwork:
    """The same networks as ``load_graph``, as a pgmpy DiscreteBayesianNetwork (DiscreteMarkovNetwork if undirected)."""
    from bnt.graph.pgmpy_bridge import network_to_pgmpy, to_pgmpy

    source = _find(network)
    return to_pgmpy(source) if isinstance(source, FactorGraph) else network_to_pgmpy(source)


def _find(network: str | os.PathLike[str]) -> BayesianNetwork | FactorGraph:
    if not isinstance(network, (str, os.PathLike)):
        raise BntError(f"a network is given by its name or the path of a file (.bif, .uai, .xml), not by {network!r}")
    text = os.fspath(network)
    build = BUILT_IN.get(text.strip().lower().replace("-", "_")) if isinstance(network, str) else None
    if build is not None:
        return build()
    suffix = os.path.splitext(text.lower().removesuffix(".gz"))[1]
    looks_like_a_path = text.endswith((".gz", *READERS)) or os.path.basename(text) != text
    if looks_like_a_path or not isinstance(network, str) or (text and os.path.exists(text)):
        return READERS.get(suffix, read_bif)(text)
    raise BntError(f"no built-in network is called {text!r}, and no file; {valid_names(BUILT_IN, text, len(BUILT_IN))}")


# Undirected networks: Ising models on a graph of free size.


def ising(
    names: Sequence[str], edges: Edges, *, coupling: float = 0.4, field: float = 0.2, seed: int | None = None
) -> FactorGraph:
    """Binary pairwise model with states "0", "1": tables exp(J s_i s_j) with s = +-1, and log odds theta per variable.

    Without a seed every J is ``coupling`` and every theta ``field``; with one they are drawn normal with these
    standard deviations (a spin glass). Zero thetas get no factor. Ising, Z. Physik 31 (1925).
    Raises ModelError: a coupling, field or seed that is no number, an edge that does not join two of the names.
    """
    names = in_order("names", names, "names of variables", error=ModelError)
    if not (is_real(coupling) and is_real(field) and np.isfinite([coupling, field]).all()):
        raise ModelError(f"coupling and field must be finite numbers, not {coupling!r} and {field!r}")
    if seed is not None:
        whole_number("seed", seed, error=ModelError)
    for edge in edges:
        if not _joins_two(edge, len(names)):
            raise ModelError(f"an edge must join two different positions, 0 to {len(names) - 1}, not {edge!r}")
    rng = None if seed is None else np.random.default_rng(seed)
    couplings = np.full(len(edges), float(coupling)) * (1.0 if rng is None else rng.standard_normal(len(edges)))
    fields = np.full(len(names), float(field)) * (1.0 if rng is None else rng.standard_normal(len(names)))
    variables = [Variable(name, ("0", "1")) for name in names]
    factors = [
        Factor((v,), log_table=(0.0, theta)) for v, theta in zip(variables, fields.tolist(), strict=True) if theta
    ]
    for (i, j), strength in zip(edges, couplings.tolist(), strict=True):
        log_table = ((strength, -strength), (-strength, strength))
        factors.append(Factor((variables[i], variables[j]), log_table=log_table))
    return FactorGraph(variables, factors)


def _joins_two(edge: Any, count: int) -> bool:
    ends = edge if isinstance(edge, (tuple, list, np.ndarray)) and len(edge) == 2 else ()
    return all(isinstance(i, (int, np.integer)) and 0 <= i < count for i in ends) and len(set(ends)) == 2


def chain(length: int = 6, **options: Any) -> FactorGraph:
    """Ising chain x0 - x1 - ... of ``length`` variables; ``options`` as for ``ising``."""
    _at_least_one(length=length)
    return ising([f"x{i}" for i in range(length)], [(i, i + 1) for i in range(length - 1)], **options)


def star(leaves: int = 6, **options: Any) -> FactorGraph:
    """Ising star: ``hub`` joined to ``leaf0``, ``leaf1``, ...; ``options`` as for ``ising``."""
    _at_least_one(leaves=leaves)
    return ising(["hub", *(f"leaf{i}" for i in range(leaves))], [(0, i + 1) for i in range(leaves)], **options)


def grid(rows: int = 3, columns: int = 3, **options: Any) -> FactorGraph:
    """Ising grid: ``x0_0`` is joined to ``x0_1`` and ``x1_0``, and so on; ``options`` as for ``ising``."""
    _at_least_one(rows=rows, columns=columns)
    across = [(r * columns + c, r * columns + c + 1) for r in range(rows) for c in range(columns - 1)]
    down = [(r * columns + c, (r + 1) * columns + c) for r in range(rows - 1) for c in range(columns)]
    return ising([f"x{r}_{c}" for r in range(rows) for c in range(columns)], across + down, **options)


def noisy_image(seen: ArrayLike, coupling: float, noise: float) -> FactorGraph:
    """Pixels that are "1" (ink) or "0", each seen right with probability 1 - noise, neighbours alike: exp(+-coupling).

    seen (height, width) of 0 and 1. Raises BntError for another shape or noise outside (0, 1).
    """
    pixels = np.asarray(seen)
    need(pixels.ndim == 2 and pixels.size > 0, f"a picture has rows and columns, not the shape {pixels.shape}")
    need(is_real(noise) and 0 < noise < 1, f"noise must be between 0 and 1, not {noise!r}")
    width = pixels.shape[1]
    names = [Variable(f"p{i // width}_{i % width}", ("0", "1")) for i in range(pixels.size)]
    right = np.log([noise, 1 - noise])
    alike = coupling * np.array([[1.0, -1.0], [-1.0, 1.0]])
    factors = [Factor((v,), log_table=right if p else right[::-1]) for v, p in zip(names, pixels.flat, strict=True)]
    factors += [Factor((names[i], names[i + 1]), log_table=alike) for i in range(pixels.size) if (i + 1) % width]
    factors += [Factor((names[i], names[i + width]), log_table=alike) for i in range(pixels.size - width)]
    return FactorGraph(names, factors)


def random_tree(size: int = 8, *, seed: int = 0, **options: Any) -> FactorGraph:
    """Ising tree on x0, x1, ...: each variable hangs from a uniformly drawn earlier one; ``seed`` draws everything."""
    _at_least_one(size=size)
    whole_number("seed", seed, error=ModelError)
    rng = np.random.default_rng(seed)
    edges = [(int(rng.integers(i)), i) for i in range(1, size)]
    return ising([f"x{i}" for i in range(size)], edges, seed=seed, **options)


def _at_least_one(**sizes: int) -> None:
    for name, size in sizes.items():
        whole_number(name, size, 1, error=ModelError)


def shipped(name: str) -> BayesianNetwork:
    """A network of ``bnt/data/networks``; its source stands in the file."""
    return read_bif(FOLDER / "networks" / f"{name}.bif")


DIRECTED = ("sprinkler", "asia", "cancer", "earthquake", "survey", "dating")
BUILT_IN: Mapping[str, Callable[[], BayesianNetwork | FactorGraph]] = {
    **{name: partial(shipped, name) for name in DIRECTED},
    **{build.__name__: build for build in (chain, star, grid, random_tree)},
}
