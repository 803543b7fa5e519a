"""Weights become a graph again: which factor graph any weights imply, and what of it is identified.

Equation: softmax(s)_j = p(j) p(q | j) / p(q): attention is a posterior over keys.
Read first: implicit_graph.py, then diagnostics.py (``diagnose``). Its two rules have files of their own: schedules.py,
which schedule it recommends; trust.py, whose answer it trusts on loops; contest.py measures who is right there.
May import: all rooms up to the compiler.
"""
