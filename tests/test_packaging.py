"""The promises of the package itself: a light import, one list of dependencies, the README."""

import ast
import importlib.metadata
import re
import runpy
import subprocess
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import bnt

REPO = Path(__file__).resolve().parent.parent
BNT = Path(sys.executable).with_name("bnt")  # the installed entry point
PYPROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())
PROJECT, ADDRESS = PYPROJECT["project"], PYPROJECT["tool"]["bnt"]["repository"]

SOURCES = sorted((REPO / "bnt").rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, at its top or inside functions; `bnt.` names in full."""
    package = path.relative_to(REPO).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*above, node.module] if node.module else above)
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def test_only_the_kernels_import_numba() -> None:
    users = {path.stem for path in SOURCES for name in imports(path) if name.split(".")[0] == "numba"}
    assert users == {"jit"}


def test_import_is_light() -> None:
    """`import bnt` after numpy costs at most 0.3 s and loads none of the heavy libraries."""
    heavy = ["numba", "pgmpy", "networkx", "matplotlib", "ipywidgets", "pandas", "scipy", "IPython", "pytest"]
    code = f"""if True:
        import sys, time, numpy
        start = time.process_time()
        import bnt
        print(time.process_time() - start, *[name for name in {heavy} if name in sys.modules])"""
    seconds = []
    for _ in range(3):  # the first may have to write bytecode
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        time, *loaded = run.stdout.split()
        assert not loaded
        seconds.append(float(time))
    assert min(seconds) < 0.3


def requirements(*extras: str) -> set[str]:
    listed = PROJECT["dependencies"] + [r for e in extras for r in PROJECT["optional-dependencies"][e]]
    return {requirement for requirement in listed if not requirement.startswith("bnt[")}


def test_environment_yml_equals_pyproject() -> None:
    listed = yaml.safe_load((REPO / "environment.yml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in listed if isinstance(entry, dict)]
    conda = [entry.replace("_", "-") for entry in listed if isinstance(entry, str)]
    python = "python" + PROJECT["requires-python"]
    declared = requirements("course", "grade", "dask", "encoder", "test", "site", "dev")
    assert sorted(conda + pip) == sorted(declared | {python, "pip", "-e ."})


def name_of(requirement: str) -> str:
    return re.split(r"[<>=\[!~ ]", requirement)[0]


def test_library_imports_what_it_declares_and_declares_what_it_imports() -> None:
    distributions = importlib.metadata.packages_distributions()
    modules = {name.split(".")[0] for path in SOURCES for name in imports(path)}
    foreign = modules - {"bnt"} - sys.stdlib_module_names
    used = {distributions.get(module, [module])[0].lower().replace("_", "-") for module in foreign}
    assert used <= {name_of(requirement) for requirement in requirements("course", "grade", "dask", "encoder")}
    assert used >= {name_of(requirement) for requirement in requirements()}


def test_commands_of_the_readme_exist() -> None:
    readme = (REPO / "README.md").read_text()
    for command in (
        'python -m pip install -e ".[course]" && bnt lab',
        'python -m pip install -e ".[test]" && pytest',
    ):
        assert command in readme
    named = set(re.findall(r"`bnt ([a-z]+)", readme))
    assert named >= {"posterior", "verify"}
    for subcommand in named:
        subprocess.run([BNT, subcommand, "--help"], capture_output=True, check=True)
    for target in re.findall(r"\]\(([^):#]+)\)", readme):
        assert (REPO / target).exists(), f"README links to {target}"


def test_lowest_versions_are_the_declared_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    script = runpy.run_path(str(REPO / ".ci" / "lowest.py"), run_name="__main__")
    pins = capsys.readouterr().out.split()
    declared = requirements("course", "grade", "dask", "encoder", "test")
    assert {pin.split("==")[0] for pin in pins} == {name_of(requirement) for requirement in declared}
    bounds = {re.sub(r"\[.*\]", "", requirement).split(",")[0] for requirement in declared}
    assert {re.sub("[>=]=", "==", bound) for bound in bounds} == set(pins)
    with pytest.raises(ValueError, match="'numpy' in pyproject"):
        script["lowest"](["numpy"])


def test_the_address_of_the_repository_is_written_once() -> None:
    """Until there is one it is a placeholder, in pyproject.toml and nowhere else."""
    texts = (".md", ".py", ".ipynb", ".cff", ".yml", ".toml")
    folders = (
        "bnt",
        "course",
        "exercises",
        "solutions",
        "docs",
        "tests",
        "experiments",
        "benchmarks",
        ".github",
        ".ci",
        "site",
    )
    paths = [path for path in REPO.iterdir() if path.is_file()]
    paths += [path for folder in folders for path in (REPO / folder).rglob("*")]
    named = [path.name for path in paths if path.suffix in texts and ADDRESS in path.read_text(encoding="utf-8")]
    assert named == ["pyproject.toml"]


def test_links_of_the_readme_work_on_a_package_index(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}
    monkeypatch.setitem(sys.modules, "setuptools", types.SimpleNamespace(setup=given.update))
    monkeypatch.setitem(sys.modules, "setuptools.command.build_py", types.SimpleNamespace(build_py=object))
    runpy.run_path(str(REPO / "setup.py"), run_name="__main__")
    links = re.findall(r"\]\(([^)]+)\)", str(given["long_description"]))
    ours = [link.removeprefix(ADDRESS) for link in links if link.startswith(ADDRESS)]
    assert len(ours) > 10
    assert all(link.startswith("https://") for link in links)
    for link in ours:
        _, kind, branch, path = link.split("/", 3)
        assert (REPO / path).exists()
        assert (kind, branch) == ("raw" if path.endswith(".png") else "blob", "main")


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((REPO / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (bnt.__version__, PROJECT["license"])


def test_issue_forms_can_be_read() -> None:
    forms = [path for path in (REPO / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert len(forms) == 2
    for path in forms:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= form.keys()
