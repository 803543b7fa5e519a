"""Try answers on an exercise at once, without kernel and sandbox: for code that the instructor trusts.

The cells run in a forked process, in order, set-up imports already loaded: a trial takes a fraction of a second.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import math
import os
import signal
import sys
import time
import warnings
from typing import Any

from bnt.errors import FormatError
from bnt.grading.answers import asked
from bnt.grading.compare import Tolerance, same
from bnt.grading.disguise import dressed
from bnt.grading.paper import is_self_check, names_read, reaching
from bnt.grading.source import Source, own, role, solved, tolerance

PATIENCE = 600  # seconds for the solution, which may load and compile what later trials find loaded
SECONDS = 20  # for a trial, or three times what the solution took
ERROR = "ends in "  # what a cell that fails is said to print


class Trial:
    """One exercise, ready to run with other answers. ``expected``: what the solution prints, by cell id.

    FormatError where the solution itself does not come to its end.
    """

    def __init__(self, source: Source) -> None:
        if not hasattr(os, "fork"):
            raise FormatError("trials need Linux or macOS")
        self.source = source
        self.cells = [cell for cell in source.cells() if cell.cell_type == "code"]
        self.names = {cell.id: sorted(asked(cell.source)) for cell in source.cells("answer")}
        for cell in self.cells:
            for node in ast.walk(ast.parse(cell.source)) if role(cell) == "other" else ():
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        exec(compile(ast.Module([node], []), "<set-up>", "exec"), {})
        self.seconds = PATIENCE
        began = time.monotonic()
        self.expected = self.run({})
        self.seconds = max(SECONDS, math.ceil(3 * (time.monotonic() - began)))
        if unrun := [cell.id for cell in self.cells if cell.id not in self.expected]:
            raise FormatError(f"the solution did not end within {PATIENCE} s, or ended Python, in cell {unrun[0]!r}")

    def checks_of(self, answer: str) -> list[str]:
        """Ids of the graded checks that use an answer."""
        names = reaching(self.source, frozenset(self.names[answer]))
        return [cell.id for cell in self.source.cells("check") if names & names_read(cell.source)]

    def self_checks_of(self, answer: str) -> list[str]:
        """Ids of the self-checks that use an answer."""
        names = reaching(self.source, frozenset(self.names[answer]))
        return [cell.id for cell in self.cells if is_self_check(cell) and names & names_read(cell.source)]

    def passes(self, check: str, printed: dict[str, str]) -> bool:
        """True where the check prints what it should."""
        cell = next(cell for cell in self.cells if cell.id == check)
        return same(printed.get(check, ERROR), self.expected[check], Tolerance(*tolerance(cell)))

    def run(
        self, answers: dict[str, str], *, mode: str = "", seed: int | None = None, only: set[str] | None = None
    ) -> dict[str, str]:
        """What every cell prints, by id, with these answers in the place of the solution's.

        ``mode`` disguises the results of all answers; ``only`` leaves out checks and self-checks of other ids. A cell
        that fails prints ``ends in ERROR``; one that does not end in time (``SECONDS``) stops the trial.
        """
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            self._child(write, answers, mode, seed, only)
        os.close(write)
        with os.fdopen(read) as stream:
            text = stream.read()
        os.waitpid(child, 0)
        return {name: printed for line in text.splitlines() for name, printed in [json.loads(line)]}

    def _child(self, pipe: int, answers: dict[str, str], mode: str, seed: int | None, only: set[str] | None) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(self.seconds)
        warnings.simplefilter("ignore")
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        space: dict[str, Any] = {"__name__": "__main__"}
        sys.modules["__main__"].__dict__.update(space)
        with os.fdopen(pipe, "w") as out:
            for cell in self.cells:
                kind = role(cell)
                if only is not None and (kind == "check" or is_self_check(cell)) and cell.id not in only:
                    continue
                text = answers.get(cell.id, solved(cell.source)) if kind == "answer" else cell.source
                if own(cell).get("seed") and seed is not None:
                    text = f"seed = {seed}"
                out.write(json.dumps([cell.id, _printed(text, cell.id, space)]) + "\n")
                out.flush()
                if kind == "answer" and mode:
                    space.update({n: dressed(space[n], mode) for n in self.names[cell.id] if n in space})
        os._exit(0)


def _printed(text: str, name: str, space: dict[str, Any]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        try:
            exec(compile(text, f"<{name}>", "exec"), space)
        except BaseException as error:
            return printed.getvalue() + f"{ERROR}{type(error).__name__}: {error}"
    return printed.getvalue()
