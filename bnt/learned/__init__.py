"""Does gradient descent find belief propagation? Tasks, recipes and what is inside the networks that it finds.

Equation: loss = mean cross entropy between exact marginals and predictions.
Read first: tasks.py, then recipes.py.
May import: all rooms up to wind_tunnels.
"""
