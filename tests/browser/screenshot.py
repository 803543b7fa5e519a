"""Look at a notebook as a learner sees it:  python -m tests.browser.screenshot course/03_x.ipynb out.png

Runs it in JupyterLab, on a copy, and writes the page as PNG (out.png, out-2.png, ... when it is long).
`--move 0` moves the first slider or dropdown by keyboard first; repeat it to move more. `--dark`: in the dark theme.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from tests.browser.lab import Notebook, browser, serve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--move", type=int, action="append", default=[], metavar="N", help="control to move")
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--height", type=int, default=1800, help="of one picture, in pixels")
    parser.add_argument("--dark", action="store_true", help="in JupyterLab's dark theme")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        copy = Path(folder, "notebooks")
        shutil.copytree(options.notebook.parent, copy)
        with serve(copy, dark=options.dark) as url:
            notebook = Notebook.open(chromium, url, options.notebook.name, width=options.width)
            notebook.run()
            controls = notebook.controls()
            print(f"{len(controls)} controls")
            for position in options.move:
                notebook.move(controls[position])
            for error in notebook.errors():
                print("error:", error)
            print(*notebook.screenshots(options.picture, most=options.height), sep="\n")


if __name__ == "__main__":
    main()
