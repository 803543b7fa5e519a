"""The record of predictions: appended to, never rewritten; the first guess at a question counts."""

import json
import time
from pathlib import Path

import pytest

from bnt.widgets import guess_record, record


@pytest.fixture(autouse=True)
def own_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deep" / "predictions.jsonl"
    monkeypatch.setenv("BNT_PREDICTIONS", str(path))
    return path


def test_an_empty_record_says_so() -> None:
    assert repr(guess_record()) == "no predictions yet"
    assert "none yet" in guess_record()._repr_html_()


def test_the_first_guess_counts_and_numbers_are_shares_of_their_range() -> None:
    record.keep("01-penny", 0.5, 0.9, 1.0)
    record.keep("01-penny", 0.9, 0.9, 1.0)  # again, after the answer was seen
    record.keep("01-shift", 150.0, 50.0, 200.0)
    record.keep("02-scale", "stays", "stays", 0)
    record.keep("02-away", "up", "down", 0)
    assert guess_record().rows == [("01", "2", "–", "45% of the range"), ("02", "2", "1 of 2", "–")]
    assert str(record.place()) in guess_record()._repr_html_()


def test_nothing_is_ever_lost(own_record: Path) -> None:
    record.keep("01-penny", 0.5, 0.9, 1.0)
    with own_record.open("a") as file:
        file.write('{"name": "01-cut off')  # a crash in the middle of a line
    whole = own_record.read_bytes()
    record.keep("01-shift", 5.0, 50.0, 200.0)
    assert own_record.read_bytes().startswith(whole), "what was there stays as it was"
    found = guess_record()
    assert list(found.first) == ["01-penny", "01-shift"]
    assert "1 line of it cannot be read" in found._repr_html_()
    assert [json.loads(line)["name"] for line in own_record.read_text().splitlines()[1:2]] == ["01-penny"]


def test_a_record_that_cannot_be_read_is_said_and_not_called_empty(own_record: Path) -> None:
    own_record.mkdir(parents=True)
    said = f"{own_record} cannot be read (Is a directory)"
    assert repr(guess_record()) == said
    assert said in guess_record()._repr_html_()


def test_lines_end_where_they_were_ended(own_record: Path) -> None:
    record.keep("01-penny", 0.5, 0.9, 1.0, "A question\u2028of two\x85or three lines")
    assert record.kept()[1] == 0


@pytest.mark.parametrize(
    ("when", "day"), [("2026-03-01T11:00:00+00:00", "2026-03-02"), ("2026-03", "2026-03"), (7, "7")]
)
def test_the_day_of_a_guess_is_that_of_the_learners_calendar(
    when: str, day: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "XXX-14")
    time.tzset()
    try:
        assert record.Guess("01-penny", 0.5, 0.9, 1.0, when).day == day
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_usual_place_is_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BNT_PREDICTIONS")
    assert record.place().name == "predictions.jsonl"
    assert "bnt" in record.place().parts
    assert record.place().is_absolute()
