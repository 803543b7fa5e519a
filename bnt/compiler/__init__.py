"""A factor graph becomes the weights of a transformer, one layer per round of belief propagation.

Equation: the stream after layer r holds the messages of round r.
Read first: compile.py, then pairwise.py (the smallest construction) and verify.py (every message of every round).
May import: graph, kernels, variational, inference, transformer, and the flat files below all rooms.
"""
