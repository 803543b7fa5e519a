"""What running a notebook's cells again, in another order, would change: by reading the code.

A cell may be run again at any time if it makes all it changes, and reads only names that one other cell gives their
value. What is reported: a name that is read here and set in several cells; a generator that draws in a cell that did
not make it; a name that is changed from its old value.
"""

import ast
import builtins
from dataclasses import dataclass, field


@dataclass
class Cell:
    """Names of one cell: which it binds, reads from elsewhere, reads within functions, and changes in place."""

    binds: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    reads_later: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)


def order_matters(sources: dict[str, str]) -> list[str]:
    """One sentence per name and cell; ``sources``: the code of each cell by its id, in order."""
    cells = {name: names_of(code) for name, code in sources.items()}
    bound: dict[str, list[str]] = {}
    for name, cell in cells.items():
        for x in cell.binds:
            bound.setdefault(x, []).append(name)
    found = []
    for name, cell in cells.items():
        for x in sorted(cell.reads | (cell.reads_later - cell.binds)):
            if len(bound.get(x, [])) > 1:
                found.append(f"{name}: reads {x}, which has a value from {' and another from '.join(bound[x])}")
        found += [f"{name}: changes {x} from its old value" for x in sorted(cell.changes)]
        drawn = {x for x in cell.reads | cell.reads_later if x.startswith("rng")}
        found += [f"{name}: draws from {x}, made in another cell" for x in sorted(drawn)]
    return found


def names_of(code: str) -> Cell:
    cell = Cell()
    for statement in ast.parse(code).body:
        read_statement(statement, cell)
    for names in (cell.reads, cell.reads_later):
        names -= set(dir(builtins))
    return cell


def read_statement(node: ast.AST, cell: Cell) -> None:
    """One statement, in the order in which Python runs it."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        cell.reads_later |= free_names(node) - {node.name}
        cell.binds.add(node.name)
    elif isinstance(node, ast.For):
        read(node.iter, cell)
        cell.binds |= stored(node.target)
        for inner in [*node.body, *node.orelse]:
            read_statement(inner, cell)
    elif isinstance(node, ast.If | ast.While):
        read(node.test, cell)
        for inner in [*node.body, *node.orelse]:
            read_statement(inner, cell)
    elif isinstance(node, ast.With):
        for item in node.items:
            read(item.context_expr, cell)
            cell.binds |= stored(item.optional_vars) if item.optional_vars else set()
        for inner in node.body:
            read_statement(inner, cell)
    elif isinstance(node, ast.Try):
        handled = [inner for handler in node.handlers for inner in handler.body]
        cell.binds |= {handler.name for handler in node.handlers if handler.name}
        for inner in [*node.body, *handled, *node.orelse, *node.finalbody]:
            read_statement(inner, cell)
    elif isinstance(node, ast.AugAssign):
        read(node.value, cell)
        root = root_of(node.target)
        cell.changes |= {root} - cell.binds
    elif isinstance(node, ast.Assign):
        read(node.value, cell)
        for target in node.targets:
            read(target, cell)
            parts = [part for part in ast.walk(target) if isinstance(part, ast.Subscript | ast.Attribute)]
            changed = {root_of(part) for part in parts if isinstance(part.ctx, ast.Store)}
            cell.changes |= changed - cell.binds
            cell.binds |= stored(target)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        cell.binds |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    else:
        read(node, cell)


def read(node: ast.AST, cell: Cell) -> None:
    cell.reads |= free_names(node) - cell.binds


def root_of(node: ast.AST) -> str:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def stored(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def free_names(node: ast.AST) -> set[str]:
    """Names that are read and not bound within: parameters, comprehension variables and locals are left out."""
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        own = {argument.arg for argument in every if argument}
        body = node.body if isinstance(node.body, list) else [node.body]
        own |= set().union(*(stored(inner) for inner in body))
        named = [inner for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef | ast.ExceptHandler)]
        own |= {inner.name for inner in named if inner is not node and inner.name}
        defaults = [default for default in [*node.args.defaults, *node.args.kw_defaults] if default]
        outer: set[str] = set().union(*(free_names(default) for default in defaults))
        return outer | (set().union(*(free_names(inner) for inner in body)) - own)
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        own = set().union(*(stored(one.target) for one in node.generators))
        return set().union(*(free_names(child) for child in ast.iter_child_nodes(node))) - own
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Load) else set()
    return set().union(*(free_names(child) for child in ast.iter_child_nodes(node)))
