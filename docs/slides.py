"""Slides for six weeks, made of cells of the lessons:  python docs/slides.py --out slides

Writes week-1.html to week-6.html (or those weeks that are named) for a browser: nbconvert and reveal.js. There is no
second text: a slide is a cell of a lesson, named below by its id, so that a lesson that is mended mends its slide. A
folded answer comes at the next press of a key; a prediction keeps its box, which works without a kernel.
"""

import argparse
import copy
from pathlib import Path

import nbformat
from nbconvert.exporters import SlidesExporter
from nbformat import NotebookNode

COURSE = Path(__file__).resolve().parent.parent / "course"
WEEKS: dict[int, dict[str, str]] = {  # lesson: ids of its cells, in order
    1: {
        "00": "widget-why rain-guess first-widget widget-answer widget-after",
        "01": "odds penny-why penny-guess penny meaning-why meaning-guess meaning-reveal meaning-after prior-predict "
        "prior-guess prior-reveal prior-after double-why witness-widget witness-after",
        "02": "factor-graph-why factor-graph scale-predict scale-guess scale-reveal scale-after explaining-why "
        "explaining-guess explaining-reveal explaining-proof summary",
    },
    2: {
        "03": "valley-why graph distributive first-predict first-guess first-reveal formulas read-round rounds-guess "
        "round-slider round-slider-after echo-why echo-guess echo-reveal echo-after theorem ecc-guess ecc-reveal",
        "04": "triangle-predict triangle-guess triangle-reveal triangle-after bound-why bound-theorem k4-why k4-guess "
        "k4-reveal k4-after damping-why damping-guess damping-reveal wrong-why agree-guess wrong-reveal wrong-after "
        "asia-after",
    },
    3: {
        "05": "photo-why softmax-why one-query-why one-query head-why theorem-why bayes-guess bayes-reveal theorem "
        "explore-why photo-widget explore-after not-said",
        "06": "gap-why product-why product-guess product-reveal product-after one-number-predict winners-guess "
        "one-number-reveal one-number-proof plane-why routing-widget hard-why leak-guess leak-reveal leak-after "
        "sum-why",
        "07": "derive limit-predict limit-guess limit-reveal limit-after update-widget erase-why erase-guess "
        "erase-reveal erase-proof relu-why relu-guess relu-reveal relu-after sigmoid-predict mean-field-guess "
        "sigmoid-reveal",
    },
    4: {
        "08": "inverse-why tree-after weights-guess weights-reveal weights-after cone-why cone-guess cone-reveal "
        "cone-after cone-widget damping-why",
        "08b": "general-why denominator-guess general-answer layer-why log-why asia-why asia-guess asia-reveal "
        "asia-after junction-why junction-predict price-guess junction-price junction-after which",
        "09": "claim vacuity-predict vacuous-guess vacuity-reveal vacuity-proof log-odds-why graph-why read-predict "
        "size-guess read-reveal tree tree-after unique-proof",
        "10": "map-why map-guess map-reveal map-after gate-guess gate-reveal gate-after kary-factor-why pairs-guess "
        "kary-z3 kary-proof doubling-why rounds-guess doubling-reveal doubling-after doubling-library",
    },
    5: {
        "11": "rules-why rules-mean joins-guess rules-reveal explain-predict john-guess explain-reveal "
        "explain-map-why hallucination-why thirteen-guess hallucination-reveal hallucination-after lowest-guess "
        "calibration calibration-after floor-proof",
        "12": "chain-why chain-questions timeline-predict day-3-guess timeline-reveal timeline-after memory-predict "
        "layers-guess memory-reveal memory-proof machine-why machine machine-layer machine-predict steps-guess "
        "machine-reveal published-why wall-guess published-reveal",
    },
    6: {
        "13": "blame-why update-why update-guess update-run update-proof routing-why routing-guess routing-run "
        "routing-after target-why target-guess target-run target-after reach-why six-steps-guess reach reach-after",
        "14": "why bijection-predict bits-guess bijection-count bijection-proof measures-why braggart-guess "
        "impostors-reveal impostors-after phase-predict phase-guess phase phase-after four-why recall-guess "
        "four-recall four-after caution-after summary",
    },
}


def lesson(number: str) -> Path:
    (path,) = COURSE.glob(f"{number}_*.ipynb")
    return path


def slides_of(week: int) -> NotebookNode:
    """The chosen cells as one notebook that says which of them begin a slide; KeyError for an id that no cell has."""
    chosen = []
    for number, ids in WEEKS[week].items():
        path = lesson(number)
        cells = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
        title = cells["title"].source.splitlines()[0]
        chosen.append(nbformat.v4.new_markdown_cell(title, metadata=_kind("slide")))
        for place, name in enumerate(ids.split()):
            cell = copy.deepcopy(cells[name])
            folded = cell.metadata.get("jupyter", {})
            if cell.cell_type == "code" and (folded.get("source_hidden") or "widgets." in cell.source):
                cell.metadata["transient"] = {"remove_source": True}
            late = folded.get("outputs_hidden") or cell.source.startswith("<details>")
            cell.metadata["slideshow"] = _kind("fragment" if late else "subslide")["slideshow"]
            cell.id = f"s{number}-{place}"
            chosen.append(cell)
    return nbformat.v4.new_notebook(cells=chosen, metadata={"title": f"Week {week}"})


def _kind(kind: str) -> dict[str, dict[str, str]]:
    return {"slideshow": {"slide_type": kind}}


def write(week: int, folder: Path) -> Path:
    """The slides of one week as a page for a browser (reveal.js comes from the network when they are shown)."""
    exporter = SlidesExporter(reveal_scroll=True, reveal_number="c/t", reveal_transition="none")
    page, _ = exporter.from_notebook_node(slides_of(week))
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"week-{week}.html"
    target.write_text(page, encoding="utf-8")
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weeks", nargs="*", type=int, help="1 to 6; default: all six")
    parser.add_argument("--out", type=Path, default=Path("slides"))
    arguments = parser.parse_args()
    if wrong := [week for week in arguments.weeks if week not in WEEKS]:
        parser.error(f"there is no week {wrong[0]}; valid: 1 to 6")
    for week in arguments.weeks or WEEKS:
        print(write(week, arguments.out))


if __name__ == "__main__":
    main()
