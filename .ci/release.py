"""Everything that must be right before a release, and nothing that cannot be undone:  python .ci/release.py

Builds sdist and wheel in a fresh clone of what is committed, checks them with twine, installs the wheel outside the
repository, builds the site, and compares versions, changelog, citation and links. Uploads nothing. Exit code 0: all
checks pass. What only a person can do before the tag is listed as open; with --final it counts as failed.

Needs the extras dev and site, and pip's index.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
PLACEHOLDER = "repository.example"


def run(*command: object, cwd: Path = REPO, env: dict[str, str] | None = None) -> str:
    """What the command printed. Raises RuntimeError with its last lines if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def version_of(repo: Path) -> str:
    (found,) = re.findall(r'^__version__ = "(.+)"$', (repo / "bnt" / "__init__.py").read_text(), re.MULTILINE)
    return found


def words_to_mend(repo: Path) -> tuple[list[str], list[str]]:
    """(wrong, open): what versions, changelog, citation and address say. Open: a person does it before the tag."""
    version, wrong, open_ = version_of(repo), [], []
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        wrong.append(f"bnt/__init__.py: {version} is no version of a release")
    if f"\nversion: {version}\n" not in (repo / "CITATION.cff").read_text(encoding="utf-8"):
        wrong.append(f"CITATION.cff does not say version {version}")
    changelog = (repo / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.*)$", changelog, re.MULTILINE)
    if heads[0] == f"{version}, unreleased":
        open_.append(f'CHANGELOG.md: the date in place of "{heads[0]}"')
    elif not re.fullmatch(rf"{re.escape(version)}, \d{{4}}-\d\d-\d\d", heads[0]):
        wrong.append(f'CHANGELOG.md begins with "{heads[0]}", not with "{version}, YYYY-MM-DD"')
    if not re.search(r"^- ", changelog.partition(f"## {heads[0]}")[2].partition("\n## ")[0], re.MULTILINE):
        wrong.append(f'CHANGELOG.md says nothing under "{heads[0]}"')
    address = tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["bnt"]["repository"]
    if PLACEHOLDER in address:
        open_.append("pyproject.toml: the address of the repository, table tool.bnt")
    return wrong, open_


def build(clone: Path, dist: Path) -> None:
    run(sys.executable, "-m", "build", "--outdir", dist, clone)
    run(sys.executable, "-m", "twine", "check", "--strict", *sorted(dist.iterdir()))


def try_wheel(dist: Path, folder: Path) -> None:
    """Install it where no repository is, and use it there."""
    outside = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    venv.create(folder / "venv", with_pip=True)
    (wheel,) = dist.glob("*.whl")
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", f"{wheel}[course]", cwd=folder, env=outside)
    bnt = folder / "venv" / "bin" / "bnt"
    said = run(bnt, "--version", cwd=folder, env=outside)
    if said != f"bnt {version_of(REPO)}\n":
        raise RuntimeError(f"the installed package says {said!r}")
    run(bnt, "verify", "chain", cwd=folder, env=outside)
    run(bnt, "course", "mine", cwd=folder, env=outside)
    if not (folder / "mine" / "course" / "00_start_here.ipynb").exists():
        raise RuntimeError("bnt course wrote no lessons")


def try_site(clone: Path, folder: Path) -> None:
    """Build it, warnings as errors, and follow every link."""
    run(sys.executable, clone / "site" / "build.py", "--out", folder / "site", cwd=clone)
    links = "tests/site/test_site.py::test_every_link_and_every_anchor_is_there"
    environment = {**os.environ, "BNT_SITE": str(folder / "site")}
    run(sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "slow", links, cwd=clone, env=environment)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--final", action="store_true", help="what is still open counts as failed")
    parser.add_argument("--dist", type=Path, help="keep sdist and wheel in this folder")
    asked = parser.parse_args()
    failed = 0
    wrong, open_ = words_to_mend(REPO)
    if run("git", "status", "--porcelain"):
        open_.append("changes that are not committed are not in what is checked here")
    for sentence in wrong:
        print(f"WRONG  {sentence}")
        failed += 1
    with tempfile.TemporaryDirectory(prefix="bnt-release-") as scratch:
        folder = Path(scratch)
        clone, dist = folder / "clone", (asked.dist or folder / "dist").resolve()
        if dist.exists() and any(dist.iterdir()):
            sys.exit(f"{dist} is not empty: name another folder, so that nothing old is uploaded")
        run("git", "clone", "--quiet", "--no-hardlinks", REPO, clone)
        outside = folder / "outside"
        outside.mkdir()
        parts = {
            "sdist and wheel, twine": lambda: build(clone, dist),
            "the wheel outside the repository": lambda: try_wheel(dist, outside),
            "the site, and its links": lambda: try_site(clone, outside),
        }
        for name, part in parts.items():
            try:
                part()
                print(f"good   {name}", flush=True)
            except (RuntimeError, ValueError) as error:
                print(f"WRONG  {name}: {error}", flush=True)
                failed += 1
    for sentence in open_:
        print(f"open   {sentence}")
    return int(bool(failed or (asked.final and open_)))


if __name__ == "__main__":
    sys.exit(main())
