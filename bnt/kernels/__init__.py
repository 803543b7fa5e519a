"""Compiled message passing on flat arrays; nothing here knows a name.

Equation: mu_{f->v}(x_v) = sum over x_f with x_v of psi_f(x_f) prod_{u != v} nu_{u->f}(x_u).
Read first: equations.py (one round in logarithms), then solve.py (a whole run in one call). jit.py alone imports numba.
When a run stops: options.py, and when_it_ends in equations.py, which plan() in solve.py asks, and in_logs of
inference/belief_propagation.py; the default tolerance is run_bp's.
A new schedule: its name in SCHEDULES of options.py; what else it needs, CONTRIBUTING.md says under "A schedule".
schedules.py is in logarithms; its faster twins are tables.py, pairwise.py and one_by_one.py. Which message the residual
schedule takes next, in all of them: the Queue of one_by_one.py, and residual_odds there, which has it written out.
May import: graph, and the flat files below all rooms.
"""
