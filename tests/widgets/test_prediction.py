"""guess: what it asks, what it refuses, what it shows without scripts, and what goes on record."""

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bnt.errors import BntError
from bnt.widgets import guess_record
from bnt.widgets.prediction import guess


@pytest.fixture(autouse=True)
def own_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "predictions.jsonl"
    monkeypatch.setenv("BNT_PREDICTIONS", str(path))
    return path


def penny(**other: Any):
    return guess("01-penny", "How sure are you?", 0.9906, **{"low": 0, "high": 1, **other})


def listen(widget: Any) -> list[dict[str, Any]]:
    """What Python sends into the page from now on."""
    sent: list[dict[str, Any]] = []
    widget.html()
    widget.line.send = sent.append
    return sent


def test_without_scripts_the_answer_is_folded() -> None:
    page = re.sub(r"(?s)<script>.*", "", penny().html())
    before, after = page.split("<details>")
    assert "How sure are you?" in before
    assert "0.99" not in before
    assert "<p>0.99</p></details>" in after


def test_words_for_print_and_nbval() -> None:
    assert repr(penny()) == "How sure are you? (a number from 0 to 1)\nthe answer: 0.99"
    chosen = guess("02-scale", "And now?", "stays", choices=["grows", "stays"])
    assert repr(chosen) == "And now? (grows / stays)\nthe answer: stays"


def test_the_page_gets_the_answer_but_not_in_clear() -> None:
    page = guess("01-shift", "How many?", 54.125, low=0, high=600, step=1, unit="decibans").html()
    script = re.search(r"(?s)<script>.*", page)[0]
    spec = json.loads("{" + script.split("mountGuess(root, {")[1].split("); } })")[0])
    assert re.fullmatch(r"bnt-[0-9a-f]{12}", spec.pop("channel"))  # drawn at random, so it may hold any two digits
    assert "54" not in json.dumps(spec)
    assert json.loads(unquote(base64.b64decode(spec["answer"]).decode())) == 54.125
    assert spec["label"] == "decibans from 0 to 600"
    assert spec["digits"] == 0


def test_a_question_cannot_break_out_of_the_script() -> None:
    page = guess("01-x", "</script><b>", "a", choices=["a", "b"]).html()
    assert page.count("</script>") == 1


def test_a_guess_goes_on_record_and_is_there_next_time(own_record: Path) -> None:
    first = penny()
    sent = listen(first)
    first.hear({"type": "hello"})
    assert sent == []
    first.hear({"type": "guess", "guess": 0.5})
    assert "On record" in sent[0]["said"]
    again = penny()
    sent = listen(again)
    again.hear({"type": "hello"})
    assert sent[0]["guess"] == 0.5
    assert guess_record().first["01-penny"].off == pytest.approx(0.4906)


@pytest.mark.parametrize("nonsense", [7, -0.1, "0.5", True, None, float("nan")])
def test_what_is_no_guess_is_not_recorded(nonsense: Any, own_record: Path) -> None:
    widget = penny()
    listen(widget)
    widget.hear({"type": "guess", "guess": nonsense})
    assert not own_record.exists()


def test_a_record_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BNT_PREDICTIONS", str(tmp_path / "file" / "predictions.jsonl"))
    widget = penny()
    sent = listen(widget)
    widget.hear({"type": "guess", "guess": 0.5})
    assert sent[0]["said"].startswith("Not on record: ")


def test_a_record_that_cannot_be_read_is_said(own_record: Path) -> None:
    own_record.mkdir(parents=True)
    widget = penny()
    sent = listen(widget)
    widget.hear({"type": "hello"})
    assert sent == [{"type": "kept", "said": f"{own_record} cannot be read (Is a directory)."}]


def test_an_old_guess_that_fits_no_longer_is_left_alone() -> None:
    old = guess("01-penny", "?", "a", choices=["a", "b"])
    listen(old)
    old.hear({"type": "guess", "guess": "a"})
    now = penny()
    sent = listen(now)
    now.hear({"type": "hello"})
    assert sent == []


def test_an_old_guess_at_another_question_is_left_alone(own_record: Path) -> None:
    """The name is the same; the wording or the range is not. Records of before questions were kept go by the answer."""

    def told(widget: Any) -> list[dict[str, Any]]:
        sent = listen(widget)
        widget.hear({"type": "hello"})
        return sent

    first = penny()
    listen(first)
    first.hear({"type": "guess", "guess": 0.5})
    assert told(penny())[0]["guess"] == 0.5
    assert told(penny(high=2)) == []
    assert told(guess("01-penny", "How sure is she?", 0.9906, low=0, high=1)) == []
    early = {"name": "01-penny", "guess": 0.4, "answer": 0.9906, "span": 1.0, "when": "2026-01-01T00:00:00+00:00"}
    own_record.write_text(json.dumps(early))
    assert told(penny())[0]["guess"] == 0.4
    own_record.write_text(json.dumps({**early, "answer": 0.7}))
    assert told(penny()) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "penny"}, "called by lesson and question"),
        ({"low": None}, "give choices, or low and high"),
        ({"low": 2}, "low < high"),
        ({"answer": 3}, "not between low = 0 and high = 1"),
        ({"answer": float("nan")}, "not between"),
        ({"step": 0}, "step must be above 0"),
        ({"choices": ["a"], "answer": "a"}, "two or more different"),
        ({"choices": ["a", "b"], "answer": "c"}, "none of the choices: a, b"),
    ],
)
def test_a_question_that_nobody_could_answer_is_refused(given: dict[str, Any], says: str) -> None:
    asked = {"name": "01-penny", "question": "?", "answer": 0.5, "low": 0, "high": 1, **given}
    with pytest.raises(BntError, match=says):
        guess(**asked)
