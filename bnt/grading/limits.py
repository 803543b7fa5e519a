"""What a submission may use, and which defences stand (all of them, outside the tests that show each one matters)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

MB_IN_BYTES = 1 << 20
PATIENCE = 3  # wall time over computing time: on a busy machine an honest answer waits for its turn


@dataclass(frozen=True)
class Limits:
    """Limits of one submission's kernel. The instructor sets them with options of ``bnt grade``."""

    cell_seconds: float = 10.0  # computing time of one cell; of wall time ``PATIENCE`` times as much
    setup_seconds: float = 60.0  # the same for a locked cell that is no check: it imports and prepares
    total_seconds: float = 180.0  # wall time of a submission, reruns included
    memory_mb: int = 3072  # address space of each process, and resident memory of all together
    processes: int = 64  # processes and threads together
    disk_mb: int = 64  # each of the private /tmp, home and /dev/shm
    open_files: int = 256
    output_kb: int = 200  # what one cell may print
    off: frozenset[str] = field(default_factory=frozenset)  # defences switched off: for the attack suite alone

    def on(self, defence: str) -> bool:
        """True unless a test has switched this defence off."""
        return defence not in self.off

    def as_json(self) -> dict[str, Any]:
        """Plain values; part of the key under which a finished grade is kept."""
        return {**asdict(self), "off": sorted(self.off)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Limits:
        """Inverse of ``as_json``."""
        return cls(**{**values, "off": frozenset(values["off"])})


DEFENCES = (
    "bubblewrap",  # namespaces: no network, no other process, no file but the interpreter and bnt
    "syntax policy",  # answers that use what the exercise does not allow are refused unread by the kernel
    "import hook",  # the same rule at import, for what the syntax tree cannot show
    "cell time",
    "memory",
    "processes",
    "disk",
    "open files",
    "output cap",
    "unlink",  # the assembled notebook, expected outputs inside, is gone before the kernel starts
    "own copy",  # checks come from the source, never from what was handed in
    "reruns",  # answers that mention randomness or time must pass three times
    "file limits",  # size, nesting and number of what is read from a submission
)
