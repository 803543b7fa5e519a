"""Comparing what was printed: numbers as numbers, words as words, layout and types of numbers not at all."""

import math
from collections import deque
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt.exercise import show
from bnt.grading.compare import Tolerance, right_lines, same

SAME = [
    ("np.float64(0.5)", "0.5"),
    ("[np.float64(0.5), 1]", "[0.5, 1.0]"),
    ("array([1., 2.], dtype=float32)", "[1.0, 2.0]"),
    ("array([[1, 2],\n       [3, 4]])", "[[1, 2], [3, 4]]"),
    ("array([], dtype=float64)", "[]"),
    ("(1, 2)", "[1 2]"),
    ("[0.5,]", "[0.5]"),
    ("-0.0", "0"),
    ("1e-10", "0.0"),
    ("1.0000001", "1"),
    ("2", "1.9999999999"),
    ("nan", "nan"),
    ("inf", "inf"),
    ("(1.0000000001+2j)", "1+2j"),
    ("[1.+2.j]", "[(1+2j)]"),
    ("np.True_", "True"),
    ("1", "True"),
    ("0", "False"),
    ("np.str_('a')", "'a'"),
    ("P(a) = 0.5", "P(a) = 0.5000000001"),
    ("3 arrows", "3.0 arrows"),
]
DIFFERENT = [
    ("1.00001", "1"),
    ("1e-8", "0.0"),
    ("nan", "inf"),
    ("-inf", "inf"),
    ("inf", "1e308"),
    ("1-2j", "1+2j"),
    ("1", "1+2j"),
    ("-1", "1"),
    ("x=-1", "x=1"),
    ("[1 2]", "[1 2 3]"),
    ("[[1 2]]", "[1 2]"),
    ("1 2", "2 1"),
    ("a 1", "b 1"),
    ("x1 0.5", "x2 0.5"),
    ("info", "inf"),
    ("1", "False"),
    ("1000001", "1000000"),
    ("3556628738267428331864217260916737", "3556628738267428331864217260916736"),
    ("", "1"),
]


@pytest.mark.parametrize(("own", "expected"), SAME)
def test_same(own: str, expected: str) -> None:
    assert same(own, expected)
    assert same(expected, own)


@pytest.mark.parametrize(("own", "expected"), DIFFERENT)
def test_different(own: str, expected: str) -> None:
    assert not same(own, expected)
    assert not same(expected, own)


def test_a_check_can_state_its_tolerance() -> None:
    assert same("1.001", "1", Tolerance(relative=0.01))
    assert not same("1.0000001", "1", Tolerance(relative=1e-9))
    assert same("0.001", "0", Tolerance(absolute=0.01))


def test_lines_are_counted_place_by_place() -> None:
    assert right_lines("1\n2\n3\n", "1.0\n5\n3\n") == (2, 3)
    assert right_lines("1\n", "1\n2\n") == (1, 2)
    assert right_lines("", "1\n2\n") == (0, 2)


@given(st.lists(st.floats(-1e6, 1e6).map(lambda x: x if abs(x) > 1e-3 else 0.0), min_size=1, max_size=5))
def test_types_of_numbers_do_not_count(values: list[float]) -> None:
    plain = str(values)
    array = np.array(values)
    for other in (repr(array.astype(np.float32)), str([np.float64(v) for v in values]), str(tuple(values))):
        assert same(other, plain)
    assert same(np.array2string(array, precision=12, max_line_width=20), plain)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_twelve_digits_are_enough(value: float) -> None:
    assert same(f"{value:.12g}", repr(value))
    assert math.isfinite(value)


def test_show_prints_numbers_alike(capsys: pytest.CaptureFixture[str]) -> None:
    tenth, two = 0.1, 2.0
    held: list[object] = [[tenth, two], (tenth, two), np.array([tenth, two]), [np.float64(tenth), np.array(two)]]
    held += [[Fraction(1, 10), Decimal(2)], deque([tenth, two]), {"a": tenth, "b": two}.values(), iter((tenth, two))]
    held += [pd.Series([tenth, two]), pd.Series([tenth, two]).to_numpy(), (x for x in (tenth, two))]
    held += [np.array([tenth, two], dtype=object), np.ma.masked_array([tenth, two]), {tenth: 0, two: 0}.keys()]
    for value in held:
        show("v", value)
        assert capsys.readouterr().out == "v [0.1, 2.0]\n"
    show(-0.0, np.int64(3), np.bool_(True), 1e6, {"a": np.float64(0.5)}, {"b", "a"}, None, np.array(1 - 2j), math.inf)
    assert capsys.readouterr().out == "0.0 3 True 1000000.0 {'a': 0.5} {'a', 'b'} None 1.0-2.0j inf\n"
    show(np.longdouble(0.5), np.array([0.5, 2], dtype=np.longdouble), np.clongdouble(1j), np.float16(0.5), np.uint8(3))
    assert capsys.readouterr().out == "0.5 [0.5, 2.0] 0.0+1.0j 0.5 3\n"
    show(Fraction(10**400), pd.DataFrame([[1.0, 2.5]]), b"x", Decimal("nan"))
    assert capsys.readouterr().out == f"{10**400} [[1.0, 2.5]] b'x' nan\n"
