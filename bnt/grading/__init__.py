"""Release exercises from solved notebooks and grade what learners hand in. Imports none of the maths.

Read first: grade.py, then session.py.
Released: source.py (what a cell is; ``blanked``: an answer without its solution), versions.py (which cells learners
get), release.py.
Handed in: collect.py, submissions.py, answers.py, lateness.py. Handed back: report.py, pages.py, gradebooks.py.
Walls: sandbox.py (mounts), walls.py (system calls), limits.py. What answers may use: bnt/policy.py.
May import: errors, policy, exercise, course.
"""

from __future__ import annotations

import sys


def without_address_grammar() -> None:
    """Save seconds at the first import of nbformat, in processes that are our own (the commands, the workers).

    jsonschema, behind nbformat, builds a grammar of internationalised web addresses if rfc3987_syntax is installed;
    no notebook needs it. To Python, a module that is None cannot be imported.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
