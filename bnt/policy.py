"""What an answer may use, read from its text before it runs: one rule for the grader and for the learner's own kernel.

An exercise lists the dotted names that answers may import or use (``allowed``). Names that locked cells imported obey
the list too, so ``import bnt`` there does not give ``bnt.run_bp`` to an answer that was asked to write it. Modules of
the standard library that lead nowhere are free everywhere (``HARMLESS``). Known magics, ``!pip`` and ``name?`` are
left out first; every other line that is not Python is refused. Nothing here runs an answer, and nothing imports
IPython. It is a fence, not a wall: the wall is the sandbox.
"""

from __future__ import annotations

import ast
import importlib
import re
import string
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

LONGEST = 50_000  # characters of one answer
SECONDS = 5.0  # of computing, to read one answer


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Free everywhere: all public names of a module, or those listed.
HARMLESS: dict[str, frozenset[str] | None] = {
    **dict.fromkeys(
        _words(
            "__future__ abc bisect cmath collections collections.abc copy datetime decimal enum fractions functools "
            "graphlib heapq itertools math numbers random re statistics textwrap time typing"
        )
    ),
    "contextlib": _words("contextmanager nullcontext suppress"),
    "dataclasses": _words("dataclass field fields asdict astuple replace is_dataclass FrozenInstanceError KW_ONLY"),
    "operator": _words(
        "abs add and_ concat contains countOf eq floordiv ge getitem gt indexOf invert is_ is_not itemgetter le lt "
        "matmul mod mul ne neg not_ or_ pos pow sub truediv truth xor"
    ),
    "pprint": _words("pprint pformat"),
    "string": _words("ascii_letters ascii_lowercase ascii_uppercase digits hexdigits punctuation whitespace capwords"),
    "sys": _words(
        "maxsize float_info version version_info stderr stdout getrecursionlimit setrecursionlimit getsizeof"
    ),
    "types": _words("SimpleNamespace MappingProxyType"),
    "warnings": _words("warn simplefilter filterwarnings catch_warnings"),
}
NOT_HARMLESS = _words("typing.get_type_hints typing.ForwardRef typing.evaluate_forward_ref enum.global_enum")  # eval
NUMPY_PARTS = _words(
    "numpy.linalg numpy.random numpy.fft numpy.polynomial numpy.strings numpy.char numpy.ma numpy.emath numpy.typing "
    "numpy.exceptions numpy.dtypes numpy.polynomial.polynomial"
)
ASSERTIONS = _words(  # with which people try their own answers; numpy.testing holds functions that run texts as well
    "numpy.testing.assert_allclose numpy.testing.assert_equal numpy.testing.assert_array_equal "
    "numpy.testing.assert_almost_equal numpy.testing.assert_array_almost_equal numpy.testing.assert_array_less"
)
REFUSED_NAMES = _words(
    "eval exec compile __import__ globals vars open input breakpoint exit quit get_ipython memoryview help "
    "__builtins__ __loader__ __spec__ In Out _i _ii _iii _ih _oh _dh"
)
# Attributes that lead from an allowed object to modules, frames, files or raw memory.
REFUSED_ATTRIBUTES = _words(
    "sys os builtins importlib subprocess socket ctypes ctypeslib modules inspect pathlib shutil multiprocessing "
    "tb_frame tb_next f_back f_globals f_locals f_builtins f_code gi_frame cr_frame ag_frame gi_code cr_code "
    "load loads dump dumps fromfile tofile memmap save savez savez_compressed savetxt loadtxt genfromtxt fromregex "
    "DataSource as_strided f2py run_line_magic run_cell_magic run_cell system getoutput format_map attrgetter "
    "methodcaller pub_thread io_loop parent_header session"
)
READABLE = _words("__init__ __name__ __doc__ __len__ __iter__ __next__ __call__ __post_init__ __class__")
WRITABLE = READABLE - {"__class__"} | _words("__repr__ __str__ __getitem__ __contains__ __enter__ __exit__ __slots__")
OF_NAMEDTUPLES = _words("_replace _asdict _fields _make")
DYNAMIC = _words("getattr setattr delattr")
NO_GLOBALS = REFUSED_NAMES | DYNAMIC | {"type", "locals"}  # where a function unbinds one, the builtin is back
CHANCE = _words(
    "random rand randn randint shuffle choice permutation time perf_counter monotonic datetime now id hash empty "
    "empty_like secrets urandom uuid4 Thread getrandbits"
)
LEFT_OUT = re.compile(r"(%matplotlib|%config|%timeit|%%time|%pip|!\s*(python3?\s+-m\s+)?pip3?)(\s.*)?$")
QUESTION = re.compile(r"(\?{1,2}\s*[\w.]+|[\w.]+\s*\?{1,2}|help\(\s*[\w.]+\s*\))\s*;?\s*(#.*)?$")
INSTALL = re.compile(r"(pip3?|conda|mamba)\s+(install|list|show)\b(?!\s*[=.(,])")  # as IPython takes it, without a mark
PROMPT = re.compile(r"^(In \[\d+\]: ?|\s*\.{3,}: ?)")
MARKS = re.compile(r"\"\"\"|'''|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|#.*|[\[({]|[\])}]|\\$")
SPOKEN_DUNDER = re.compile(r"__[a-z]\w*__")


class Refused(Exception):
    """Why a text is no answer, in the learner's words."""


def plain(text: str) -> str:
    """The answer as Python alone: known magics, ``!pip`` and ``name?`` left out. Refused: any other such line."""
    text = text.removeprefix("\ufeff")
    first = next((line for line in text.split("\n") if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    lines = [line.removeprefix(indent) for line in text.split("\n")] if indent else text.split("\n")
    if first.lstrip().startswith(">>> "):  # pasted from a prompt, as IPython takes it
        lines = [re.sub(r"^(>>>|\.\.\.) ?", "", line) for line in lines]
    elif PROMPT.match(first):
        lines = [PROMPT.sub("", line) for line in lines]
    quote, depth = "", 0
    for number, line in enumerate(lines):
        words = line.strip()
        if not quote and not depth and words and (words[0] in "%!?" or QUESTION.match(words) or INSTALL.match(words)):
            lines[number] = _without_magic(line, words)
            continue
        quote, depth = _after(line, quote, depth)
    return "\n".join(lines)


def _without_magic(line: str, words: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    if words.startswith("%time ") or words == "%time":
        return indent + (words[5:].strip() or "pass")
    if LEFT_OUT.match(words) or QUESTION.match(words) or INSTALL.match(words):
        return f"{indent}pass" if indent else "# left out"
    raise Refused(
        f"the line `{words[:40]}` is refused: of lines that start with %, ! or ? only %time, %timeit, %%time, "
        "%matplotlib, %config, !pip and name? are left out"
    )


def _after(line: str, quote: str, depth: int) -> tuple[str, int]:
    """The quotation and the depth of brackets that are open at the end of the line."""
    place = 0
    while True:
        if quote in ('"""', "'''"):
            end = line.find(quote, place)
            if end < 0:
                return quote, depth
            place, quote = end + 3, ""
        found = MARKS.search(line, place)
        if found is None:
            return "", depth
        mark, place = found[0], found.end()
        if mark in ('"""', "'''"):
            quote = mark
        elif mark in "[({":
            depth += 1
        elif mark in "])}":
            depth = max(0, depth - 1)
        elif mark == "\\":
            return "\\", depth  # the next line belongs to this one


def parsed(text: str) -> ast.Module:
    """The syntax tree of what ``plain`` gives; Refused where it is not Python, too long or too deep."""
    if len(text) > LONGEST:
        raise Refused(f"the cell has {len(text)} characters; {LONGEST} are the limit")
    try:
        text.encode("utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            tree: ast.Module = compile(text, "<answer>", "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
            compile(tree, "<answer>", "exec", flags, dont_inherit=True)
    except UnicodeEncodeError:
        raise Refused("the cell holds characters that are not valid text") from None
    except SyntaxError as error:
        raise Refused(f"line {error.lineno} is not Python: {error.msg}") from None
    except (RecursionError, MemoryError):
        raise Refused("the cell is nested too deeply to be read") from None
    except ValueError:
        raise Refused("the cell holds characters that are not valid text") from None
    return tree


def refusals(text: str, rules: dict[str, Any]) -> str:
    """Why this answer is refused, in words a learner can act on; empty when it is not.

    ``rules``: ``allowed`` (dotted names), ``names`` (what locked cells imported: name -> dotted name), ``protected``
    (functions of locked cells and builtins that checks use, which no function may bind anew by ``global``).
    """
    try:
        reader = _Reader(rules["allowed"], rules.get("names", {}), rules.get("protected", ()))
        reader.visit(parsed(plain(text)))
    except Refused as why:
        return str(why)
    except (RecursionError, MemoryError):
        return "the cell is nested too deeply to be read"
    except Exception as error:  # what cannot be read is not run
        return f"the cell cannot be read ({type(error).__name__})"
    return "; ".join(list(dict.fromkeys(reader.found))[:5])


def fits(dotted: str, allowed: Iterable[str]) -> bool:
    """True where the name is on the list, or below an entry and public there, or in a harmless module."""
    if dotted in ASSERTIONS:
        return "numpy" in allowed
    parts = dotted.split(".")
    if any(part.startswith("_") and part != "__future__" for part in parts) or dotted in NOT_HARMLESS:
        return False
    for size in range(len(parts), 0, -1):
        head, rest = ".".join(parts[:size]), parts[size:]
        if head in allowed:
            return not rest or "." in head or _public(head, rest)
        if head in HARMLESS:
            listed = HARMLESS[head]
            return not rest or (rest[0] in listed if listed is not None else _public(head, rest))
    return False


def may_import(dotted: str, allowed: Iterable[str]) -> bool:
    """True where ``fits``, or where the module leads to an allowed name: ``import bnt`` for ``bnt.Variable``."""
    return fits(dotted, allowed) or any(name.startswith(dotted + ".") for name in allowed)


def may_load(dotted: str, allowed: Iterable[str]) -> bool:
    """``may_import`` while code runs: compiled code of an allowed module may load its own parts."""
    roots = {*allowed, *HARMLESS}
    return may_import(dotted, allowed) or dotted == "_strptime" or any(dotted.startswith(r + ".") for r in roots)


def _public(module: str, rest: list[str]) -> bool:
    """True unless the path leaves what the module offers: into another module, or past its ``__all__``."""
    try:
        found: Any = importlib.import_module(module)
    except ImportError:
        return True
    path = module
    for part in rest:
        if not isinstance(found, ModuleType):
            return True
        path += "." + part
        inner = getattr(found, part, None)
        if isinstance(inner, ModuleType):
            own = inner.__name__.startswith(module + ".") or path in HARMLESS
            if not own or (module == "numpy" and path not in NUMPY_PARTS):
                return False
        elif part not in getattr(found, "__all__", dir(found)) and path not in NUMPY_PARTS:
            return False
        found = inner
    return True


def mentions_chance(text: str) -> bool:
    """True if results may differ from run to run: names of randomness, time, addresses; an unseeded generator."""
    try:
        tree = parsed(plain(text))
    except Refused:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _last_name(node.func) == "default_rng":
            if not (node.args or node.keywords) or any(_is_none(argument) for argument in node.args):
                return True
        elif isinstance(node, ast.expr) and _last_name(node) in CHANCE:
            return True
        if isinstance(node, ast.alias) and set(node.name.split(".")) & CHANCE:
            return True
    return False


def bound(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that these statements bind in their own scope, by other means than imports."""
    found: set[str] = set()
    todo, elsewhere = list(nodes), set[str]()
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            elsewhere.update(node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            found.add(node.name)
            todo += ast.iter_child_nodes(node)
        elif not isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            todo += ast.iter_child_nodes(node)
    return found - elsewhere


def _surely_bound(statement: ast.stmt) -> set[str]:
    """Names that have a value after this statement, whatever happened in it: not of ``n: int`` or ``x or (n := 1)``."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, ast.AnnAssign):
        return _names_in(statement.target) if statement.value is not None else set()
    if isinstance(statement, ast.Assign):
        return set().union(*map(_names_in, statement.targets))
    return set()


def _names_in(target: ast.expr) -> set[str]:
    """The names in what is assigned to."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return set().union(*map(_names_in, target.elts))
    if isinstance(target, ast.Starred):
        return _names_in(target.value)
    return {target.id} if isinstance(target, ast.Name) else set()


class _Reader(ast.NodeVisitor):
    """Walks one answer; ``found`` collects what is refused. ``scopes``: (kind, names bound, first parameter)."""

    def __init__(self, allowed: Iterable[str], names: dict[str, str], protected: Iterable[str]) -> None:
        self.allowed, self.names, self.found = list(allowed), dict(names), list[str]()
        self.protected = frozenset([*names, *protected])
        self.scopes: list[tuple[str, set[str], str]] = []
        self.bound_above: set[str] = set()  # by whole statements of the cell that came before
        self.classes: set[str] = set()
        self.imports: set[str] = set()  # names that the cell itself imports, wherever
        self.texts: dict[str, list[ast.expr]] = {}  # what each name is assigned
        self.until = time.thread_time() + SECONDS

    def visit(self, node: ast.AST) -> None:
        if time.thread_time() > self.until:
            raise Refused(f"the cell takes more than {SECONDS:g} s to read")
        super().visit(node)

    def refuse(self, what: str) -> None:
        self.found.append(what)

    def require(self, dotted: str, verb: str, spoken: str = "") -> None:
        if not fits(dotted, self.allowed) and not (verb == "imported" and may_import(dotted, self.allowed)):
            offered = ", ".join(n for n in self.allowed if not n.startswith("bnt.exercise")) or "plain Python"
            self.refuse(f"`{spoken or dotted}` may not be {verb} here: use {offered}")

    def shadowed(self, name: str) -> bool:
        if name in self.imports:
            return False
        if any(kind != "class" and name in names for kind, names, _ in self.scopes):
            return True
        return name in self.bound_above and name not in self.names

    def visit_Module(self, node: ast.Module) -> None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Assign):
                for target in inner.targets:
                    if isinstance(target, ast.Name):
                        self.texts.setdefault(target.id, []).append(inner.value)
            elif isinstance(inner, ast.ClassDef):
                self.classes.add(inner.name)
            elif isinstance(inner, ast.Global):
                for name in sorted(self.protected.intersection(inner.names)):
                    self.refuse(f"it makes `{name}` a global of its own, and checks use it: take another name")
                for name in sorted((NO_GLOBALS - self.protected).intersection(inner.names)):
                    self.refuse(f"it makes `{name}` a global of its own: take another name")
            elif isinstance(inner, ast.alias):
                self.imports.add(inner.asname or inner.name.split(".")[0])
        for statement in node.body:
            self.visit(statement)
            self.bound_above |= _surely_bound(statement)

    @contextmanager
    def scope(self, kind: str, names: set[str], first: str = "") -> Iterator[None]:
        self.scopes.append((kind, names, first))
        yield
        self.scopes.pop()

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.defines(node.name)
        arguments = node.args
        everyone = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        everyone += [one for one in (arguments.vararg, arguments.kwarg) if one]
        for outside in [*node.decorator_list, *arguments.defaults, *filter(None, arguments.kw_defaults)]:
            self.visit(outside)
        for annotation in [node.returns, *(one.annotation for one in everyone)]:
            if annotation is not None:
                self.visit(annotation)
        method = bool(self.scopes) and self.scopes[-1][0] == "class"
        first = everyone[0].arg if method and everyone else ""
        with self.scope("function", bound(node.body) | {one.arg for one in everyone}, first):
            for statement in node.body:
                self.visit(statement)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.function(node)

    def visit_For(self, node: ast.For) -> None:
        if self.scopes and self.scopes[-1][0] != "loop":
            self.generic_visit(node)
            return
        self.visit(node.iter)
        with self.scope("loop", _names_in(node.target)):  # in the body it is bound, after a loop over nothing it is not
            for part in [node.target, *node.body]:
                self.visit(part)
        for statement in node.orelse:
            self.visit(statement)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        a = node.args
        for outside in [*a.defaults, *filter(None, a.kw_defaults)]:
            self.visit(outside)
        everyone = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
        with self.scope("lambda", {one.arg for one in everyone}):
            self.visit(node.body)

    def comprehension(self, node: Any) -> None:
        self.visit(node.generators[0].iter)  # belongs to the scope outside
        with self.scope("comprehension", bound(one.target for one in node.generators)):
            for number, one in enumerate(node.generators):
                for part in [one.target, *([one.iter] if number else []), *one.ifs]:
                    self.visit(part)
            for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
                self.visit(part)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = comprehension

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in [*node.bases, *(keyword.value for keyword in node.keywords)]:
            root = base
            while isinstance(root, (ast.Attribute, ast.Call, ast.Subscript)):
                root = root.func if isinstance(root, ast.Call) else root.value
            if isinstance(root, ast.Name) and self.names.get(root.id, "").split(".")[0] == "numpy":
                self.refuse("it makes a class of its own out of one of numpy, which no answer may do")
        for outside in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(outside)
        with self.scope("class", bound(node.body)):
            for statement in node.body:
                self.visit(statement)

    def defines(self, name: str) -> None:
        if name.startswith("__") and name.endswith("__") and name not in WRITABLE:
            self.refuse(f"it defines {name}, which no answer may define")

    def visit_Import(self, node: ast.Import) -> None:
        for part in node.names:
            self.require(part.name, "imported", part.asname or part.name)
            top = part.name.split(".")[0]
            self.names[part.asname or top] = part.name if part.asname else top

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for part in node.names:
            if part.name == "*":
                self.refuse("it imports * (import the names you use)")
                continue
            dotted = f"{node.module}.{part.name}" if not node.level else "." * node.level + (node.module or "")
            self.require(dotted, "imported")
            self.attribute(part.name)
            self.names[part.asname or part.name] = dotted

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Name):  # a name alone does nothing
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        dotted = self.dotted(node.value)
        if _is_module(dotted) and all(isinstance(target, ast.Name) for target in node.targets):
            self.require(dotted, "used")
            self.names.update({target.id: dotted for target in node.targets if isinstance(target, ast.Name)})
            return
        self.generic_visit(node)

    def dotted(self, node: ast.expr) -> str:
        """What an imported name, or an attribute of one, stands for: ``np.linalg`` -> ``numpy.linalg``; else empty."""
        chain = []
        while isinstance(node, ast.Attribute):
            chain.append(node.attr)
            node = node.value
        if not (isinstance(node, ast.Name) and node.id in self.names) or self.shadowed(node.id):
            return ""
        return ".".join([self.names[node.id], *reversed(chain)])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain, base = [node.attr], node.value
        while isinstance(base, ast.Attribute):
            chain.append(base.attr)
            base = base.value
        for name in chain[:-1]:
            self.attribute(name)
        own = isinstance(base, ast.Name) and (base.id in self.classes or base.id == self.first_parameter())
        if not (own and not chain[-1].endswith("__")):
            self.attribute(chain[-1])
        if node.attr.startswith("__") and not isinstance(node.ctx, ast.Load):
            self.refuse(f"it changes .{node.attr}, which no answer may do")
        if dotted := self.dotted(node):
            self.require(dotted, "used")
            if _is_module(dotted):
                self.refuse(f"it passes the module {dotted} on: use its functions by name")
            if not isinstance(node.ctx, ast.Load):
                self.refuse(f"it changes {dotted}, which no answer may do")
        else:
            self.visit(base)
        if node.attr == "format":
            self.format(node.value)

    def first_parameter(self) -> str:
        return next((first for kind, _, first in reversed(self.scopes) if kind == "function"), "")

    def format(self, base: ast.expr) -> None:
        """``"{} {:.3f}".format`` is read; fields with attributes, and texts that are not written out, are refused."""
        texts = self.texts.get(base.id, [base]) if isinstance(base, ast.Name) else [base]
        for text in texts:
            if not (isinstance(text, ast.Constant) and isinstance(text.value, str)):
                self.refuse("it uses .format on a text that is not written out: use an f-string")
            elif any(
                "." in (name or "") or "{" in (spec or "") for _, name, spec, _ in string.Formatter().parse(text.value)
            ):
                self.refuse("it reads attributes inside .format: use an f-string")

    def visit_Name(self, node: ast.Name) -> None:
        name = node.id
        if name.startswith("__") and name.endswith("__") and name not in (READABLE | WRITABLE):
            self.refuse(f"it uses {name}, which no answer may use")
        elif self.shadowed(name) and not isinstance(node.ctx, ast.Del):
            return
        elif not isinstance(node.ctx, ast.Load):
            if isinstance(node.ctx, ast.Del) and not self.in_function() and name in REFUSED_NAMES | DYNAMIC:
                self.refuse(f"it deletes {name}, which no answer may do")
        elif name in REFUSED_NAMES or re.fullmatch(r"_i\d+", name):
            self.refuse(f"it uses {name}, which no answer may use")
        elif name in DYNAMIC:
            self.refuse(f"it uses {name} other than {name}(object, 'name')")
        elif name in ("type", "locals"):
            self.refuse(f"it uses {name} other than {'type(object)' if name == 'type' else 'locals() in a function'}")
        elif name in self.names:
            self.require(self.names[name], "used")
            if _is_module(self.names[name]):
                self.refuse(f"it passes the module {name} on: use its functions by name")

    def in_function(self) -> bool:
        return bool(self.scopes) and self.scopes[-1][0] == "function"

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name in REFUSED_NAMES | DYNAMIC:  # the name is deleted afterwards
            self.refuse(f"it deletes {node.name}, which no answer may do")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for part in [node.left, *node.comparators]:
            if not (isinstance(part, ast.Name) and part.id == "type"):
                self.visit(part)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) and not self.shadowed(node.func.id) else ""
        if name in DYNAMIC and len(node.args) >= 2:
            which = node.args[1]
            if isinstance(which, ast.Constant) and isinstance(which.value, str):
                context = ast.Load() if name == "getattr" else ast.Store()
                self.visit(ast.copy_location(ast.Attribute(node.args[0], which.value, context), node))
                for argument in [*node.args[2:], *node.keywords]:
                    self.visit(argument)
                return
        plain_type = name == "type" and len(node.args) == 1 and not node.keywords
        plain_locals = name == "locals" and not node.args and self.in_function()
        for part in [*([] if plain_type or plain_locals else [node.func]), *node.args, *node.keywords]:
            self.visit(part)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        for name in node.kwd_attrs:  # case object(run_bp=f) reads an attribute
            self.attribute(name)
        if node.kwd_attrs or node.patterns:
            self.refuse("it matches on attributes of a class")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and SPOKEN_DUNDER.fullmatch(node.value) and node.value != "__main__":
            self.refuse(f"it names {node.value} in a text, which no answer may do")

    def attribute(self, name: str) -> None:
        private = name.startswith("_") and name not in READABLE | OF_NAMEDTUPLES | {"__future__"}
        if private or name in REFUSED_ATTRIBUTES:
            self.refuse(f"it uses .{name}, which no answer may use")


def _last_name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_module(dotted: str) -> bool:
    return bool(dotted) and ("." not in dotted or dotted in HARMLESS or dotted in NUMPY_PARTS or dotted in sys.modules)


def imported_names(trees: Iterable[ast.AST]) -> dict[str, str]:
    """Names that the code imports -> the dotted name behind each, such as ``np`` -> ``numpy``."""
    names: dict[str, str] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for part in node.names:
                    top = part.name.split(".")[0]
                    names[part.asname or top] = part.name if part.asname else top
            elif isinstance(node, ast.ImportFrom):
                names.update({part.asname or part.name: f"{node.module}.{part.name}" for part in node.names})
    return names
