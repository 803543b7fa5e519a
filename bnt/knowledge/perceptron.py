"""A small multilayer perceptron for one probability, trained with Adam: the trained network of hallucination.py."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.odds import sigmoid
from bnt.training.train import Adam, learning_rate_at


class Perceptron:
    """p = sigmoid(W_L tanh(... tanh(W_1 x + b_1) ...) + b_L): ``depth`` hidden layers of ``width`` units."""

    def __init__(self, inputs: int, width: int, depth: int, seed: int):
        rng = np.random.default_rng(seed)
        sizes = [inputs, *[width] * depth, 1]
        shapes = [*pairwise(sizes), *((n,) for n in sizes[1:])]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        self.flat = np.zeros(ends[-1])  # every trained number; what follows are views of it
        views = [part.reshape(shape) for part, shape in zip(np.split(self.flat, ends[:-1]), shapes, strict=True)]
        self.matrices, self.biases = views[: depth + 1], views[depth + 1 :]
        for matrix in self.matrices:
            matrix[...] = rng.normal(0, 1 / np.sqrt(len(matrix)), matrix.shape)

    @property
    def parameters(self) -> int:
        """Number of trained numbers."""
        return self.flat.size

    def __call__(self, x: Array) -> Array:
        """Probabilities (n,) for inputs (n, inputs)."""
        return sigmoid(self._forward(x)[-1][:, 0])

    def _forward(self, x: Array) -> list[Array]:
        """The input, every hidden layer (n, width), and the log odds (n, 1)."""
        streams = [x]
        for matrix, bias in zip(self.matrices[:-1], self.biases[:-1], strict=True):
            streams.append(np.tanh(streams[-1] @ matrix + bias))
        return [*streams, streams[-1] @ self.matrices[-1] + self.biases[-1]]

    def gradients(self, x: Array, target: Array, weight: Array) -> tuple[list[Array], list[Array]]:
        """Of the cross-entropy sum_i weight_i CE(target_i, p_i), with respect to matrices and biases."""
        streams = self._forward(x)
        delta = (weight * (sigmoid(streams[-1][:, 0]) - target))[:, None]  # (n, 1)
        matrices, biases = [], []
        for i in range(len(self.matrices) - 1, -1, -1):
            matrices.append(streams[i].T @ delta)
            biases.append(delta.sum(axis=0))
            delta = (delta @ self.matrices[i].T) * (1 - streams[i] ** 2)  # the last one, at the input, is not used
        return matrices[::-1], biases[::-1]

    def fit(self, x: Array, target: Array, weight: Array, steps: int = 1500, rate: float = 0.01) -> None:
        """Full-batch Adam, the rate falling to zero as a half cosine. weight: of each row; sums to one."""
        adam = Adam(self.flat)
        for step in range(1, steps + 1):
            matrices, biases = self.gradients(x, target, weight)
            gradient = np.concatenate([array.ravel() for array in (*matrices, *biases)])
            adam.step(gradient, learning_rate_at(step, steps, rate))
