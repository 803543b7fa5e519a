"""The lowest versions that pyproject.toml declares, as constraints for pip:  python .ci/lowest.py > lowest.txt

`pip install -c lowest.txt -e ".[test]"` then installs exactly what the bounds promise to be enough.
"""

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def lowest(requirements: list[str]) -> list[str]:
    """``name==version`` for every ``name>=version`` or ``name==version``; ValueError for one without a lower bound."""
    pins = []
    for requirement in requirements:
        if own := re.fullmatch(r"bnt\[(.+)\]", requirement):  # an extra that takes in others
            for extra in own[1].split(","):
                pins += lowest(PROJECT["optional-dependencies"][extra])
            continue
        bound = re.fullmatch(r"([\w.-]+)(?:\[.+\])?[>=]=([\w.]+)(,<[\w.]+)?", requirement)
        if not bound:
            raise ValueError(f"{requirement!r} in pyproject.toml names no lowest version")
        pins.append(f"{bound[1]}=={bound[2]}")
    return pins


if __name__ == "__main__":
    print("\n".join(lowest([*PROJECT["dependencies"], "bnt[test]"])))
