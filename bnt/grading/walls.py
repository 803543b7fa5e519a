"""Two walls that a kernel builds around itself before it becomes the learner's, and can never take down again.

seccomp refuses the system calls that make memory outside every limit (System V shared memory, memfd, io_uring), new
namespaces and mounts, and looking into other processes. Landlock lets it write below its own folders only; where the
sockets lie, it may make sockets and nothing else. Both need no privilege; both are Linux's (5.13 on x86-64 and ARM64).
Imported by inside.py, so nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

# fmt: off
ARCHITECTURES = {  # machine -> (audit number, clone, clone3, what is refused)
    "x86_64": (0xC000003E, 56, 435, {
        "shmget": 29, "shmat": 30, "semget": 64, "msgget": 68, "ptrace": 101, "pivot_root": 155, "mount": 165,
        "umount2": 166, "mq_open": 240, "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272,
        "perf_event_open": 298, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
        "memfd_create": 319, "bpf": 321, "userfaultfd": 323,
    }),
    "aarch64": (0xC00000B7, 220, 435, {
        "shmget": 194, "shmat": 196, "semget": 190, "msgget": 186, "ptrace": 117, "pivot_root": 41, "mount": 40,
        "umount2": 39, "mq_open": 180, "add_key": 217, "request_key": 218, "keyctl": 219, "unshare": 97,
        "perf_event_open": 241, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271,
        "memfd_create": 279, "bpf": 280, "userfaultfd": 282,
    }),
}
EVERYWHERE = {
    "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "memfd_secret": 447,
}
# fmt: on
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of classic BPF, on 32-bit words
ALLOW, REFUSE = 0x7FFF0000, 0x00050000  # REFUSE + errno
NOT_PERMITTED, NO_SUCH_CALL = 1, 38
NEW_USER_NAMESPACE = 0x10000000
OTHER_CALLS = 0x40000000  # the x32 variants of x86-64
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # of Landlock, on every architecture
WRITE = 0x1FF2  # write, remove, and make every kind of file
MAKE_SOCKETS = 1 << 9 | 1 << 5  # and remove, which binding does first
TRUNCATE, REFER = 1 << 14, 1 << 13


def refuse_system_calls() -> bool:
    """Install the filter; False where this machine has none."""
    known = ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or known is None:
        return False
    audit, clone, clone3, refused = known
    steps = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, audit), (RETURN, 0, 0, REFUSE + NOT_PERMITTED), (LOAD, 0, 0, 0)]
    steps += [(AT_LEAST, 0, 1, OTHER_CALLS), (RETURN, 0, 0, REFUSE + NOT_PERMITTED)]
    steps += [(EQUAL, 0, 1, clone3), (RETURN, 0, 0, REFUSE + NO_SUCH_CALL)]  # libc falls back to clone
    for number in [*refused.values(), *EVERYWHERE.values()]:
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE + NOT_PERMITTED)]
    steps += [(EQUAL, 1, 0, clone), (RETURN, 0, 0, ALLOW), (LOAD, 0, 0, 16)]
    steps += [(ANY_BIT, 0, 1, NEW_USER_NAMESPACE), (RETURN, 0, 0, REFUSE + NOT_PERMITTED), (RETURN, 0, 0, ALLOW)]
    program = b"".join(struct.pack("=HBBI", *step) for step in steps)
    held = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("@HP", len(steps), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return bool(done == 0 and libc.prctl(SECCOMP, FILTER, ctypes.create_string_buffer(head, len(head)), 0, 0) == 0)


def write_only_below(folders: list[str], sockets: str) -> bool:
    """Refuse writing but below ``folders``; below ``sockets`` only sockets may be made. False where unknown."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    every = WRITE | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    ruleset = libc.syscall(CREATE_RULESET, struct.pack("=Q", every), ctypes.c_size_t(8), 0)
    if ruleset < 0:
        return False
    for folder, allowed in [*((folder, every) for folder in folders), (sockets, MAKE_SOCKETS)]:
        at = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        added = libc.syscall(ADD_RULE, ruleset, 1, struct.pack("=Qi", allowed, at), 0)
        os.close(at)
        if added != 0:
            return False
    done = libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and libc.syscall(RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return bool(done)
