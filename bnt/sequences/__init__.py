"""Hidden Markov models, dynamic Bayesian networks, filters compiled into transformers, and a Turing machine in one.

Equation: alpha_t(j) = b_j(o_t) sum_i alpha_{t-1}(i) A_ij.
Read first: hmm.py, then filtering.py; dynamic.py has any factor graph in every slice.
May import: all rooms up to knowledge.
"""
