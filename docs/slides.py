"""Slides for eight weeks, made of cells of the lessons:  python docs/slides.py --out slides

Writes week-1.html to week-8.html (or those weeks that are named) for a browser: nbconvert, reveal.js and MathJax, whose
scripts are laid beside them, so that slides need no network. There is no second text: a slide is a cell of a lesson,
named below by its id, so a lesson that is mended mends its slide. A folded answer comes at the next press of a key; a
prediction keeps its box, which works without a kernel. Needs the extra `site`.
"""

import argparse
import copy
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from importlib.metadata import files as files_of_package
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
        "15": "count-predict count-guess count-reveal count-after fractal probe-predict probe-guess probe-reveal "
        "triangles-why triangles controls-why symbols-guess symbols-reveal controls-after rest-why rest-guess "
        "rest-reveal rest-after both-guess both-reveal both-after summary",
    },
    7: {
        "16": "friends-why friends mean-why mean-guess mean-reveal mean-after trees-why column-guess column-reveal "
        "column-after trw-guess trw-reveal trw-after bounds-why bethe-guess bounds-reveal bounds-after winner-why "
        "winner-guess winner winner-after cavity-why cavity-guess cavity-trees cavity-after cavity",
        "17": "gate-why summer-guess summer-reveal gate-proof odds-predict odds-guess odds-reveal odds-after experts "
        "experts-after rotary-why repeat-guess repeat-reveal planes-why planes planes-after graphs-predict "
        "backwards-guess backwards-reveal graphs-after image-why tokens-guess tokens-reveal image-try image "
        "blame-predict blame-guess blame-reveal image-after",
        "18": "room-why room right-predict right-guess right-reveal right-after ball-predict ball-guess ball-reveal "
        "ball-after wish-why steer-guess steer-reveal steer-after temperature-why cold-guess cold-reveal "
        "cold-after summary",
    },
    8: {
        "19": "models-why ruler-why kind-guess ruler ruler-after real-why sharp-guess real real-after walk sinks-why "
        "written-guess written written-after posterior-why any-guess any any-proof graph-why graph-after "
        "calibration-why calibration-predict right-guess calibration calibration-after survive",
        "20": "why arrows data-why table-predict table-guess table table-after ask-why inside-guess ask ask-after "
        "boot-guess boot boot-after design-why design-guess design design-after flip-guess flip flip-after verify-why "
        "verify verify-after record-why record forge-why forge-guess forge forge-after explain explain-after sign",
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
            asks = "widgets.guess(" in cell.source and chosen[-1].metadata["slideshow"]["slide_type"] == "subslide"
            kind = "fragment" if late else "-" if asks else "subslide"  # a box stands below its question
            cell.metadata["slideshow"] = _kind(kind)["slideshow"]
            if cell.cell_type == "markdown":
                cell.source = re.sub(
                    r"(?<!!)\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", cell.source
                )  # links lead off a slide
            cell.id = f"s{number}-{place}"
            chosen.append(cell)
    return nbformat.v4.new_notebook(cells=chosen, metadata={"title": f"Week {week}"})


def _kind(kind: str) -> dict[str, dict[str, str]]:
    return {"slideshow": {"slide_type": kind}}


def _files(package: str, after: str) -> Iterator[tuple[str, bytes]]:
    """Name below ``after`` and content of a package's files. Ends the program without that package."""
    try:
        paths = files_of_package(package) or ()
    except PackageNotFoundError:
        sys.exit(f'{package} is missing: python -m pip install -e ".[course,site]"')
    for path in paths:
        inside = path.as_posix().partition(after)[2]
        if inside:
            yield inside, Path(str(path.locate())).read_bytes()


def reveal() -> dict[str, bytes]:
    """The files of reveal.js that slides need; its theme without a font of its own."""
    wanted = {"reveal.js", "reveal.css", "theme/white.css"}
    found = {name: raw for name, raw in _files("sphinx-revealjs", "/revealjs/dist/") if name in wanted}
    if found.keys() != wanted:
        sys.exit("sphinx-revealjs does not hold reveal.js where it used to")
    found["theme/white.css"] = re.sub(rb"@import[^;]*;", b"", found["theme/white.css"])
    found["reveal.js"] = re.sub(rb"//# sourceMappingURL=.*", b"", found["reveal.js"])
    return {f"dist/{name}": raw for name, raw in found.items()}


def mathjax() -> dict[str, bytes]:
    """The one script and the fonts that formulas need, out of the package that carries MathJax 3."""
    found = {
        name: raw
        for name, raw in _files("django-static-mathjax", "mathjax/static/mathjax/es5/")
        if name == "tex-mml-chtml.js" or name.startswith("output/chtml/fonts/woff-v2/")
    }
    if len(found) < 2:
        sys.exit("django-static-mathjax does not hold MathJax 3 where it used to")
    return found


def page(week: int, mathjax: str = "mathjax") -> str:
    """The slides of one week; ``mathjax``: the folder of its script, seen from the page."""
    exporter = SlidesExporter(
        template_name="slides_template", extra_template_basedirs=[str(Path(__file__).parent)],
        exclude_anchor_links=True, reveal_theme="white", reveal_url_prefix="reveal",
        mathjax_url=f"{mathjax}/tex-mml-chtml.js",
    )  # fmt: skip
    return str(exporter.from_notebook_node(slides_of(week))[0])


def write(week: int, folder: Path) -> Path:
    """One week as a page for a browser, with the scripts that it needs beside it."""
    laid = {f"reveal/{name}": raw for name, raw in reveal().items()}
    laid |= {f"mathjax/{name}": raw for name, raw in mathjax().items()}
    target = folder / f"week-{week}.html"
    for name, raw in laid.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    target.write_text(page(week), encoding="utf-8")
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weeks", nargs="*", type=int, help="1 to 8; default: all")
    parser.add_argument("--out", type=Path, default=Path("slides"))
    arguments = parser.parse_args()
    if wrong := [week for week in arguments.weeks if week not in WEEKS]:
        parser.error(f"there is no week {wrong[0]}; valid: 1 to 8")
    for week in arguments.weeks or WEEKS:
        print(write(week, arguments.out))


if __name__ == "__main__":
    main()
