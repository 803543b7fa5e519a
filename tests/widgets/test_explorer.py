"""Explorer: what a stored notebook shows, which controls there are, and errors as sentences."""

from pathlib import Path
from typing import Any

import pytest

import bnt
from bnt import widgets
from bnt.errors import InconsistentEvidenceError
from bnt.figures.picture import Picture
from bnt.graph.networks import load_graph, random_tree, shipped
from bnt.widgets.explorer import Explorer, Scale, dial
from tests.browser import latency

ASIA = load_graph("asia")
PARENTS = shipped("asia").parents
TREE = random_tree(5, seed=1)


def test_impossible_evidence_is_a_sentence_not_a_traceback() -> None:
    before = bnt.exact_marginals(ASIA).beliefs
    impossible = {"tub": "yes", "either": "no"}
    with pytest.raises(InconsistentEvidenceError):
        widgets.evidence_picture(PARENTS, ASIA, impossible, before)
    panel = widgets.evidence_panel(PARENTS, ASIA)
    for name, state in impossible.items():
        panel.controls[name].value = state
    assert "probability zero: tub=yes, either=no" in panel.shown()
    assert "<img" not in panel.shown()
    panel.controls["either"].value = "–"
    assert "<img" in panel.shown()


def test_a_stored_notebook_shows_a_picture_without_scripts() -> None:
    bundle = widgets.evidence_panel(PARENTS, ASIA)._repr_mimebundle_()
    still, script = bundle["text/html"].split("<script>")
    assert still.startswith('<div class="bnt-live" data-bnt="bnt-')
    assert "<!-- picture -->" in still
    assert '<img src="data:image/svg+xml,' in still
    assert "mountExplorer(root, {" in script
    assert list(bundle) == ["text/html", "text/plain"], "no widget view: it is gone when the kernel is"
    assert bundle["text/plain"].startswith("nothing observed (exact)")


def test_controls_have_names_and_values_that_can_be_read_aloud() -> None:
    model, result = bnt.compile_graph(TREE), bnt.run_bp(TREE, keep_history=True)
    explorers = [
        widgets.evidence_panel(PARENTS, ASIA),
        widgets.round_slider(result),
        widgets.layer_slider(model),
        widgets.stream_slider(model, ("m",)),
        widgets.between_explorer(),
        widgets.damping_explorer(),
        widgets.descent_explorer(),
        widgets.gate_explorer(),
        widgets.update_explorer(),
    ]
    for explorer in explorers:
        for name, scale in explorer.scales.items():
            assert scale.label
            assert len(set(scale.texts)) == len(scale.texts) == len(scale.values)
            assert all(len(text) <= 20 for text in scale.texts), f"{name}: {scale.texts}"
            assert scale.values[scale.find(explorer.controls[name].value)] == pytest.approx(
                explorer.controls[name].value
            )


def test_a_scale_writes_numbers_as_people_do() -> None:
    scale = Scale.of(dial("field", 0.02, 0.4, 0.02, 0.2))
    assert scale.texts[:3] == ["0.02", "0.04", "0.06"]
    assert scale.texts[-1] == "0.40"
    assert scale.values[2] == 0.06  # not 0.06000000000000001
    assert scale.texts[scale.find(0.1 + 0.2)] == "0.30"
    assert Scale.of(dial("q", 0.0, 1.0, 0.25, 0.5)).texts == ["0.00", "0.25", "0.50", "0.75", "1.00"]


def listen(explorer: Explorer) -> list[dict[str, Any]]:
    """What Python sends into the page from now on."""
    sent: list[dict[str, Any]] = []
    explorer.html()
    assert explorer.line is not None
    explorer.line.send = sent.append
    return sent


def test_the_kernel_draws_what_is_asked_for_once() -> None:
    drawn = []

    def draw(q: float) -> Picture:
        drawn.append(q)
        return widgets.between_picture(q)

    explorer = Explorer(draw, {"q": dial("q", 0.1, 0.9, 0.1, 0.4)})
    sent = listen(explorer)
    explorer.hear({"type": "hello"})
    for _ in range(2):
        explorer.hear({"type": "draw", "at": [7]})
    assert [message["type"] for message in sent] == ["ready", "frame", "frame"]
    assert sent[1]["frame"]["alt"] == widgets.between_picture(0.8).alt
    assert drawn == [0.4, 0.8]


def test_an_interrupted_picture_is_answered_too() -> None:
    """The page asks for one at a time: without an answer it would never ask again."""
    explorer = Explorer(widgets.between_picture, {"q": dial("q", 0.1, 0.9, 0.1, 0.4)})
    sent = listen(explorer)

    def interrupted(at: Any) -> Any:
        raise KeyboardInterrupt

    explorer.frame = interrupted  # type: ignore[method-assign]
    explorer.hear({"type": "draw", "at": [7]})
    assert sent[0]["at"] == [7]
    assert "Interrupted" in sent[0]["frame"]["error"]


@pytest.mark.parametrize("nonsense", [[9], [-1], [0, 0], ["0"], None, [0.5]])
def test_what_is_no_state_is_not_drawn(nonsense: Any) -> None:
    explorer = Explorer(widgets.between_picture, {"q": dial("q", 0.1, 0.9, 0.1, 0.4)})
    sent = listen(explorer)
    explorer.hear({"type": "draw", "at": nonsense})
    explorer.hear({"type": "rest", "at": nonsense})
    assert sent == []
    assert explorer.at == (3,)


def test_at_rest_the_output_is_written_anew() -> None:
    explorer = Explorer(widgets.between_picture, {"q": dial("q", 0.1, 0.9, 0.1, 0.4)})
    listen(explorer)
    written = []

    class Handle:
        def update(self, bundle: dict[str, str], raw: bool) -> None:
            written.append(bundle)

    explorer._handle = Handle()
    explorer.hear({"type": "rest", "at": [7]})
    assert explorer.controls["q"].value == 0.8
    assert written[0]["text/plain"] == widgets.between_picture(0.8).alt
    assert '"at":[7]' in written[0]["text/html"]


def test_any_error_of_a_learner_is_a_sentence_with_what_was_printed() -> None:
    def draw(q: float) -> Picture:
        print("q is", q)
        return widgets.between_picture(q / (q - 0.4))

    explorer = Explorer(draw, {"q": dial("q", 0.1, 0.9, 0.1, 0.4)})
    assert explorer.shown() == "<p role='alert'>ZeroDivisionError: float division by zero</p><pre>q is 0.4\n</pre>"
    explorer.controls["q"].value = 0.8
    assert "<img" in explorer.shown()
    assert explorer.shown().endswith("<pre>q is 0.8\n</pre>")
    assert explorer._repr_mimebundle_()["text/plain"] == explorer.picture().alt


def test_a_record_of_speeds_keeps_what_was_not_measured_again(tmp_path: Path) -> None:
    quick, slow = [10.0] * 19 + [20.0], [10.0] * 18 + [200.0] * 2
    first = [latency.Speed("05 photo", "JupyterLab", quick, 3.0), latency.Speed("06 routing", "JupyterLab", slow)]
    record = tmp_path / "record.md"
    latency.note(first, record)
    assert "| 05 photo | JupyterLab | 20 | 10 | 20 | yes | 3 |" in record.read_text()
    assert "JupyterLab: 1 of 2 widgets within both bars" in record.read_text()
    latency.note([latency.Speed("06 routing", "JupyterLab", quick)], record)
    assert "JupyterLab: 2 of 2 widgets within both bars" in record.read_text()
    assert record.read_text().count("06 routing") == 1
