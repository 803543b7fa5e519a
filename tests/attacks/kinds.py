"""Attacks by the wall that they try, beside those of catalogue.py. Each bounds itself in memory and seconds.

``BY_ANSWER``: kind -> name -> (answer to ``double``, pattern for the reason of its hidden check). ``belief`` is right.
"""

from tests.attacks.exam import DOUBLE

RIGHT = "\n" + DOUBLE
OF_A_CLASS = "class E(float):\n    def {}(self, *a):\n        return '2'" + RIGHT
IN_DOUBLE = "def double(x):\n    {}\n    return 2 * np.asarray(x)"
WRONG = "^wrong on hidden inputs$"
ERROR = "^an error on hidden inputs$"
STOPPED = "did not finish|died|memory|Memory|an error|RecursionError"

BY_ANSWER: dict[str, dict[str, tuple[str, str]]] = {
    "W1, values that pass for others": {
        "formats itself": (OF_A_CLASS.format("__format__"), "defines __format__"),
        "rounds itself": (OF_A_CLASS.format("__round__"), "defines __round__"),
        "hands numpy its memory": (OF_A_CLASS.format("__array_interface__"), "defines __array_interface__"),
        "is any array": (OF_A_CLASS.format("__array__"), "defines __array__"),
        "answers to every name": (OF_A_CLASS.format("__getattr__"), "defines __getattr__"),
        "is equal later": ("class E(list):\n    pass\nE.__eq__ = lambda a, b: True" + RIGHT, r"\.__eq__"),
        "is equal by a text": ("class E(list):\n    pass\nsetattr(E, '__eq__', min)" + RIGHT, "__eq__"),
        "equal to anything": ("from unittest.mock import ANY" + RIGHT, "`unittest.mock.ANY` may not be imported"),
        "made by a class of classes": ("class M(type):\n    def __call__(c):\n        pass" + RIGHT, "uses type other"),
    },
    "W4, telling the hidden inputs": {
        "in an error's note": (IN_DOUBLE.format("e = ValueError(); e.add_note(str(x)); raise e"), ERROR),
        "in the way out": (IN_DOUBLE.format("raise SystemExit(str(x))"), ERROR),
        "in an interrupt": (IN_DOUBLE.format("raise KeyboardInterrupt(str(x))"), ERROR),
        "in an error that prints": (
            "class E(Exception):\n    def __str__(self):\n        print(self.args)\n        return 'E'\n"
            + IN_DOUBLE.format("raise E(x)"), ERROR + "|" + WRONG,
        ),
        "as the answer": ("def double(x):\n    return str(x)", WRONG),
        "past print": ("import sys\n" + IN_DOUBLE.format("sys.stdout.write(str(x))"), WRONG),
        "from the cell before": (IN_DOUBLE.format("return _i + _ih[-1]"), "uses _i"),
    },
    "W5, names that lead out": {
        "numpy runs a text": ("np.testing.runstring('x = 1', {})" + RIGHT, "`numpy.testing.runstring` may not"),
        "numpy opens a file": ("np.lib._datasource.open('/etc/passwd')" + RIGHT, r"uses \._datasource"),
        "numpy's parser": ("np.lib.npyio.DataSource" + RIGHT, "DataSource"),
        "numpy's compiler": ("import numpy.f2py as f" + RIGHT, "`f` may not be imported|numpy.f2py"),
        "a chain of attributes": ("from operator import attrgetter\nattrgetter('a.b')" + RIGHT, "attrgetter"),
        "a call by name": ("from operator import methodcaller" + RIGHT, "methodcaller"),
        "getattr passed on": ("f = getattr\nf(np, '_core')" + RIGHT, "uses getattr other than"),
        "a name put together": ("getattr(np, '_co' + 're')" + RIGHT, "uses getattr other than"),
        "the dictionary of a module": ("np.__dict__['testing']" + RIGHT, "__dict__"),
        "the globals of a function": ("(lambda: 0).__globals__" + RIGHT, "__globals__"),
        "the frame of a generator": ("(i for i in '1').gi_frame" + RIGHT, r"uses \.gi_frame"),
        "a pattern that reads attributes": (
            "match np:\n    case object(_core=c):\n        pass" + RIGHT, "matches on attributes|uses \\._core"
        ),
        "eval as a default": ("def f(g=eval):\n    pass" + RIGHT, "uses eval"),
        "eval to map": ("list(map(eval, ['1']))" + RIGHT, "uses eval"),
        "a hint that is evaluated": ("from typing import get_type_hints" + RIGHT, "get_type_hints"),
        "a module inside a harmless one": ("import random\nrandom._os" + RIGHT, r"_os"),
        "a module that a harmless one imports": ("import statistics\nstatistics.sys" + RIGHT, "sys"),
        "the table of modules": ("import sys\nsys.modules" + RIGHT, "modules"),
        "a tracer": ("import sys\nsys.settrace(None)" + RIGHT, "`sys.settrace` may not"),
        "a function made of code": ("import types\ntypes.FunctionType" + RIGHT, "`types.FunctionType` may not"),
        "a shell line": ("!!ls" + RIGHT, "is refused"),
        "a shell word": ("sx ls" + RIGHT, "is not Python"),
        "a class's own end": ("class E:\n    def __del__(self):\n        pass" + RIGHT, "defines __del__"),
        "children that are told": (OF_A_CLASS.format("__init_subclass__"), "defines __init_subclass__"),
        "numpy's settings": ("np.add = np.subtract" + RIGHT, "changes numpy.add"),
        "the checks' own names": ("def f():\n    global attempt\n    attempt = 1" + RIGHT, "global of its own"),
    },
    "W6, room and time": {
        "a file by numpy": ("np.save('/tmp/x', np.ones(9))" + RIGHT, "save"),
        "an array's file": ("np.ones(9).tofile('/tmp/x')" + RIGHT, "tofile"),
        "memory mapped": ("np.memmap('/tmp/x', shape=9)" + RIGHT, "memmap"),
        "a stack without end": (
            "import sys\nsys.setrecursionlimit(10**8)\ndef double(x):\n    return double(x)", STOPPED
        ),
        "a pattern that backtracks": ("import re\n" + IN_DOUBLE.format("re.match('(a+)+$', 'a' * 40 + 'b')"), STOPPED),
        "a number without end": (IN_DOUBLE.format("10 ** 10 ** 9"), STOPPED),
        "a table without end": (IN_DOUBLE.format("np.ones((10 ** 6, 10 ** 6))"), STOPPED),
        "a wait": ("import time\n" + IN_DOUBLE.format("time.sleep(60)"), STOPPED),
    },
    "W7, reading that takes long": {
        "brackets": ("(" * 5000 + "1" + ")" * 5000 + RIGHT, "nested|is not Python|not valid"),
        "attributes": ("x = (1)" + ".real" * 9000 + RIGHT, "nested|as expected"),
        "a sum of many": ("x = 1" + " + 1" * 12_000 + RIGHT, "nested|as expected"),
        "a long number": ("x = " + "9" * 45_000 + RIGHT, "is not Python|as expected"),
        "questions": ("np?\n" * 2_000 + RIGHT, "as expected"),
        "quotation marks": ("'''\n" * 12_001 + RIGHT, "is not Python"),
    },
}  # fmt: skip
