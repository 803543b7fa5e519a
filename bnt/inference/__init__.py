"""What is true of a model: marginals, most probable states, and how far an answer can be trusted.

Equation: belief_v(x) = phi_v(x) prod_f mu_{f->v}(x): the marginal on forests, an approximation on loops.
Read first: belief_propagation.py; exact.py and junction_tree.py are what it is measured against. Which of them answers:
posterior.py, the one place that asks (compiler/posterior.py asks a transformer for the same).
How large is too large: MEMORY_LIMIT in checks.py, asked by fits(); triangulation.py refuses a hopeless clique at once.
Other message passing, with bounds of log Z: variational.py, log_z.py.
May import: graph, kernels, variational, and the flat files below all rooms.
"""
