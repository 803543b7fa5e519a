"""What the site is made of, without sphinx: notebooks, links, the ledger, the reference, the first page."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

import bnt
from bnt.claims.run import LEDGER
from bnt.course import without_clone_only
from bnt.widgets.frames import FOLDER, unpack
from bnt.widgets.hero import one_clock
from tests.site.conftest import REPO, part_of_site

notebooks = part_of_site("notebooks")
sources = part_of_site("sources")
ledger_page = part_of_site("ledger_page")
reference = part_of_site("reference")
LESSONS = sorted((REPO / "course").glob("*.ipynb"))
MAIN = """Variable Factor FactorGraph load_graph load_network run_bp run_bp_batch exact_marginals posterior run_trw
    run_mean_field log_z_bounds Head Attention FFN forward compile_graph verify_model diagnose extract_graph
    posterior_mean recover_graph read_heads KnowledgeBase parse_knowledge load_knowledge ask ask_all what_if
    most_probable_explanation
    value_of_information explain calibration_of HMM filter_states smooth_states predict_states viterbi log_likelihood
    compile_filter compile_doubling_filter TuringMachine compile_machine TransformerConfig initialise predict train
    to_weights BntError"""
PARTS = ("id", "claim", "source", "verdict", "conditions", "rescue", "lesson")
RECORDS = [
    {part: getattr(row, part) for part in PARTS}
    | {"how": str(row.how), "measured": "7 < 8", "tolerance": None, "holds": True}
    for row in LEDGER
]


def stored(path: Path) -> dict[str, Any]:
    return json.loads(without_clone_only(path.read_bytes()))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_widget_of_a_lesson_comes_to_its_page_as_it_is_stored(path: Path) -> None:
    raw = path.read_text(encoding="utf-8")
    found = notebooks.widgets_of(stored(path))
    assert len(found) == raw.count('class=\\"bnt-live\\"')
    page = notebooks.as_page(stored(path), path.stem, "BAR", str)
    shown = [
        json.loads(spec)
        for cell in page["cells"]
        for output in cell.get("outputs", ())
        for spec in re.findall(
            r'<script type="application/json">(.*?)</script>', "".join(output.get("data", {}).get("text/html", ""))
        )
    ]
    assert [{**spec, "channel": 0} for spec in shown] == [{**widget, "channel": 0} for widget in found.values()]
    assert len({spec["channel"] for spec in shown}) == len(shown)
    assert "<script>" not in json.dumps([cell.get("outputs") for cell in page["cells"]])


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_frames_of_a_page_are_those_that_ship(path: Path) -> None:
    shipped = {file.read_bytes() for file in FOLDER.glob("*.json.gz")}
    for cell, widget in notebooks.widgets_of(stored(path)).items():
        if widget.get("packed"):
            packed = base64.b64decode(widget["packed"])
            assert packed in shipped, f"{path.stem} {cell}: its frames were drawn by other code than is here"
            frames = unpack(packed)
            assert frames[tuple(widget["at"])] == widget["frame"]
            assert len(frames) == widget.frames <= widget.states


def test_a_widget_with_fewer_frames_than_choices_says_where_there_are_more() -> None:
    frame = {"error": "none"}
    spec = {"controls": [{"label": "a", "kind": "slider", "texts": ["0", "1", "2"]}], "at": [0], "frame": frame}
    output = (
        '<div class="bnt-live" data-bnt="bnt-1"><p>still</p></div>\n<script>(() => { code; '
        f"mountExplorer(root, {json.dumps(spec)}); }} }})();</script>"
    )
    (found,) = notebooks.ALIVE.finditer(output)
    page = notebooks.on_page(found, "here")
    assert "this page holds 1 of 3 choices" in page
    assert "<p>still</p>" in page
    assert '"channel":"here"' in page
    spec["controls"] = []
    (found,) = notebooks.ALIVE.finditer(output.replace('"texts": ["0", "1", "2"]', '"texts": ["0"]'))
    assert "More steps" not in notebooks.on_page(found, "here")


def test_what_jupyterlab_folds_is_folded_on_the_page() -> None:
    cell = {"cell_type": "code", "source": "1", "metadata": {"jupyter": {"outputs_hidden": True}}, "outputs": []}
    head = {"cell_type": "markdown", "source": "# T\nmore", "metadata": {}}
    page = notebooks.as_page({"cells": [head, cell]}, "x", "BAR", str.upper)
    assert page["cells"][1]["metadata"]["tags"] == ["hide-output"]
    assert page["cells"][0]["source"] == "# T\n\nBAR\n\nMORE"


def test_the_bar_of_a_page_leads_to_the_installation() -> None:
    for folder in ("course", "exercises"):
        assert 'href="../README.html#start-the-course"' in notebooks.bar_of("x", folder, {}, "")
    assert "\n## Start the course\n" in (REPO / "README.md").read_text(encoding="utf-8")


def test_the_record_of_predictions_leads_to_the_page_that_keeps_them() -> None:
    page = notebooks.as_page(stored(LESSONS[0]), "x", "BAR", str)
    assert json.dumps(page).count("progress.html") == 1


def test_links_lead_where_the_site_has_its_pages() -> None:
    text = "see `here` and `there`, [x](glossary.md#Bethe-Free), [all](../exercises), [`here`](a.md)\n```\n`here`\n```"
    assert sources.with_claims(text, {"here"}, "../") == (
        'see <a href="../claims.html#here"><code>here</code></a> and `there`, [x](glossary.md#bethe-free), '
        "[all](../exercises/index.md), [`here`](a.md)\n```\n`here`\n```"
    )


def test_formulas_in_a_folded_line_are_set() -> None:
    assert notebooks.unfolded("<details><summary>S</summary>$x$ </details>") == (
        "<details><summary>S</summary>\n\n$x$\n\n</details>"
    )
    assert notebooks.unfolded("<details><summary>S</summary>x</details>") == "<details><summary>S</summary>x</details>"


def test_the_page_of_claims_has_every_row_with_its_lesson_and_its_command() -> None:
    page = ledger_page.claims_page(RECORDS)
    articles = re.findall(r'<article id="([^"]+)" (.*?)</article>', page, re.DOTALL)
    assert [name for name, _ in articles] == [claim.id for claim in LEDGER]
    for claim, (_, text) in zip(LEDGER, articles, strict=True):
        assert f"bnt claims --id {claim.id}</code>" in text
        assert f'href="course/{claim.lesson}.html"' in text
        assert (REPO / "course" / f"{claim.lesson}.ipynb").exists()
        for said in (claim.verdict, claim.claim, str(claim.how), claim.conditions or "", claim.rescue or "", "7 < 8"):
            assert html.escape(said) in text
    for verdict in {claim.verdict for claim in LEDGER}:
        count = sum(claim.verdict == verdict for claim in LEDGER)
        assert f'<option value="{verdict}">{verdict} ({count})</option>' in page


def test_the_reference_has_every_public_name_once_and_an_example_for_what_is_called() -> None:
    sorted_ = [name for names in reference.groups(REPO).values() for name in names]
    assert sorted(sorted_) == sorted(set(bnt.__all__) - {"__version__"})
    shown = reference.examples(REPO)
    assert set(MAIN.split()) <= shown.keys() <= set(sorted_)
    pages = reference.reference_pages(REPO)
    for name in sorted_:
        assert sum(f"## `{name}`\n" in page for page in pages.values()) == 1


def test_the_first_page_quotes_the_ledger() -> None:
    page = sources.landing(REPO, RECORDS)
    rows = re.findall(r'href="claims.html#([^"]+)"><span>([^<]+)</span>', page)
    verdicts = {claim.id: claim.verdict for claim in LEDGER}
    assert len(rows) >= 9
    assert all(verdicts[name] == verdict for name, verdict in rows)
    for path in LESSONS:
        assert page.count(f'href="course/{path.stem}.html"') >= 2, "the map: a box, and a line for narrow screens"
    assert "{row:" not in page
    for word in ("HERO", "MAP", "COUNT", "NUMBER", "REPOSITORY", "LESSONS", "UNLISTED"):
        assert not re.search(rf"\b{word}\b", page)


def test_every_part_of_the_map_has_a_colour_and_its_arrows_an_id_of_their_own() -> None:
    page, style = sources.map_of_lessons(REPO), (REPO / "site/static/site.css").read_text(encoding="utf-8")
    parts = set(re.findall(r"bnt-part-\d", page))
    assert len(parts) > 4
    assert all(f".{part} {{ --bnt-part: #" in style for part in parts)
    assert 'id="bnt-tip"' not in page, "that is the box of glossary words"


def test_the_hero_is_what_the_library_computes_now() -> None:
    """Its printed differences, over all scenes, are at most 1e-15; a last digit of another machine may differ."""
    (spec,) = re.findall(r'<script type="application/json">(.*?)</script>', sources.hero(REPO), re.DOTALL)
    shown, now = json.loads(spec), one_clock().numbers
    for numbers in (shown, now):
        assert max(map(float, numbers.pop("worst"))) <= 1e-15
    assert shown.pop("channel") == "landing"
    assert shown == json.loads(json.dumps(now))


def test_a_folder_holds_what_was_put_into_it_and_writes_only_what_changed(tmp_path: Path) -> None:
    first = sources.Folder(tmp_path)
    first.put("a/one.md", "1")
    first.put("two.md", "2")
    before = (tmp_path / "two.md").stat().st_mtime_ns
    second = sources.Folder(tmp_path)
    second.put("two.md", "2")
    second.sweep()
    assert [path.name for path in tmp_path.rglob("*.md")] == ["two.md"]
    assert (tmp_path / "two.md").stat().st_mtime_ns == before
