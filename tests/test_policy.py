"""The policy: what learners write by right is let through, ways around it are not, each with a sentence."""

import re
import time

import pytest

from bnt.policy import LONGEST, Refused, may_import, mentions_chance, plain, refusals

RULES = {
    "allowed": ["numpy", "bnt.Variable", "bnt.exercise"],
    "names": {"np": "numpy", "bnt": "bnt"},
    "protected": ["print", "report"],
}
FINE = [
    "import numpy as np\nfrom numpy.linalg import norm",
    "import numpy as xp\nx = xp.linalg.norm([1]) + xp.pi",
    "import bnt\nfrom bnt import Variable\nx = bnt.Variable('a', ('n', 'y'))",
    "from bnt.exercise import attempt, given, self_check",
    "class A:\n    def __init__(self):\n        super().__init__()\n        self.run_bp = self._kept = 1",
    "class A:\n    def __repr__(self):\n        return self.__class__.__name__",
    "x = getattr(np, 'sum')([1])",
    "from __future__ import annotations\nfrom typing import Tuple\nfrom collections.abc import Iterable",
    "from functools import lru_cache\nimport itertools, math, statistics, collections\nc = collections.Counter()",
    "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 3",
    "import time\nt = time.time()",
    "import sys\ndef f():\n    print(1, file=sys.stderr)",
    "def f(input, vars=1):\n    vars = input\n    assert 'cut' in locals()\n    return vars",
    "input = 3\ny = input + 1",
    "for input, wanted in [(1, 2)]:\n    for vars in input:\n        assert vars == wanted",
    "class vars:\n    pass\ninput: int = 1\n[help, *quit], y = [2], 3\nprint(vars, input, help, quit)",
    "f = lambda id: [hash for hash in id]",
    "m = '{:.3f} {}'.format(3, 4)\nt = '{x}'\nprint(t.format(x=1))",
    "breakpoint",
    "x = type(3) == int\ny = type(x)",
    "x = np.random.default_rng(0).normal(), np.newaxis, np.inf, np.float64, np.ndarray, np.linalg.LinAlgError",
    "from collections import namedtuple\nP = namedtuple('P', 'x y')\nP(1, 2)._replace(x=3)",
    "xp = np\ny = xp.abs(3)",
    "sum = 0\nfor i in range(3):\n    sum += i",
    "def f(x):\n    np = x\n    return np.anything",
    "if __name__ == '__main__':\n    pass",
    "np.testing.assert_allclose([1], [1])\nfrom numpy.testing import assert_array_equal\nassert_array_equal([1], 1)",
]
REFUSED = {
    # a name that is said to be the learner's own, and may be the builtin after all
    "eval: int\neval('1')": "it uses eval",
    "type: int\ntype('A', (), {})": "it uses type other than",
    "x = False and (eval := 1)\neval('1')": "it uses eval",
    "x = 1 if y else (eval := 2)\neval('1')": "it uses eval",
    "x[0 if y else (eval := 0)] = 1\neval('1')": "it uses eval",
    "for eval in []:\n    pass\neval('1')": "it uses eval",
    "for eval in []:\n    pass\nelse:\n    eval('1')": "it uses eval",
    "for eval in [1]:\n    del eval\n    eval('1')": "it deletes eval",
    "eval = 1\ndef f():\n    global eval\n    del eval\nf()\neval('1')": "makes `eval` a global of its own",
    "def f():\n    eval = 1\n    def g():\n        global eval\n        eval('1')\n    g()": "makes `eval` a",
    "def f():\n    eval = 1\n    class A:\n        global eval\n        x = eval(1)": "makes `eval` a",
    "def f():\n    getattr = 1\n    def g():\n        global getattr\n        getattr(np, 'x' + y)": "makes `getattr`",
    "def f(:": "line 1 is not Python",
    "print 'done'": "line 1 is not Python",
    "def f():\n\u00a0   return 1": "U\\+00A0",
    "return 3": "line 1 is not Python",
    "time exec('x')": "line 1 is not Python",
    "x = !ls": "line 1 is not Python",
    "import pandas as pd": "`pd` may not be imported here: use numpy, bnt.Variable$",
    "import os": "`os` may not be imported here",
    "import bnt.belief_propagation": "`bnt.belief_propagation` may not be imported here",
    "from bnt import run_bp": "`bnt.run_bp` may not be imported here",
    "bnt.run_bp(g)": "`bnt.run_bp` may not be used here",
    "b = bnt": "`bnt` may not be used here",
    "getattr(bnt, 'run_bp')": "`bnt.run_bp` may not be used here",
    "getattr(bnt, 'run' + '_bp')": "uses getattr other than",
    "f = getattr": "uses getattr other than",
    "from numpy import *": r"imports \*",
    "np.ctypeslib": "uses .ctypeslib",
    "from numpy import ctypeslib": "uses .ctypeslib",
    "np.testing.measure('x')": "`numpy.testing.measure` may not be used",
    "import numpy.testing": "`numpy.testing` may not be imported",
    "np._core.numeric.operator": "uses ._core",
    "np.lib._datasource.open('x')": "uses ._datasource",
    "lib = np.lib": "`numpy.lib` may not be used",
    "from collections import _sys": "uses ._sys",
    "'{0._sys}'.format(np.array)": "attributes inside .format",
    "t = '{0.' + '_sys}'\nt.format(np.array)": "not written out",
    "ｅval('1')": "uses eval",
    "e = eval\neval = 1": "uses eval",
    "[0 for eval in []]\neval('1')": "uses eval",
    "eval = 3\ndel eval": "deletes eval",
    "eval = 1\ntry:\n    1 / 0\nexcept Exception as eval:\n    pass": "deletes eval",
    "class A:\n    x = eval\n    eval = 1": "uses eval",
    "().__class__.__base__.__subclasses__()": "uses .__subclasses__",
    "def f():\n    try:\n        1/0\n    except Exception as e:\n        e.__traceback__.tb_frame": "uses .tb_frame",
    "class E(list):\n    def __eq__(self, other):\n        return True": "defines __eq__",
    "class E:\n    def __format__(self, spec):\n        return '1'": "defines __format__",
    "class E:\n    __array_interface__ = {}": "uses __array_interface__",
    "type('E', (list,), {'__eq__': 1})": "uses type other than",
    "class E(np.ndarray):\n    def max(self):\n        return 0": "a class of its own out of one of numpy",
    "np.abs = 3": "it changes numpy.abs",
    "m = np\nm.abs = 3": "it changes numpy.abs",
    "f(np)": "passes the module",
    "x.__class__ = 3": "changes .__class__",
    "def f():\n    global report\n    report = 3": "a global of its own",
    "In[-1]": "uses In",
    "x = _i3": "uses _i3",
    "x = locals()": "uses locals other than",
    "def f(x=locals()):\n    pass": "uses locals other than",
    "import typing\ntyping.get_type_hints(3)": "`typing.get_type_hints` may not be used",
    "def f():\n    import typing as t\n    t = t\n    t.get_type_hints(f)": "`typing.get_type_hints` may not be used",
    "import operator\noperator.attrgetter('x')": "uses .attrgetter",
    "%load_ext autoreload": "the line `%load_ext autoreload` is refused",
    "!cat /etc/passwd": "the line `!cat /etc/passwd` is refused",
    "%%bash\nls": "the line `%%bash` is refused",
    "?": "is refused",
    "match bnt:\n    case object(run_bp=f): pass": "matches on attributes",
    "np.load('x', allow_pickle=True)": "uses .load",
    "exit()": "uses exit",
    "from . import x": "may not be imported",
    "x = '" + "a" * 60_000 + "'": "characters",
    "x = '\ud800'": "not valid text",
    "__builtins__['eval']": "uses __builtins__",
}


@pytest.mark.parametrize("text", FINE)
def test_right_ways_pass(text: str) -> None:
    assert refusals(text, RULES) == ""


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=[ascii(text[:30]) for text in REFUSED])
def test_ways_around_are_refused(text: str, message: str) -> None:
    assert re.search(message, refusals(text, RULES))


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("%%time\nx = 1", "# left out\nx = 1"),
        ("%time x = 1", "x = 1"),
        ("x = 1\n%timeit f(x)", "x = 1\n# left out"),
        ("if x:\n    %matplotlib inline", "if x:\n    pass"),
        ("%config InlineBackend.figure_format = 'svg'\n!pip install numpy", "# left out\n# left out"),
        ("np.take?\n?np.take\nnp.take??", "# left out\n# left out\n# left out"),
        ('s = """\n%x\n!y\n"""', 's = """\n%x\n!y\n"""'),
        ("x = (3\n% 2)", "x = (3\n% 2)"),
        ("x = 3 \\\n% 2", "x = 3 \\\n% 2"),
        ("s = 'it''s' # '''\n%time y = 1", "s = 'it''s' # '''\ny = 1"),
        ("  def f():\n      return 1", "def f():\n    return 1"),
        (">>> def f():\n...     return 1", "def f():\n    return 1"),
        ("In [3]: def f():\n   ...:     return 1\n   ...: \n   ...: x = 2", "def f():\n    return 1\n\nx = 2"),
        ("pip install numpy\nconda install -y numpy\n!pip list", "# left out\n# left out\n# left out"),
        ("help(np.take)\nif x:\n    help(f);", "# left out\nif x:\n    pass"),
        ("pip = 3\npip (install)\nx = help", "pip = 3\npip (install)\nx = help"),
    ],
)
def test_known_magics_are_left_out_and_texts_stay(text: str, python: str) -> None:
    assert plain(text) == python


def test_many_magics_are_read_in_no_time() -> None:
    start = time.process_time()
    with pytest.raises(Refused, match="`%x`"):
        plain("%x\n" * 15_000)
    assert refusals("%x\n" * 600, RULES)
    assert time.process_time() - start < 1  # quadratic reading took minutes


def test_a_slow_machine_takes_no_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time to read an answer is one of computing: by the clock a busy machine may take minutes."""
    monkeypatch.setattr(time, "monotonic", iter(range(0, 10**9, 60)).__next__)
    assert refusals("x = [" + "1, " * 3000 + "]", RULES) == ""


def test_deeply_nested_answers_do_not_break_the_policy() -> None:
    for text in ("(" * 20_000, "-" * 40_000 + "1", "a" + ".b" * 20_000, "+".join(["1"] * 20_000), "f" + "()" * 20_000):
        assert len(text) <= LONGEST
        refusals(text, RULES)
        mentions_chance(text)


def test_one_rule_for_text_and_import() -> None:
    assert may_import("bnt", ["bnt.Variable"])
    assert may_import("functools.lru_cache", [])
    assert not may_import("bnt.run_bp", ["bnt.Variable"])
    assert not may_import("os", ["numpy"])


def test_chance_is_recognised() -> None:
    for text in ("np.random.rand()", "np.random.default_rng()", "default_rng(None)", "import random", "np.empty(3)"):
        assert mentions_chance(text), text
    for text in ("np.zeros(3)", "default_rng(seed)", "f(:"):
        assert not mentions_chance(text), text
