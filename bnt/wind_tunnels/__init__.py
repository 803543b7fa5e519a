"""Small worlds whose posteriors are known, to measure trained networks against.

Equation: error = KL(posterior || prediction), averaged over positions.
Read first: tasks.py, then measures.py.
May import: all rooms up to sequences.
"""
