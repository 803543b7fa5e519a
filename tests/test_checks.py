"""What is let through, what is refused, and with which words."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from bnt.checks import in_order, of_kind, real_array, whole_number
from bnt.errors import BntError, ModelError


def test_whole_numbers():
    assert [whole_number("n", value) for value in (0, 7, np.int64(3), np.uint8(2))] == [0, 7, 3, 2]
    assert type(whole_number("n", np.int64(3))) is int
    for value in (-1, 1.0, np.float64(2), True, "3", None, [1]):
        with pytest.raises(BntError, match="n must be a whole number of at least 0, not "):
            whole_number("n", value)
    with pytest.raises(ModelError, match="n must be a whole number from 1 to 3, not 4"):
        whole_number("n", 4, 1, 3, error=ModelError)


def test_real_arrays():
    given = np.ones(2)
    assert real_array("p", given) is not given
    for values in ([1, 2], (True, 2.0), [Fraction(1, 2), 1], np.ones(2, dtype=np.float32), [[1, 2], [3, 4]]):
        assert real_array("p", values).dtype == np.float64
    with pytest.raises(BntError, match="p must be real numbers, and some are masked"):
        real_array("p", np.ma.masked_array([1.0, 2.0], [False, True]))
    rows = [np.ma.masked_array([1.0, 2.0], [False, True]), [3.0, 4.0]]
    for values in (rows, (rows, rows), [np.ma.masked, 1.0], [[1.0, np.ma.masked]]):
        with pytest.raises(BntError, match="p must be real numbers, and some are masked"):
            real_array("p", values)
    assert real_array("p", np.ma.masked_array([1.0, 2.0])).tolist() == [1.0, 2.0]
    for large in (10**400, Fraction(10**400, 3)):
        with pytest.raises(BntError, match="p must be real numbers within the range of float64, and one is larger"):
            real_array("p", [large, 1])
    for values in ([1, 1j], np.array([1j]), ["1"], "12", [[1], [1, 2]], {"a": 1}, [object()]):
        with pytest.raises(BntError, match="p must be a rectangular array of real numbers"):
            real_array("p", values)


def test_sequences():
    assert in_order("names", (n for n in "ab"), "names") == ("a", "b")
    assert in_order("names", {"a": 1, "b": 2}.keys(), "names") == ("a", "b")
    for things in ({"a", "b"}, frozenset(), "ab", b"ab", 3, None):
        with pytest.raises(BntError, match="names must be a sequence of names, not the "):
            in_order("names", things, "names")
    for things in (pd.DataFrame({"a": [1]}), np.array("a")):
        with pytest.raises(BntError, match="names must be a sequence of names, not "):
            in_order("names", things, "names")
    assert in_order("names", pd.Series(["a", "b"], index=[7, 7]), "names") == ("a", "b")


def test_kinds():
    of_kind("the text", "a", str)
    with pytest.raises(BntError, match="the text must be a str, not an int; write it down"):
        of_kind("the text", 3, str, hint="write it down")
    with pytest.raises(BntError, match=r"the text must be a str, not None$"):
        of_kind("the text", None, str)
