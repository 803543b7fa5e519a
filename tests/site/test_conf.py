"""Docstrings of two columns become lists, and none can stop the site: what is no markup is shown as it was written."""

import pytest

from tests.site.conftest import part_of_site

pytestmark = pytest.mark.slow  # docutils comes with the extra `site`
conf = part_of_site("conf")


def test_two_columns_become_a_list_of_definitions() -> None:
    text = [
        "A thing.",
        "",
        "one     the first",
        "        and more",
        "another the second",
        "Raises BntError: never.",
        "",
    ]
    assert [line for line in conf.as_list(text) if line] == [
        "A thing.",
        "``one``",
        "    the first",
        "    and more",
        "``another``",
        "    the second",
        "Raises BntError: never.",
    ]
    assert conf.is_markup(conf.as_list(text))


def test_ordinary_text_stays() -> None:
    text = ["One sentence.", "", "    m = sum_x |p(x)|", "", "* a list", "* of two", ""]
    assert conf.as_list(text) == text


def test_what_is_no_markup_is_shown_as_it_was_written() -> None:
    bad = ["batches  draws", "    more", "  less **", "x"]
    lines = list(bad)
    conf.readable(None, "function", "f", None, None, lines)
    assert conf.is_markup(lines)
    assert lines[0] == "::"
    assert [line.strip() for line in lines[2:-1]] == [line.strip() for line in bad]
    good = ["A change |p - q|."]
    conf.readable(None, "function", "f", None, None, good)
    assert good == ["A change \\|p - q\\|."]
