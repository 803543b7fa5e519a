"""Inverse design: from what a transformer shall compute to the cheapest construction that does.

Equation: cost of a layer = sum over heads of n d (2 d_k + 2 d_v) + n^2 (d_k + d_v), plus 2 n d d_ff per FFN.
Read first: design.py, ``design``.
May import: all rooms up to sequences.
"""
