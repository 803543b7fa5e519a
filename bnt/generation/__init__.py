"""Generation: samples of a network one variable at a time, chains that are conditioned on a goal, and temperature.

Equation: q_T(x) = prod_i p(x_i | x_<i)^(1/T) / Z_i(x_<i); towards a goal, A_ij h_{t+1}(j) / h_t(i), h_t = A h_{t+1}.
Read first: sampling.py (``sample``, at any temperature), then goals.py (Doob's transform); temperature.py says which
distribution a temperature samples from; worlds.py: a room, a ball.
May import: all rooms up to sequences.
"""
