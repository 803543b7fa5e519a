"""Names of columns and tokens."""

import numpy as np
import pytest

from bnt.compiler.layout import Layout
from bnt.errors import BntError

LAYOUT = Layout({"m": 1, "code": 2, "one": 1}, {"message": np.array([[0, 1], [3, 2]]), "sink": np.zeros((1, 0), int)})


def test_names_and_positions_agree():
    assert LAYOUT.column_names == ["m", "code[0]", "code[1]", "one"]
    assert [LAYOUT.position(name) for name in LAYOUT.column_names] == [0, 1, 2, 3]
    assert (LAYOUT.column("code"), LAYOUT.width, LAYOUT.size) == (slice(1, 3), 4, 3)
    assert [LAYOUT.label(i) for i in range(3)] == [("message", 0, 1), ("message", 3, 2), ("sink",)]
    assert [LAYOUT.token(LAYOUT.label(i)) for i in range(3)] == [0, 1, 2]
    assert LAYOUT.rows("sink") == slice(2, 3)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: LAYOUT.column("mm"), "no column 'mm'; did you mean 'm'"),
        (lambda: LAYOUT.position("code"), "no column 'code'.*code\\[0\\]"),
        (lambda: LAYOUT.rows("edge"), "no kind of token 'edge'; valid: message, sink"),
        (lambda: LAYOUT.token(("message", 1, 1)), r"no token \('message', 1, 1\).*\(0, 1\)"),
        (lambda: LAYOUT.token("message"), "kind and its numbers.*not 'message'"),
        (lambda: LAYOUT.token(()), r"kind and its numbers.*not \(\)"),
        (lambda: LAYOUT.token(("message", "x0")), "kind and its numbers"),
        (lambda: LAYOUT.label(3), "no token 3; valid: 0..2"),
    ],
)
def test_unknown_names_list_the_valid_ones(ask, says):
    with pytest.raises(BntError, match=says):
        ask()
