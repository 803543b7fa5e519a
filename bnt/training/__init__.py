"""Parameters that move: gradients by hand, losses, Adam and L-BFGS.

Equation: theta <- theta - rate m / (sqrt(v) + epsilon).
Read first: gradients.py (the backward pass by hand), train.py (Adam, L-BFGS), recipes.py (what is trained).
May import: all rooms up to reading.
"""
