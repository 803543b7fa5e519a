"""What a model is: variables, factors, evidence, beliefs; networks read from files or taken from pgmpy.

Equation: p(x) is proportional to the product over factors f of psi_f(x_f).
Read first: factor_graph.py, then evidence.py; flat.py is the same graph as the arrays that kernels read;
arrays.py checks large graphs given as arrays. Model files, a reader each: bif.py, uai.py, xmlbif.py; networks.py has
the built-in networks and picks the reader.
slice_evidence in kernels/solve.py is the fast twin of absorb (flat_without_evidence in flat.py: where there is none):
change all. Junction trees take evidence by themselves: kernels/cliques.py, and calibrate_in_logs in
inference/junction_tree.py.
May import: the flat files below all rooms.
"""
