"""``bnt course`` and ``bnt lab``: the lessons and exercises, out of a checkout or the installed package.

Cells of a lesson with the tag ``clone-only`` speak of what only a clone of the repository has: they are left out of
what is handed to others.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from bnt.display import counted
from bnt.errors import BntError

PACKAGE = Path(__file__).parent
FOLDERS = ("course", "exercises")
FIRST = Path("course", "00_start_here.ipynb")
ONLY_IN_A_CLONE = "clone-only"

README = """# Are transformers Bayesian networks?

{start}
JupyterLab opens on lesson 00, which shows how notebooks work and how to hand in. All lessons, with what each needs and
how long it takes: [course/README.md](course/README.md).

| folder | what is in it |
|---|---|
| `course/` | the lessons, stored with their outputs: they can be read without running anything |
| `exercises/` | one notebook per lesson, with the same name: write your answers there |
"""
INSTALLED = """In a terminal, in this folder:

    bnt lab
"""


class Written(NamedTuple):
    """Files by their names inside the folder: written now, there already and equal, there and different."""

    new: list[str]
    same: list[str]
    left: list[str]


def material() -> Path:
    """The folder that holds course/ and exercises/: inside the installed package, or the checkout that is installed.

    Raises BntError where there is neither.
    """
    for folder in (PACKAGE / "material", PACKAGE.parent):
        if (folder / FIRST).is_file():
            return folder
    raise BntError(f"this installation of bnt in {PACKAGE} came without the course; install it from a wheel or a clone")


def files_for_learners(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its path inside it; hidden ones and cells of ``ONLY_IN_A_CLONE`` left out."""
    files = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in inside.parts):
            content = path.read_bytes()
            files[inside.as_posix()] = without_clone_only(content) if path.suffix == ".ipynb" else content
    return files


def without_clone_only(notebook: bytes) -> bytes:
    """A notebook file without its cells tagged ``ONLY_IN_A_CLONE``; byte for byte the same if it has none."""
    if ONLY_IN_A_CLONE.encode() not in notebook:
        return notebook
    content = json.loads(notebook)
    content["cells"] = [cell for cell in content["cells"] if ONLY_IN_A_CLONE not in cell["metadata"].get("tags", ())]
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def write_course(out: Path) -> Written:
    """Write lessons, exercises and a README into a folder. A file that is there already stays as it is."""
    source = material()
    files = {"README.md": README.format(start=INSTALLED).encode()}
    for folder in FOLDERS:
        files |= {f"{folder}/{name}": content for name, content in files_for_learners(source / folder).items()}
    written = Written([], [], [])
    for name, content in files.items():
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            stream = target.open("xb")  # x: refuses a file that exists
        except FileExistsError:
            same = target.is_file() and target.read_bytes() == content
            (written.same if same else written.left).append(name)
            continue
        try:
            with stream:
                stream.write(content)
        except BaseException:  # a full disk, Ctrl-C: half a file would be left as it is by the next run
            target.unlink()
            raise
        written.new.append(name)
    return written


def run_course(arguments: argparse.Namespace) -> int:
    """``bnt course DIR``: exit code 0, also when files were left as they are."""
    out = arguments.folder
    if out.exists() and not out.is_dir():
        raise BntError(f"{out} is a file; the course needs a folder, one that exists or a new one")
    written = write_course(out)
    print(
        f"{out}: {counted(len(written.new), 'file')} written"
        + (f", {len(written.same)} there already" if written.same else "")
    )
    if written.left:
        print("left as they are, since they hold something else (move one away and run this again for a fresh one):")
        print(*(f"    {name}" for name in written.left), sep="\n")
    print(f'start with: bnt lab "{out}"' if " " in str(out) else f"start with: bnt lab {out}")
    return 0


def lab_folder(given: str | None) -> Path:
    """The folder JupyterLab is to show: it holds course/ and exercises/. Raises BntError if it has no lesson 00.

    Without a name it is the current folder, or else the checkout that is installed. ``course`` itself is understood.
    """
    folder = Path(given or ".").resolve()
    candidates = [folder, folder.parent] if folder.name == "course" else [folder]
    if given is None and (PACKAGE.parent / FIRST).is_file():
        candidates.append(PACKAGE.parent)
    for candidate in candidates:
        if (candidate / FIRST).is_file():
            return candidate
    raise BntError(f"no {FIRST.as_posix()} in {folder}: `bnt course DIR` writes the course, `bnt lab DIR` opens it")


def run_lab(arguments: argparse.Namespace) -> int:
    """``bnt lab [DIR] [JUPYTER OPTIONS]``: JupyterLab on lesson 00, until it is stopped."""
    options: list[str] = arguments.options
    if options in (["-h"], ["--help"]):
        arguments.parser.print_help()
        return 0
    given = options.pop(0) if options and not options[0].startswith("-") else None
    folder = lab_folder(given)
    if find_spec("jupyterlab") is None:
        raise BntError('JupyterLab is not installed: python -m pip install "bnt[course]"')
    command = [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{FIRST.as_posix()}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        print("bnt: you are root; JupyterLab is started all the same (--allow-root)", file=sys.stderr)
        command.append("--allow-root")
    from jupyterlab.labapp import main

    main([*command, *options])
    return 0


def add_commands(subparsers: Any) -> None:
    """Add ``lab`` and ``course`` to argparse subparsers; each sets ``run(arguments) -> exit code``."""
    lab = subparsers.add_parser(
        "lab",
        help="open the course in JupyterLab, on lesson 00",
        usage="bnt lab [DIR] [JUPYTER OPTIONS]",
        description="JupyterLab on lesson 00. Options go to JupyterLab, such as --no-browser or --port=8890; "
        "`jupyter lab --help` lists them.",
        prefix_chars="\0",  # options are not ours: argparse hands all of them on, in their order
        add_help=False,
    )
    lab.add_argument(
        "options", nargs="*", metavar="DIR", help="folder with course/ and exercises/ (default: the current one)"
    )
    lab.set_defaults(run=run_lab, parser=lab)

    course = subparsers.add_parser("course", help="write lessons and exercises into a folder, overwriting nothing")
    course.add_argument("folder", type=Path, metavar="DIR", help="may exist; files in it stay as they are")
    course.set_defaults(run=run_course)
