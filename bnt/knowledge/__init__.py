"""Rules, questions and explanations: a knowledge base grounds into a factor graph and answers with a status.

Equation: P(head | body) by noisy gates: log odds of noisy OR = ln expm1(sum softplus(x)).
Read first: base.py, then queries.py.
May import: all rooms up to training.
"""
