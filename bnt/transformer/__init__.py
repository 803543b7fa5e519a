"""The whole transformer, in plain numpy, with compiled loops beside it. It knows no graph.

Equation: x <- x + softmax(x W_Q (x W_K)^T) x W_V W_O, then x <- x + act(x W_in + b_in) W_out + b_out.
Read first: blocks.py, the whole transformer; then forward.py, which runs it. tiles.py and gather.py are its speed; an
activation is a line of activations.py. Where many tokens are gathered, loops.py has the layers run by compiled.py, on
the weights as sparse.py lists them, to the same numbers; without numba gather.py runs them all.
May import: the flat files below all rooms; loops.py and compiled.py also kernels, for jit.py and exp_log.py.
"""
