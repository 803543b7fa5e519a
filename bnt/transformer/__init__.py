"""The whole transformer, in plain numpy. It knows no graph.

Equation: x <- x + softmax(x W_Q (x W_K)^T) x W_V W_O, then x <- x + act(x W_in + b_in) W_out + b_out.
Read first: blocks.py, the whole transformer; then forward.py, which runs it. tiles.py and gather.py are its speed; an
activation is a line of activations.py.
May import: the flat files below all rooms.
"""
