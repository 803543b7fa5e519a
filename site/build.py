"""Builds the course as a website, every page of it from this checkout:  python site/build.py --out DIR

Lessons, exercises and docs are read as they are committed; a widget's frames are those that its stored output carries,
which ship with the package. The ledger is run once and kept by a hash of the library, sphinx keeps what has not
changed, so a second build is quick. Needs pip install -e ".[course,site]" and, after that, no network.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parent
sys.path[:0] = [str(HERE), str(REPO), str(REPO / "docs")]
CACHE = REPO / "build" / "site"
OWN_PAGES = ("genindex", "py-modindex", "search")  # sphinx makes them without a source
MARK = "made-by-site-build.json"  # says that a folder may be written again, and what is in it


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished site")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of what is kept between builds")
    parser.add_argument("--cold", action="store_true", help="forget what was kept: run the ledger and sphinx anew")
    parser.add_argument("--claims", type=Path, help="what `bnt claims --json` printed, instead of running the ledger")
    parser.add_argument("--processes", type=int, default=2, choices=(1, 2), help="that sphinx may use (default 2)")
    parser.add_argument("--record", type=Path, help="write seconds and sizes to this file, too")
    return parser.parse_args()


class Clock:
    """Says what begins, and how long each part took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        print(f"{name} ...", flush=True)
        begin = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begin, 1)
        print(f"{name}: {self.seconds[name]} s", flush=True)


def hash_of_library() -> str:
    """Of all that a row of the ledger may read."""
    kinds = (".py", ".json", ".npz", ".bif", ".gz", ".kb")
    files = [path for path in (REPO / "bnt").rglob("*") if path.suffix in kinds]
    sums = hashlib.sha256()
    for path in sorted(files):
        sums.update(path.relative_to(REPO).as_posix().encode() + path.read_bytes())
    return sums.hexdigest()[:16]


def ledger(cache: Path, given: Path | None) -> list[dict[str, object]]:
    """The rows of `bnt claims --json`: given, kept, or run now."""
    kept = given or cache / f"claims-{hash_of_library()}.json"
    if given and not given.is_file():
        sys.exit(f"{given} is no file: --claims wants what `bnt claims --json` printed")
    if not kept.exists():
        command = [sys.executable, "-m", "bnt", "claims", "--json"]
        done = subprocess.run(command, cwd=REPO, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        if done.returncode:
            sys.exit("the ledger has a row whose check contradicts its verdict: see `bnt claims`")
        kept.write_text(done.stdout, encoding="utf-8")
    rows: list[dict[str, object]] = json.loads(kept.read_text(encoding="utf-8"))
    return rows


def ready(out: Path) -> None:
    """An empty folder, or one that this program has made. Ends the program for any other."""
    if out.exists() and not out.is_dir():
        sys.exit(f"{out} is a file: name a folder, an empty one or a new one")
    if out.exists() and any(out.iterdir()) and not (out / MARK).exists():
        sys.exit(f"{out} holds something that this program has not made: name an empty folder, or remove it")
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).touch()


def forget(cache: Path) -> None:
    """Remove what builds have kept there, and nothing else: it may be a folder that the user named."""
    for name in ("source", "doctrees"):
        shutil.rmtree(cache / name, ignore_errors=True)
    for path in cache.glob("claims-*.json"):
        path.unlink()


def sweep(source: Path, out: Path) -> None:
    """Remove pages of before whose sources are gone."""
    texts = [path.relative_to(source) for path in source.rglob("*") if path.suffix in (".md", ".ipynb")]
    pages = {out / path.with_suffix(".html") for path in texts} | {out / f"{name}.html" for name in OWN_PAGES}
    for path in set(out.rglob("*.html")) - pages:
        if path.relative_to(out).parts[0] not in ("_modules", "_static", "slides"):
            path.unlink()


def weigh(out: Path) -> dict[str, object]:
    """How many pages and files there are, how many of the pages' widgets move, and megabytes."""
    files = [path for path in out.rglob("*") if path.is_file()]
    pages = [path for path in files if path.suffix == ".html"]
    widgets = sum(path.read_text(encoding="utf-8").count("data-bnt-mount=") for path in pages)
    size = round(sum(path.stat().st_size for path in files) / 1e6, 1)
    return {"pages": len(pages), "files": len(files), "widgets": widgets, "megabytes": size}


def load() -> str:
    """How busy the machine was in the last minute; Windows does not say."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def main() -> int:
    asked, clock = arguments(), Clock()
    try:
        import sphinx.cmd.build
    except ImportError:
        sys.exit('sphinx is missing: python -m pip install -e ".[course,site]"')
    from sources import write_sources

    begin = time.monotonic()
    out, cache = asked.out.resolve(), asked.cache.resolve()
    ready(out)
    if asked.cold:
        forget(cache)
    cache.mkdir(parents=True, exist_ok=True)
    with clock.part("the ledger"):
        rows = ledger(cache, asked.claims)
    with clock.part("pages from the checkout"):
        write_sources(REPO, cache / "source", rows)
    with clock.part("sphinx"):
        shutil.rmtree(out / "_modules", ignore_errors=True)  # sphinx does not renew their links to pages that moved
        options = ["-W", "--keep-going", "-q", "-b", "html", "-j", str(asked.processes)]
        code = sphinx.cmd.build.build_main([*options, "-d", str(cache / "doctrees"), str(cache / "source"), str(out)])
    if code:
        return code
    sweep(cache / "source", out)
    shutil.rmtree(out / ".doctrees", ignore_errors=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {load()} at the end"
    found = {
        "cold": asked.cold,
        "machine": machine,
        "seconds": clock.seconds,
        "total": round(time.monotonic() - begin, 1),
        **weigh(out),
    }
    for path in {out / MARK, asked.record or out / MARK}:
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"{out}: {found['pages']} pages, {found['widgets']} widgets, {found['megabytes']} MB, {found['total']} s")
    print(f'look at it: python site/serve.py "{asked.out}"')
    return 0


if __name__ == "__main__":
    sys.exit(main())
