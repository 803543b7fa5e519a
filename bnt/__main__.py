"""``python -m bnt``: the command ``bnt``, also where the folder of scripts is not on the PATH."""

from bnt.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
