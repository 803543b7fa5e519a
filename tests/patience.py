"""How long tests wait by the clock for what they started: longer where a run has the least priority of all that run.

A deadlock would otherwise look like a machine with more urgent work. `.ci/leg` sets BNT_PATIENCE.
"""

import os

PATIENCE = float(os.environ.get("BNT_PATIENCE", "1"))  # times the seconds of a machine that does little else
