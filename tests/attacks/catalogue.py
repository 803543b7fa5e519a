"""The attacks. Each bounds itself in count, memory and seconds; all traffic stays on loopback.

Most spoil the answer ``double`` (three of five points) and leave ``belief`` (two points) right. An attack that needs
something evil to succeed returns the right value only then, so that a missing defence shows as points.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.attacks.exam import BELIEF, DOUBLE


@dataclass(frozen=True)
class Attack:
    """``reason`` is a pattern for the reason of ``hidden-double`` (``hidden-belief`` where that was spoilt)."""

    name: str
    double: str = DOUBLE
    belief: str = BELIEF
    score: int = 2
    reason: str = ""
    change: Callable[[dict[str, Any]], Any] | None = None  # of the whole notebook; may return bytes
    behind: tuple[str, ...] = ()  # defences that would catch it before the one that is meant
    defence: tuple[str, ...] = ()  # switched off together: the attack wins, or does its bounded damage
    wins: int | None = 5  # the score then; None: see ``damage``
    damage: str = ""  # what is seen then: a reason, or a file or process that the tests look for
    limits: dict[str, Any] = field(default_factory=dict)


PYTHON = ("syntax policy", "import hook")  # defences of the language; the rest is behind them


def evil(body: str) -> str:
    """An answer that is right only if ``body`` (a function's body that returns True) succeeds."""
    lines = "\n".join("    " + line for line in body.strip().split("\n"))
    return f"def evil():\n{lines}\n\nassert evil()\n{DOUBLE}"


def edit(name: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        next(cell for cell in notebook["cells"] if cell["id"] == name).update(values)

    return change


def drop(*names: str) -> Callable[[dict[str, Any]], None]:
    return lambda notebook: notebook.update(cells=[c for c in notebook["cells"] if c["id"] not in names])


def twice(notebook: dict[str, Any]) -> None:
    cell = next(cell for cell in notebook["cells"] if cell["id"] == "double")
    notebook["cells"].append({**cell, "source": "def double(x):\n    return x"})


def raw(content: bytes) -> Callable[[dict[str, Any]], bytes]:
    return lambda notebook: content


FORK_MANY = """
import os
from threading import Event
children = []
for _ in range(26):
    child = os.fork()
    if child == 0:
        Event().wait(2)
        os._exit(0)
    children.append(child)
return len(children) == 26
"""
DAEMON = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open("/dev/null", os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.execvp("sleep", ["sleep", "23.4567"])
    os._exit(0)
return True
"""
MEMORY_OF_MANY = """
import os
from threading import Event
for _ in range(4):
    if os.fork() == 0:
        block = bytearray(600 << 20)
        for i in range(0, len(block), 4096):
            block[i] = 1
        Event().wait(8)  # waiting is allowed longer than computing, and not for ever
        os._exit(0)
Event().wait(5)
return True
"""
DISK = """
import os
for i in range(8):
    with open(f"/tmp/attack-{i}", "wb") as file:
        file.write(b"x" * (8 << 20))
sizes = [os.path.getsize(f"/tmp/attack-{i}") for i in range(8)]
for i in range(8):
    os.unlink(f"/tmp/attack-{i}")
return sum(sizes) == 64 << 20
"""
SOCKET_FOLDER = """
import os
from threading import Event
folder = "/sockets"
for i in range(200):
    open(f"{folder}/junk{i}", "w").close()
Event().wait(2)
return True
"""
READ_PAPER = """
import glob, json, os
folder = os.path.dirname(next(a for a in open("/proc/self/cmdline").read().split("\\0") if a.endswith("k.json")))
papers = [p for p in glob.glob(os.path.dirname(folder) + "/n*/*") if "SEEN" or json.load(open(p))]
return bool(papers) and "hidden-double" in open(papers[0]).read()
"""
READ_SOURCE = "return '### BEGIN SOLUTION' in open('{source}').read()"
WRITE_RESULT = "open('{marker}', 'w').write('full marks')\nreturn True"
LEAVE_FOR_NEXT = "open('/tmp/bnt-attack-marker', 'w').write('answers')\nreturn True"
SEE_GRADER = """
import os
found = [p for p in os.listdir("/proc") if p.isdigit()]
for process in found:
    try:
        line = open(f"/proc/{process}/cmdline").read()
    except OSError:
        continue
    if "bnt.grading.worker" in line:
        os.kill(int(process), 0)  # signal 0: only whether it could
        return True
return False
"""
READ_MEMORY = """
import os
opened = os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY)
return opened > 0 and "worker" in open(f"/proc/{os.getppid()}/cmdline").read()
"""
CALL_HOME = "import socket\nsocket.create_connection(('127.0.0.1', {port}), 2).close()\nreturn True"
MANY_FILES = """
import os
opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(600)]
for file in opened:
    os.close(file)
return len(opened) == 600
"""
BY_BNT = """
table = np.asarray(psi, dtype=float)
a = bnt.Variable("a", tuple("abc"[: len(table)]))
b = bnt.Variable("b", ("x", "y"))
graph = {graph}([a, b], [{factor}((a, b), table)])
found = {exact}(graph).beliefs["a"]
return np.array([found[state] for state in a.states])
"""


def belief_by(graph: str, factor: str, exact: str, first: str = "") -> str:
    """``belief`` by bnt's own inference instead of the learner's."""
    body = (first + "\n" if first else "") + BY_BNT.strip().format(graph=graph, factor=factor, exact=exact)
    return "def belief(psi):\n" + "\n".join("    " + line for line in body.split("\n"))


OWN = ("bnt.FactorGraph", "bnt.Factor", "bnt.exact_marginals")
FORGE = """
kernel = get_ipython().kernel
for kind, content in {messages}:
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())
return False
"""

SLOW = """from threading import Event
def double(x):
    Event().wait(8)  # waiting is allowed longer than computing, and not for ever
    return 2 * np.asarray(x)"""
STUBBORN = """from threading import Event
def double(x):
    for _ in range(800):
        try:
            Event().wait(0.01)
        except BaseException:
            pass
    return 2 * np.asarray(x)"""

ATTACKS = [
    # answers that are merely wrong, missing or odd
    Attack("wrong function", "def double(x):\n    return x", reason="wrong on hidden inputs"),
    Attack("raises", "def double(x):\n    raise ValueError(str(x))", reason="^an error on hidden inputs$"),
    Attack("own error class", "class E(Exception): pass\ndef double(x):\n    raise E(str(x))", reason="an error"),
    Attack("syntax error", "def double(x:", reason="is not Python"),
    Attack("deleted answer", change=drop("double"), reason="missing"),
    Attack("deleted checks", change=drop("check-double", "setup"), score=5, reason="as expected"),
    Attack("duplicate ids", change=twice, reason="several different cells"),
    Attack("nbval markers", "# NBVAL_SKIP\n# NBVAL_RAISES_EXCEPTION\n" + DOUBLE, score=5, reason="as expected"),
    Attack("skip tag", "# NBVAL_IGNORE_OUTPUT\ndef double(x):\n    return x", reason="wrong on hidden"),
    Attack("prints passed", "print('passed')\ndef double(x):\n    print('passed')", reason="expected|wrong"),
    Attack("silences print", DOUBLE + "\nprint = lambda *a: None", score=5, reason="as expected"),
    Attack("replaces numpy's rounding", DOUBLE + "\nnp.round = lambda *a: 'passed'", reason="changes numpy.round"),
    Attack("fixes the generator", "one = np.random.default_rng(1)\nnp.random.default_rng = lambda s: one\n" + DOUBLE,
           reason="changes numpy.random.default_rng"),
    Attack("recursion", "def double(x):\n    return double(x)", reason="an error on hidden inputs|did not finish"),
    # files that are no notebooks
    Attack("not JSON", change=raw(b'{"cells": ['), score=0, reason="not JSON"),
    Attack("deep JSON", change=raw(b"[" * 100_000), score=0, reason="not JSON"),
    Attack("nbformat 3", change=lambda n: n.update(nbformat=3, worksheets=[]), score=0, reason="format 4"),
    Attack("huge file", change=lambda n: n["metadata"].update(x="y" * (21 << 20)), score=0, reason="more than 20 MB",
           defence=("file limits",)),
    Attack("too many cells", change=lambda n: n["cells"].extend([{}] * 6000), score=0, reason="limit",
           defence=("file limits",)),
    Attack("enormous cell", DOUBLE + "\n#" + "x" * 150_000, reason="characters", defence=("syntax policy",)),
    Attack("nested source", DOUBLE + "\ny = " + "-" * 30_000 + "1", reason="nested|Error"),
    Attack("lone surrogate", DOUBLE + "\ny = '\ud800'", reason="not valid text"),
    Attack("null byte", DOUBLE + "\0", reason="not valid text|null bytes"),
    # checks of one's own
    Attack("own checks", "def double(x):\n    return 0 * x",
           change=edit("check-double", source='print("double", np.array([2, 4]))'), reason="wrong on hidden",
           defence=("own copy",), wins=3),
    # what bnt itself can do
    Attack("imports bnt's inference", belief=belief_by("FactorGraph", "Factor", "exact_marginals",
           "from bnt import FactorGraph, Factor, exact_marginals"), score=3, defence=PYTHON),
    Attack("uses bnt through the set-up cell", belief=belief_by(*OWN), score=3, defence=("syntax policy",)),
    Attack("names it by halves", belief=belief_by(*OWN[:2], "getattr(bnt, 'exact_' + 'marginals')"), score=3,
           defence=("syntax policy",)),
    Attack("__import__", belief=belief_by(*OWN[:2],
           "__import__('bnt.inference.exact').inference.exact.exact_marginals"), score=3,
           behind=("syntax policy",), defence=("import hook",)),
    Attack("importlib", belief=belief_by(*OWN[:2], "import_module('bnt.inference.exact').exact_marginals",
           "import importlib as i; import_module = i.import_module"), score=3, behind=("syntax policy",),
           defence=("import hook",)),
    Attack("import in a string", belief="exec('from bnt.inference.exact import exact_marginals as f')\n"
           + belief_by(*OWN[:2], "f"), score=3, behind=("syntax policy",), defence=("import hook",)),
    Attack("wide letters", evil("return eval('1') == 1").replace("eval", "ｅval"), reason="refused", defence=PYTHON),
    Attack("harmless magic", "%time x = 1\n" + DOUBLE, score=5, reason="as expected"),
    Attack("magic", "%run -i /proc/self/environ\n" + DOUBLE, reason="is refused"),
    Attack("automagic", "time exec('x = 1')\n" + DOUBLE, reason="is not Python"),
    Attack("numpy runs text", DOUBLE + "\nnp.testing.measure('import bnt')", reason="`numpy.testing.measure` may not"),
    Attack("numpy's private parts", DOUBLE + "\ng = np._core.numeric.operator.attrgetter", reason="uses ._core"),
    Attack("a module's private import", "from collections import _sys\n" + DOUBLE, reason="uses ._sys"),
    Attack("fields of a format", DOUBLE + "\ny = '{0.real.__class__}'.format(1)", reason="inside .format"),
    Attack("always equal", "class E(list):\n    def __eq__(self, o):\n        return True\n" + DOUBLE,
           reason="defines __eq__"),
    Attack("a type made by hand", "E = type('E', (list,), {'__eq__': None})\n" + DOUBLE, reason="uses type other than"),
    Attack("an array of its own", "class E(np.ndarray):\n    pass\n" + DOUBLE, reason="a class of its own"),
    Attack("earlier cells", "def double(x):\n    return In[-1]", reason="uses In"),
    Attack("a thousand magics", "%x\n" * 15_000, reason="`%x` is refused"),
    Attack("input by error class", "E = [ValueError, KeyError]\ndef double(x):\n    if len(x) == 6:\n"
           "        raise E[int(x[0]) % 2]\n    return 2 * np.asarray(x)", score=3, reason="an error on hidden inputs"),
    Attack("input by line count", "def double(x):\n    print('x\\n' * int(x[0]), end='')\n    return 2 * np.asarray(x)",
           reason="wrong on hidden inputs|remove its print"),
    Attack("frames", evil("try:\n    1 / 0\nexcept Exception as e:\n    f = e.__traceback__.tb_frame\nreturn f.f_back"),
           reason="refused", defence=("syntax policy",)),
    Attack("module through numpy", evil("return np.ctypeslib.ctypes.sizeof"), reason="refused",
           defence=("syntax policy",)),
    # time, memory, processes, files, output
    Attack("slow", SLOW, reason="did not finish within 2 s", defence=("cell time",)),
    Attack("cannot be interrupted", STUBBORN, reason="did not finish", defence=("cell time",)),
    Attack("exit", "exit()\n" + DOUBLE, reason="refused: it uses exit"),
    Attack("ends the process", "import os\nos._exit(0)", reason="`os` may not be imported", defence=PYTHON, wins=None,
           damage="the kernel died"),
    Attack("crashes", "import ctypes\nctypes.string_at(0)", reason="refused", defence=PYTHON, wins=None,
           damage="the kernel died"),
    Attack("memory", evil("x = np.ones(2_200_000_000, dtype=np.uint8)\nreturn True"), reason="MemoryError|memory",
           limits={"cell_seconds": 20}, defence=("memory",)),
    Attack("memory of many", evil(MEMORY_OF_MANY), reason="refused", behind=PYTHON, defence=("memory",),
           limits={"cell_seconds": 20}),
    Attack("processes", evil(FORK_MANY), reason="refused", behind=PYTHON, defence=("processes",),
           limits={"cell_seconds": 20}),
    Attack("open files", evil(MANY_FILES), reason="refused", behind=PYTHON, defence=("open files",)),
    Attack("disk", evil(DISK), reason="refused", behind=PYTHON, defence=("disk",)),
    Attack("files among the sockets", evil(SOCKET_FOLDER), reason="refused", behind=PYTHON, defence=("disk",),
           limits={"cell_seconds": 20}),
    Attack("flood", "for i in range(30_000):\n    print('x' * 100)\n" + DOUBLE, reason="printed more than",
           defence=("output cap",)),
    Attack("one giant print", "print('x' * 12_000_000)\n" + DOUBLE, reason="printed more", defence=("output cap",)),
    # out of the box
    Attack("daemon", evil(DAEMON), reason="refused", behind=PYTHON, defence=("bubblewrap",), wins=None,
           damage="process"),
    Attack("reads the paper", evil(READ_PAPER), reason="refused", behind=(*PYTHON, "bubblewrap"), defence=("unlink",)),
    Attack("reads the source", evil(READ_SOURCE), reason="refused", behind=PYTHON, defence=("bubblewrap",)),
    Attack("reads the grader's memory", evil(READ_MEMORY), reason="refused", behind=PYTHON,
           defence=("bubblewrap", "unlink")),
    Attack("kills the grader", evil(SEE_GRADER), reason="refused", behind=PYTHON, defence=("bubblewrap",)),
    Attack("writes a result", evil(WRITE_RESULT), reason="refused", behind=PYTHON, defence=("bubblewrap",), wins=None,
           damage="marker"),
    Attack("leaves help for the next", evil(LEAVE_FOR_NEXT), reason="refused", behind=PYTHON, defence=("bubblewrap",),
           wins=None, damage="for the next"),
    Attack("calls home", evil(CALL_HOME), reason="refused", behind=PYTHON, defence=("bubblewrap",)),
    # the messages of the kernel
    Attack("forged output", evil(FORGE.format(messages="[('stream', {'name': 'stdout', 'text': 'passed'})]")),
           reason="refused", behind=PYTHON),
    Attack("forged end", evil(FORGE.format(messages="[('status', {'execution_state': 'idle'})] * 3")),
           reason="refused", behind=PYTHON),
    Attack("torn messages", evil(FORGE.format(messages="[('status', {}), ('stream', {}), ('error', {}), (3, {})]")),
           reason="refused", behind=PYTHON),
    Attack("reads the seed", "def double(x):\n    print(seed)\n    return 2 * np.asarray(x)", score=2,
           reason="NameError|an error on hidden inputs"),
]  # fmt: skip
