"""What pyproject.toml cannot say: the wheel carries the lessons and exercises, and links lead to the repository."""

import re
import shutil
import sys
import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))
from bnt.course import FOLDERS, files_for_learners  # noqa: E402  # imports the standard library alone

REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["bnt"]["repository"]


class BuildWithCourse(build_py):
    """Puts course/ and exercises/ (never solutions/) into bnt/material; an editable install reads the checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        material = Path(self.build_lib, "bnt", "material")
        shutil.rmtree(material, ignore_errors=True)
        for folder in FOLDERS:
            for name, content in files_for_learners(ROOT / folder).items():
                (material / folder / name).parent.mkdir(parents=True, exist_ok=True)
                (material / folder / name).write_bytes(content)


def readme() -> str:
    """The README for a package index, which knows neither files nor pictures beside it: every link in full."""

    def in_full(link: re.Match[str]) -> str:
        kind = "raw" if link[1].endswith(".png") else "blob"
        return f"]({REPOSITORY}/{kind}/main/{link[1]})"

    return re.sub(r"\]\((?!https?:|#)([^)]+)\)", in_full, (ROOT / "README.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    setup(
        cmdclass={"build_py": BuildWithCourse},
        long_description=readme(),
        long_description_content_type="text/markdown",
        project_urls={
            "Repository": REPOSITORY,
            "Issues": f"{REPOSITORY}/issues",
            "Changelog": f"{REPOSITORY}/blob/main/CHANGELOG.md",
            "Paper": "https://arxiv.org/abs/2603.17063",
        },
    )
