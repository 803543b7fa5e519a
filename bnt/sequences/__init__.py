"""Hidden Markov models, filters compiled into transformers, and a Turing machine in one.

Equation: alpha_t(j) = b_j(o_t) sum_i alpha_{t-1}(i) A_ij.
Read first: hmm.py, then filtering.py.
May import: all rooms up to knowledge.
"""
