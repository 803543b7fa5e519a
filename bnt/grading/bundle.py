"""What a class folder holds beside the exercises: lessons, a README, and the project's wheel with its requirements."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from bnt.course import PACKAGE, README, files_for_learners
from bnt.errors import FormatError

# All that the wheel is built from. A copy of these alone is built: old files in build/ would be packed as well.
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "bnt", "course", "exercises")
CLASS = """With Python 3.11 or newer, in a terminal, in this folder, and best in a
[virtual environment](https://docs.python.org/3/library/venv.html):

    python -m pip install -r requirements.txt && bnt lab

The next time `bnt lab` is enough.
"""


def lessons(sources: list[Path]) -> dict[str, bytes]:
    """``course/...`` -> content for every file in course/ beside the folder of the sources."""
    files: dict[str, bytes] = {}
    for course in sorted({source.resolve().parent.parent / "course" for source in sources}):
        if not course.is_dir():
            raise FormatError(f"--bundle: no lessons in {course}")
        files |= {f"course/{name}": content for name, content in files_for_learners(course).items()}
    return files


def to_install(sources: list[Path], wheel: Path | None) -> dict[str, bytes]:
    """README, requirements and the wheel; without one it is built from the checkout of the sources, or of bnt."""
    with tempfile.TemporaryDirectory() as folder:
        built = wheel or _build(_checkout(sources), Path(folder))
        content = built.read_bytes()
    return {
        "README.md": README.format(start=CLASS).encode(),
        "requirements.txt": f"./wheel/{built.name}[course]\n".encode(),
        f"wheel/{built.name}": content,
    }


def _checkout(sources: list[Path]) -> Path:
    for folder in (*(source.resolve().parent.parent for source in sources), PACKAGE.parent):
        project = folder / "pyproject.toml"
        if project.is_file() and tomllib.loads(project.read_text(encoding="utf-8"))["project"]["name"] == "bnt":
            return folder
    raise FormatError("--bundle builds the wheel of bnt, and there is no checkout of it here; name one: --wheel FILE")


def _build(checkout: Path, folder: Path) -> Path:
    copy = folder / "source"
    for name in SOURCES:
        source = checkout / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            copy.mkdir(exist_ok=True)
            shutil.copy(source, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder}", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        why = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise FormatError(f"--bundle: pip could not build the wheel of bnt: {why}")
    (wheel,) = folder.glob("bnt-*.whl")
    return wheel
