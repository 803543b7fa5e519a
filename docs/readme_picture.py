"""Draws docs/readme_picture.png, the picture of the README:  python docs/readme_picture.py

The still picture of ``widgets.one_clock()``, which moves in lesson 00: belief propagation and the compiled transformer
on one clock. Every number in it is computed.
"""

from pathlib import Path

from bnt import widgets

OUT = Path(__file__).with_suffix(".png")


def main() -> None:
    OUT.write_bytes(widgets.one_clock().picture().png())


if __name__ == "__main__":
    main()
