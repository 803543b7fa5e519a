"""Message passing beside belief propagation: tree-reweighted messages, mean field, and the weights of edges.

Equation: mu_{f->v}(x_v) = sum_{x_u} psi_f(x_u, x_v)^(1/rho_f) nu_{u->f}(x_u); of mean field, E[log psi_f | x_v].
Read first: reweighted.py, then mean_field.py; spanning.py has the rho of every edge. Results: inference/.
May import: graph, kernels, and the flat files below all rooms.
"""
