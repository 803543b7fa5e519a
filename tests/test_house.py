"""The house: rooms in order, no circle of files, few files flat, every room says what it is.

A room imports only what stands before it in ``ROOMS``; inside a room files import each other without circles. Imports
inside functions count. Four doors look back on purpose (``FACADES``).
"""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import networkx as nx
import pytest

import bnt

REPO = Path(__file__).resolve().parent.parent
# fmt: off
ROOMS = [
    "errors", "checks", "odds", "stored", "display", "policy", "exercise", "course", "graph", "kernels",
    "variational", "inference", "transformer", "compiler", "pgmpy_engines", "reading", "training", "knowledge",
    "sequences", "generation", "designs", "wind_tunnels", "learned", "claims", "records", "figures", "widgets", "cli",
    "__main__",
]
# fmt: on
RANK = {room: place for place, room in enumerate(ROOMS)}
FACADES = {
    ("bnt.graph.factor_graph", "bnt.graph.pgmpy_bridge"),  # FactorGraph.from_pgmpy
    ("bnt.knowledge.base", "bnt.knowledge.grounding"),  # KnowledgeBase.ground
    ("bnt.display", "bnt.figures.results"),  # result.plot(): one door, so that no room below knows matplotlib
    ("bnt.display", "bnt.records.record"),  # answer.record(): the same door
}
GRADING_MAY_IMPORT = {"", "errors", "policy", "exercise", "course", "grading"}
MOST_FLAT, MOST_IN_A_ROOM = 12, 14

# A module has a test file of its name in the mirroring folder, or stands here beside the file that tests it.
TESTED_IN = {
    "test_cli.py": "errors",
    "attacks/test_attacks.py": "grading.author grading.inside grading.limits grading.sandbox",
    "browser/test_desk.py": "grading.desk_server",
    "claims/test_run.py": """claims.ledger claims.paper claims.render claims.rows.activations claims.rows.depth
        claims.rows.encoders claims.rows.generalising claims.rows.generation claims.rows.knowledge claims.rows.learning
        claims.rows.logic claims.rows.loops claims.rows.machines claims.rows.mixtures claims.rows.rotary
        claims.rows.rounds claims.rows.routing claims.rows.shapes claims.rows.variational claims.rows.weights
        claims.rows.wind_tunnels""",
    "compiler/test_general.py": "compiler.compile compiler.configurations compiler.model",
    "compiler/test_networks.py": "compiler.junction_tree",
    "figures/test_graphs.py": "figures.drawing",
    "grading/test_grade.py": """exercise grading.commands grading.execute grading.family grading.finished
        grading.nbval_guard grading.pages grading.paper grading.reasons grading.report grading.rows grading.running
        grading.session grading.source grading.submissions grading.titles grading.worker""",
    "grading/test_layouts.py": "grading.archives grading.collect grading.lateness",
    "grading/test_manual.py": "grading.desk grading.gradebooks grading.similarity",
    "grading/test_release.py": "grading.before grading.bundle grading.disguise grading.versions",
    "graph/test_bif.py": "graph.bayesian_network graph.text_files",
    "inference/test_belief_propagation.py": "inference.result",
    "inference/test_junction_tree.py": "inference.triangulation kernels.cliques kernels.trees",
    "inference/test_variational.py": "variational.mean_field variational.reweighted",
    "kernels/test_equations.py": """graph.flat kernels.options kernels.pairwise kernels.readout kernels.schedules
        kernels.one_by_one kernels.solve kernels.tables""",
    "knowledge/test_base.py": "knowledge.grounding knowledge.noisy_gates knowledge.text",
    "knowledge/test_hallucination.py": "knowledge.perceptron",
    "knowledge/test_queries.py": "knowledge.explanations",
    "learned/test_reach.py": "learned.insides",
    "reading/test_diagnostics.py": "inference.spectral_bound",
    "reading/test_implicit_graph.py": "reading.log_odds_transformer reading.recovery",
    "designs/test_design.py": "designs.filters designs.graphs designs.specification",
    "records/test_record.py": "records.models records.page records.reasons",
    "sequences/test_hmm.py": "kernels.chains",
    "test_display.py": "figures.results",
    "training/test_train.py": "training.checkpoints training.parameters",
    "transformer/test_forward.py": "transformer.activations transformer.blocks",
    "transformer/test_sparse.py": "transformer.compiled transformer.loops",
    "widgets/test_prediction.py": "widgets.live",
    "wind_tunnels/test_measures.py": "wind_tunnels.hidden_markov wind_tunnels.tasks",
    "wind_tunnels/test_shipped.py": "wind_tunnels.training",
}
WITHOUT_TEST = {"bnt.grading.mutation", "bnt.grading.trial"}  # to be emptied


def files_of(repo: Path) -> dict[str, Path]:
    """Every module of bnt by its dotted name."""
    return {
        ".".join(path.relative_to(repo).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((repo / "bnt").rglob("*.py"))
    }


def imported_names(path: Path, module: str, is_package: bool) -> Iterator[str]:
    """Dotted names of all that a file imports, at its top or inside functions."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def arrows_of(repo: Path) -> nx.DiGraph:
    """module -> module for every import inside bnt; a package's face counts as the package."""
    files = files_of(repo)
    arrows = nx.DiGraph()
    arrows.add_nodes_from(files)
    for module, path in files.items():
        if module == "bnt":
            continue  # the public names are loaded lazily from everywhere
        for name in imported_names(path, module, path.name == "__init__.py"):
            target = name
            while target and target not in files:
                target = target.rpartition(".")[0]
            if target and target != module:
                arrows.add_edge(module, target)
    return arrows


def room_of(module: str) -> str:
    return [*module.split("."), ""][1]


def upward(arrows: nx.DiGraph) -> list[tuple[str, str]]:
    """Imports that point to a later room; of grading, those of anything but its three neighbours."""
    wrong = []
    for module, target in set(arrows.edges) - FACADES:
        room, other = room_of(module), room_of(target)
        if room == "grading":
            wrong += [(module, target)] if other not in GRADING_MAY_IMPORT else []
        elif other == "grading":
            wrong += [(module, target)] if room != "cli" else []
        elif other and RANK[other] > RANK[room]:
            wrong.append((module, target))
    return wrong


def circles(arrows: nx.DiGraph) -> list[list[str]]:
    """Files that import each other in a ring; lazy faces of rooms and the named facades are left out."""
    files = arrows.copy()
    files.remove_edges_from(FACADES)
    files.remove_nodes_from([m for m in arrows if (REPO / m.replace(".", "/") / "__init__.py").exists()])
    return [sorted(ring) for ring in nx.strongly_connected_components(files) if len(ring) > 1]


@pytest.fixture(scope="module")
def arrows() -> nx.DiGraph:
    return arrows_of(REPO)


def test_every_file_stands_in_a_known_room(arrows: nx.DiGraph) -> None:
    assert {room_of(module) for module in arrows} - set(ROOMS) == {"", "grading"}


def test_arrows_between_rooms_point_down(arrows: nx.DiGraph) -> None:
    assert upward(arrows) == []


def test_no_circle_of_files(arrows: nx.DiGraph) -> None:
    assert circles(arrows) == []


def test_the_facades_are_still_needed(arrows: nx.DiGraph) -> None:
    assert set(arrows.edges) >= FACADES


def test_few_files_flat_and_rooms_not_crowded() -> None:
    assert len(list((REPO / "bnt").glob("*.py"))) <= MOST_FLAT
    for face in (REPO / "bnt").glob("*/__init__.py"):
        files = [path for path in face.parent.glob("*.py") if path != face]
        assert len(files) <= MOST_IN_A_ROOM or face.parent.name == "grading", face.parent.name


def test_each_room_says_what_it_is() -> None:
    for face in sorted((REPO / "bnt").glob("*/__init__.py")):
        said = ast.get_docstring(ast.parse(face.read_text())) or ""
        assert len(said.split()) >= 12, face.parent.name
        if face.parent.name != "grading":
            for line in ("Equation: ", "Read first: ", "May import: "):
                assert line in said, f"{face.parent.name} lacks {line!r}"


def test_every_module_has_its_test(arrows: nx.DiGraph) -> None:
    """By name, or by a line of TESTED_IN whose test reaches the module: it imports it, or what imports it."""
    listed = {f"bnt.{module}": test for test, modules in TESTED_IN.items() for module in modules.split()}
    assert sum(len(modules.split()) for modules in TESTED_IN.values()) == len(listed), "a module is listed twice"
    assert not set(listed) - set(arrows), "listed in TESTED_IN, but there is no such module"
    rooms = {face.parent.name for face in (REPO / "bnt").glob("*/__init__.py")}
    for module in sorted(arrows):
        if module in {"bnt", *WITHOUT_TEST} or module.split(".")[-1] in {*rooms, "rows", "__main__"}:
            continue
        *room, name = module.split(".")[1:]
        own = REPO.joinpath("tests", *room, f"test_{name}.py")
        if own.exists():
            assert module not in listed, f"{module} has {own.relative_to(REPO)}; take it out of TESTED_IN"
            continue
        assert module in listed, f"write {own.relative_to(REPO)}, or say in TESTED_IN which test is that of {module}"
        assert module in reached_by(REPO / "tests" / listed[module], arrows), f"{listed[module]} never uses {module}"


@cache
def started_by(arrows: nx.DiGraph) -> nx.DiGraph:
    """The arrows, and those from a module to the programs that it names in a string."""
    started = arrows.copy()
    started.remove_node("bnt")  # whose public names lead everywhere
    for module, path in files_of(REPO).items():
        constants = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        room = module.rpartition(".")[0]
        constants |= {f"{room}.{c[:-3]}" for c in constants if isinstance(c, str) and c.endswith(".py")}
        started.add_edges_from((module, name) for name in constants & set(arrows) if module != "bnt")
    return started


def reached_by(test: Path, arrows: nx.DiGraph) -> set[str]:
    """Modules that a test and its helpers name: imports, public names, programs started by name; and theirs in turn."""
    started = started_by(arrows)
    homes = {f"bnt.{public}": f"bnt.{module}" for public, module in bnt._MODULE_OF.items()}
    named, seen, queue = set(), set(), [test]
    while queue:
        path = queue.pop()
        seen.add(path)
        names = set(imported_names(path, "tests.here", False))
        names |= {f"bnt.{public}" for public in re.findall(r"\bbnt\.([A-Za-z_.]+)", path.read_text(encoding="utf-8"))}
        for name in names:
            helper = REPO / (".".join(name.split(".")[:-1]).replace(".", "/") + ".py")
            if name.startswith("tests.") and helper.exists() and helper not in seen:
                queue.append(helper)
            target = homes.get(".".join(name.split(".")[:2]), name)
            while target and target not in started:
                target = target.rpartition(".")[0]
            named |= {target} - {""}
    return named.union(*(nx.descendants(started, module) for module in named))


@pytest.mark.parametrize("room", ["figures", "widgets", "claims"])
def test_lessons_need_only_the_name_of_these_rooms(room: str) -> None:
    """Every name is there, none is also a module (whose import would hide it), and no picture is left out."""
    face = import_module(f"bnt.{room}")
    modules = [path.stem for path in (REPO / "bnt" / room).glob("*.py") if path.stem != "__init__"]
    loaded = [import_module(f"bnt.{room}.{module}") for module in modules]
    assert not set(face.__all__) & set(modules)
    assert len(face.__all__) == len(set(face.__all__))
    for name in face.__all__:
        assert name.isupper() or getattr(face, name).__module__.startswith(f"bnt.{room}.")
        assert getattr(face, name) is not None
    drawn = {
        name
        for module in loaded
        for name, value in vars(module).items()
        if not name.startswith("_") and get_annotations(value).get("return") in ("Picture", "Explorer")
    }
    assert drawn <= set(face.__all__)
    with pytest.raises(AttributeError, match="public names"):
        face.no_such_name  # noqa: B018


def get_annotations(value: object) -> dict[str, object]:
    return inspect.get_annotations(value) if inspect.isfunction(value) else {}


@pytest.mark.parametrize(
    ("module", "line", "caught_by"),
    [
        ("bnt.graph.evidence", "from bnt.kernels import options", upward),
        ("bnt.graph.evidence", "def late():\n    from bnt.inference.exact import exact_marginals", upward),
        ("bnt.grading.report", "from bnt.graph import beliefs", upward),
        ("bnt.inference.exact", "from bnt import grading", upward),
        ("bnt.graph.evidence", "from . import flat", circles),
        ("bnt.errors", "import bnt.checks", circles),
    ],
)
def test_one_import_put_the_wrong_way_is_seen(tmp_path: Path, module: str, line: str, caught_by) -> None:
    for name, path in files_of(REPO).items():
        copy = tmp_path / path.relative_to(REPO)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text() + (f"\n{line}\n" if name == module else ""))
    assert caught_by(arrows_of(tmp_path))
