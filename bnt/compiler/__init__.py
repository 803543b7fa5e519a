"""A factor graph becomes the weights of a transformer, one layer per round of belief propagation.

Equation: the stream after layer r holds the messages of round r.
Read first: compile.py, then pairwise.py (the simplest construction) and verify.py (every message of every round).
A construction is a file: general.py, junction_tree.py, tree_reweighted.py, mean_field.py, rotary_grid.py. Its tokens
and columns stand in the order in which it gives them to a Layout, as in general_layout; layout.py is what all share.
May import: graph, kernels, variational, inference, transformer, and the flat files below all rooms.
"""
