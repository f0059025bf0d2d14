"""Source text with a control taken out, and a copy of the working tree in which tests are run without it."""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from tests.controls.removals import GATE, REMOVALS, Body, Constant, Removal, Text, Unlisted
from tests.test_controls import ROOT, Row

COPIED = ("bot", "tests", "docs", "config", "deploy", ".ci")
SECONDS = 150


def removals_of(row: Row) -> list[Removal]:
    """Every way in which the control of a row is taken out: its checks of the gate, then its own entry."""
    found: list[Removal] = []
    for place in row.places:
        name = place.rpartition(":")[2]
        if place.startswith("bot.risk.") and name.startswith("check_"):
            found += [Body(place, "return None"), Unlisted(_table_of(place), name)]
    return [*found, *REMOVALS.get(row.number, ())]


def _table_of(place: str) -> str:
    """The table that lists a check: that of its module, else the gate's own."""
    module, _, name = place.partition(":")
    own = getattr(importlib.import_module(module), "CHECKS", ())
    return f"{module}:CHECKS" if any(check.judge.__name__ == name for check in own) else GATE


def file_of(removal: Removal) -> str:
    """The file that a removal changes, from the root."""
    if isinstance(removal, Text):
        return removal.place
    return removal.place.partition(":")[0].replace(".", "/") + ".py"


def without(removal: Removal, source: str) -> str:
    """The text of the file with the control taken out. Raises LookupError when there is no such place in it."""
    if isinstance(removal, Text):
        changed, count = re.subn(removal.old, removal.new, source)
        if not count:
            raise LookupError(f"{removal.place} has nothing like {removal.old!r}")
        return changed
    node = _node_at(ast.parse(source), removal.place)
    if isinstance(removal, Body):
        return _with_body(source, node, removal)
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        raise LookupError(f"{removal.place} is no constant")
    value = removal.source if isinstance(removal, Constant) else _shortened(node.value, removal)
    return _spliced(source, node.value.lineno, node.value.end_lineno, _line_with(source, node.value, value))


def _node_at(tree: ast.Module, place: str) -> ast.stmt:
    body: list[ast.stmt] = tree.body
    node: ast.stmt | None = None
    for part in place.partition(":")[2].split("."):
        node = next((one for one in body if _name_of(one) == part), None)
        if node is None:
            raise LookupError(f"there is no {place}")
        body = getattr(node, "body", [])
    if node is None:
        raise LookupError(f"there is no {place}")
    return node


def _name_of(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return "".join(target.id for target in targets if isinstance(target, ast.Name))


def _with_body(source: str, node: ast.stmt, removal: Body) -> str:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        raise LookupError(f"{removal.place} is no function")  # noqa: TRY004 - the place is wrong, not a type
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    start = node.body[1] if is_docstring and removal.keeps and len(node.body) > 1 else first
    new = textwrap.indent(removal.source, " " * start.col_offset) + "\n"
    if removal.keeps:
        return _spliced(source, start.lineno, start.lineno - 1, new)
    return _spliced(source, start.lineno, node.end_lineno, new)


def _shortened(value: ast.expr, removal: Unlisted) -> str:
    items = value.elts if isinstance(value, ast.Tuple) else []
    kept = [item for item in items if removal.name not in re.findall(r"\w+", ast.unparse(item))]
    if len(kept) != len(items) - 1:
        raise LookupError(f"{removal.place} has {len(items) - len(kept)} items that mention {removal.name}")
    return f"({', '.join(ast.unparse(item) for item in kept)},)"


def _line_with(source: str, node: ast.expr, value: str) -> str:
    return source.splitlines()[node.lineno - 1].encode()[: node.col_offset].decode() + value + "\n"


def _spliced(source: str, first: int, last: int | None, new: str) -> str:
    lines = source.splitlines(keepends=True)
    return "".join([*lines[: first - 1], new, *lines[last:]])


class Copy:
    """A copy of the working tree in `directory`, in which one removal at a time is in force."""

    def __init__(self, directory: Path) -> None:
        self._root = directory
        for name in COPIED:
            shutil.copytree(ROOT / name, directory / name)
        for file in ROOT.iterdir():
            if file.is_file() and not file.name.startswith(".git"):
                shutil.copy2(file, directory / file.name)

    def failures(self, tests: Sequence[str], removal: Removal | None = None) -> dict[str, bool]:
        """Which of the tests fail without the control; with no removal, which fail as things are.

        Raises:
            RuntimeError: when the tests could not be run at all.
        """
        if removal is None:
            return self._run(tests)
        path = self._root / file_of(removal)
        whole, stat = path.read_text(encoding="utf-8"), path.stat()
        changed = without(removal, whole)
        try:
            path.write_text(changed, encoding="utf-8")
            return self._run(tests)
        finally:
            path.write_text(whole, encoding="utf-8")
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def _run(self, tests: Sequence[str]) -> dict[str, bool]:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--tb=no",
            "-rfE",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore",
            *tests,
        ]
        environment = {**os.environ, "PYTHONPATH": str(self._root), "COLUMNS": "1000", "HYPOTHESIS_PROFILE": "gate"}
        try:
            done = subprocess.run(
                command, cwd=self._root, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
            )
            has_ended = done.returncode >= 0
        except subprocess.TimeoutExpired:
            has_ended = False
        if not has_ended:  # without its control a test may wait for ever, or a signal that nothing takes ends it
            alone = [self._run([test]) for test in tests] if len(tests) > 1 else [dict.fromkeys(tests, True)]
            return {test: fails for found in alone for test, fails in found.items()}
        if done.returncode not in (0, 1):
            raise RuntimeError(f"pytest ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2_000:]}")
        failed = [line.partition(" ")[2] for line in done.stdout.splitlines() if line.startswith("FAILED ")]
        return {test: any(one.startswith((f"{test} -", f"{test}[")) or one == test for one in failed) for test in tests}
