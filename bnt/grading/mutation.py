"""Do the checks see wrong answers? Change solutions by machine, one place at a time, and see who loses points.

    python -m bnt.grading.mutation solutions/*.ipynb --number 300

prints a record (docs/mutation.md holds one): how many mutants lose points, each one that survives, and where a
self-check and the graded checks disagree. Every mutant runs without sandbox: the solutions are trusted. Open problems,
whose checks measure a property of the answer, are counted apart: a mutant that keeps the property is right.
"""

from __future__ import annotations

import argparse
import ast
import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bnt.exercise import NOT_ANSWERED
from bnt.grading.source import own, read_source, solved
from bnt.grading.trial import ERROR, Trial

SWAPS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


class Mutant(NamedTuple):
    """One wrong answer: what was changed, and the text of the cell."""

    answer: str
    kind: str
    line: int
    change: str
    text: str


class Fate(NamedTuple):
    """What became of it: graded checks that it failed, and whether every self-check called it right."""

    mutant: Mutant
    failed: tuple[str, ...]
    called_right: bool


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST | None]]]:
    """(kind, function that rewrites a copy of the node) for all that can be spoilt at this node."""
    if isinstance(node, ast.BinOp):
        if type(node.op) in SWAPS:
            yield "operator", lambda n: _with(n, op=SWAPS[type(n.op)]())  # type: ignore[attr-defined]
        yield "term dropped", lambda n: n.left  # type: ignore[attr-defined]
        yield "term dropped", lambda n: n.right  # type: ignore[attr-defined]
        if isinstance(node.op, ast.MatMult):
            yield "axes", lambda n: _with(n, left=n.right, right=n.left)  # type: ignore[attr-defined]
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPS:
        yield "operator", lambda n: _with(n, ops=[SWAPS[type(n.ops[0])]()])  # type: ignore[attr-defined]
    elif isinstance(node, ast.BoolOp):
        yield "operator", lambda n: _with(n, op=SWAPS[type(n.op)]())  # type: ignore[attr-defined]
        yield "term dropped", lambda n: n.values[0]  # type: ignore[attr-defined]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield "operator", lambda n: n.operand  # type: ignore[attr-defined]
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "constant", lambda n: _with(n, value=n.value + 1)  # type: ignore[attr-defined]
        if isinstance(node.value, float):
            yield "constant", lambda n: _with(n, value=n.value * 1.01)  # type: ignore[attr-defined]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        for step in (-1, 1):
            yield "off by one", lambda n, step=step: _longer(n, step)  # type: ignore[misc]
    elif isinstance(node, ast.keyword) and node.arg == "axis" and isinstance(node.value, ast.Constant):
        yield "axes", lambda n: _with(n, value=ast.Constant(1 if n.value.value == 0 else 0))  # type: ignore[attr-defined]
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield "axes", lambda n: n.value  # type: ignore[attr-defined]
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple) and len(node.slice.elts) == 2:
        yield "axes", lambda n: _with(n, slice=ast.Tuple(n.slice.elts[::-1], ast.Load()))  # type: ignore[attr-defined]
    elif isinstance(node, ast.IfExp):
        yield "term dropped", lambda n: n.body  # type: ignore[attr-defined]
        yield "term dropped", lambda n: n.orelse  # type: ignore[attr-defined]
    elif isinstance(node, ast.AugAssign):
        yield "term dropped", lambda n: ast.Pass()
        if type(node.op) in SWAPS:
            yield "operator", lambda n: _with(n, op=SWAPS[type(n.op)]())  # type: ignore[attr-defined]
    elif isinstance(node, ast.If):
        yield "term dropped", lambda n: _with(n, test=ast.Constant(False))
        yield "term dropped", lambda n: _with(n, test=ast.Constant(True))


def _with(node: ast.AST, **changes: object) -> ast.AST:
    for name, value in changes.items():
        setattr(node, name, value)
    return node


def _longer(node: ast.AST, step: int) -> ast.AST:
    assert isinstance(node, ast.Call)
    place = 0 if len(node.args) == 1 else 1
    node.args[place] = ast.BinOp(node.args[place], ast.Add(), ast.Constant(step))
    return node


class _Rewrite(ast.NodeTransformer):
    def __init__(self, target: ast.AST, change: Callable[[ast.AST], ast.AST | None]) -> None:
        self.target, self.change = target, change

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self.target:
            new = self.change(node)
            assert new is not None
            return new
        return super().generic_visit(node)


def mutants(answer: str, text: str) -> list[Mutant]:
    """Every answer that differs from ``text`` in one place and still is Python, signatures and docstrings untouched."""
    found: list[Mutant] = []
    seen = {ast.unparse(ast.parse(text))}
    tree = ast.parse(text)
    bodies = [s for n in tree.body for s in (n.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) else [n])]
    places = [node for statement in bodies for node in ast.walk(statement)]
    for number, place in enumerate(places):
        for turn, (kind, _) in enumerate(_changes(place)):
            other = copy.deepcopy(tree)
            same = [s for n in other.body for s in (n.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) else [n])]
            target = [node for statement in same for node in ast.walk(statement)][number]
            before = ast.unparse(target)
            change = list(_changes(target))[turn][1]
            changed = ast.fix_missing_locations(_Rewrite(target, change).visit(other))
            try:
                new = ast.unparse(changed)
                compile(new, "<mutant>", "exec")
            except (SyntaxError, ValueError, AttributeError):
                continue
            if new not in seen:
                seen.add(new)
                line = getattr(place, "lineno", getattr(getattr(place, "value", None), "lineno", 0))
                found.append(Mutant(answer, kind, line, before.split("\n")[0][:70], new))
    return found


def fate(trial: Trial, mutant: Mutant) -> Fate:
    """Run the checks and self-checks of the answer on one mutant."""
    checks, own = trial.checks_of(mutant.answer), trial.self_checks_of(mutant.answer)
    printed = trial.run({mutant.answer: mutant.text}, only={*checks, *own})
    failed = tuple(check for check in checks if not trial.passes(check, printed))
    said = [printed.get(name, ERROR) for name in own]
    right = bool(own) and not any(bad in text for text in said for bad in (ERROR, "not right yet", NOT_ANSWERED))
    return Fate(mutant, failed, right)


def is_open(trial: Trial, answer: str) -> bool:
    """True where every check of the answer measures a property: what keeps it is another right answer."""
    checks = trial.checks_of(answer)
    return all(own(cell).get("property", False) for cell in trial.cells if cell.id in checks)


def sample(trial: Trial, number: int, seed: int) -> list[Mutant]:
    """So many mutants, taken in turn from every answer of the exercise."""
    rng = random.Random(seed)
    piles = []
    for cell in trial.source.cells("answer"):
        pile = mutants(cell.id, solved(cell.source))
        rng.shuffle(pile)
        piles.append(pile)
    turns = [pile[turn] for turn in range(max(map(len, piles))) for pile in piles if turn < len(pile)]
    return turns[:number]


def main(argv: list[str] | None = None) -> int:
    """Exit code 1 where fewer than 97 of 100 mutants lose points."""
    parser = argparse.ArgumentParser(prog="python -m bnt.grading.mutation", description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--number", type=int, default=300, help="mutants over all exercises together (default 300)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    fates: list[tuple[str, Fate]] = []
    free: list[tuple[str, Fate]] = []
    done = 0
    for place, path in enumerate(arguments.sources):
        share = arguments.number * (place + 1) // len(arguments.sources) - done
        trial = Trial(read_source(path))
        every = sample(trial, 10**9, arguments.seed)
        chosen = [mutant for mutant in every if not is_open(trial, mutant.answer)][:share]
        mine = [(path.stem, fate(trial, mutant)) for mutant in chosen]
        open_ones = [mutant for mutant in every if is_open(trial, mutant.answer)][: max(1, share // 5)]
        free += [(path.stem, fate(trial, mutant)) for mutant in open_ones]
        done, fates = done + len(mine), fates + mine
        lost = sum(bool(f.failed) for _, f in mine)
        print(f"{path.stem}: {lost} of {len(mine)} mutants lose points", flush=True)
    survivors = [(stem, f) for stem, f in fates if not f.failed]
    fooled = [(stem, f) for stem, f in fates + free if f.failed and f.called_right]
    lost = len(fates) - len(survivors)
    print(f"\nall: {lost} of {len(fates)} lose points ({lost / len(fates):.1%})")
    kept = sum(not f.failed for _, f in free)
    print(f"open problems: {kept} of {len(free)} keep the property, the others lose points")
    for title, group in (("survivors", survivors), ("lose points though the self-checks call them right", fooled)):
        print(f"\n{title}: {len(group)}")
        for stem, f in group:
            m = f.mutant
            said = "" if f.called_right or group is fooled else "; a self-check calls it wrong"
            print(f"- {stem.split('_')[0]} {m.answer}, line {m.line}, {m.kind}: `{m.change}`{said}")
    return 0 if lost >= 0.97 * len(fates) else 1


if __name__ == "__main__":
    raise SystemExit(main())
