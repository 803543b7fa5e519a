"""Run the whole ledger with all its seeds, sizes and trainings, and keep what it prints:  python docs/claims_full.py

Writes docs/claims_full.txt: what ran it, `bnt claims --full` word for word, and how long it took. About five minutes of
CPU time; exit code 1 where a check contradicts its verdict. With ids of rows, these alone are run and take their place
in the record, with a line of their own at its head; rows that the ledger no longer has are left out:
python docs/claims_full.py trw-layer trw-bounds
"""

import datetime
import os
import platform
import re
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

RECORD = Path(__file__).with_name("claims_full.txt")
LIBRARIES = ("numpy", "scipy", "numba", "pgmpy", "sympy", "z3-solver")


def main(ids: list[str]) -> int:
    begin, lines = time.monotonic(), []
    command = [sys.executable, "-m", "bnt", "claims", "--full", *(word for id in ids for word in ("--id", id))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as running:
        assert running.stdout
        for line in running.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = " ".join(["bnt claims --full", *(f"--id {id}" for id in ids)])
    head = [
        f"{ran}, {datetime.date.today()}: {(time.monotonic() - begin) / 60:.1f} minutes, "
        f"{(spent.ru_utime + spent.ru_stime) / 60:.1f} of CPU time, exit code {running.returncode}",
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} at the end; "
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    ]
    text = "".join(lines)
    if ids:
        head, text = spliced(RECORD.read_text(encoding="utf-8"), head[0], text)
    RECORD.write_text("\n".join(head) + "\n\n" + text, encoding="utf-8")
    return running.returncode


def spliced(record: str, ran: str, text: str) -> tuple[list[str], str]:
    """Head and text of the record with the rows of ``text`` in their places; ``ran`` says how they were run."""
    from bnt.claims.render import summary
    from bnt.claims.run import LEDGER

    old, body = record.split("\n\n", 1)
    rows = rows_of(body) | rows_of(text)
    kept = [row for row in LEDGER if row.id in rows]
    results = [SimpleNamespace(id=r.id, verdict=r.verdict, holds=rows[r.id].startswith("holds")) for r in kept]
    end = "".join(f"{line}\n" for line in summary(results))  # type: ignore[arg-type]
    return [*old.splitlines(), ran], "".join(rows[row.id] for row in kept) + end


def rows_of(text: str) -> dict[str, str]:
    """id -> what was printed of that row."""
    starts = [m.start() for m in re.finditer(r"^(?:holds|FAILS)  ", text, re.MULTILINE)]
    end = re.search(r"^\d+ claims?: ", text, re.MULTILINE)
    ends = [*starts[1:], end.start() if end else len(text)]
    parts = [text[a:b] for a, b in zip(starts, ends, strict=True)] if starts else []
    return {part.split()[1].rstrip(":"): part for part in parts}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
