"""Rules of style that a formatter does not hold: names that are used once, units that are defined once."""

import ast
import re
from collections import defaultdict

from tests.tidy import FLOORS, House

TIME_UNIT = re.compile(r"_?(SECOND|MINUTE|HOUR|DAY|WEEK|YEAR)_MS|HOURS_PER_YEAR")
CACHE_DECORATORS = frozenset({"cache", "lru_cache", "cached_property"})
BELOW_RUNTIME = frozenset(folder for folder, floor in FLOORS.items() if floor < FLOORS["runtime"])
INTENT_OWNER = "bot/playbook/orders/factory.py"
SYMBOL_NAME = re.compile(r"symbol|\b(perp|spot|pair)\b|^[a-z]$")
FORMATTER_ESCAPE = re.compile(r"#\s*(fmt|yapf):")


def class_names_are_used_once(house: House) -> list[str]:
    """One public class name means one thing."""
    places = defaultdict(list)
    for module in house.modules:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(f"{module.path}:{node.lineno}")
    return [f"{where[1]} class {name} is also {where[0]}" for name, where in sorted(places.items()) if len(where) > 1]


def intents_are_built_once(house: House) -> list[str]:
    """The order factory is the only place that builds an intent."""
    return [
        f"{module.path}:{node.lineno} builds an Intent; use {INTENT_OWNER}"
        for module in house.modules
        if module.path != INTENT_OWNER
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Intent"
    ]


def symbols_are_read_in_one_module(house: House) -> list[str]:
    """Only `bot.domain.symbol` reads the parts of a symbol: no `":" in symbol`, no split at "/" or ":"."""
    found = []
    for module in house.modules:
        if module.name == "bot.domain.symbol":
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
                text, subject = node.left, ast.unparse(node.comparators[0])
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                is_cut = node.func.attr in ("split", "rsplit", "partition", "rpartition")
                text, subject = node.args[0], ast.unparse(node.func.value) if is_cut else ""
            else:
                continue
            is_mark = isinstance(text, ast.Constant) and text.value in (":", "/")
            if is_mark and SYMBOL_NAME.search(subject):
                found.append(f"{module.path}:{node.lineno} reads {subject}; use bot.domain.symbol")
    return found


def every_line_is_formatted(house: House) -> list[str]:
    """No line is kept from the formatter."""
    return [
        f"{module.path}:{number} keeps a line from the formatter"
        for module in house.modules
        for number, line in enumerate(module.source.splitlines(), start=1)
        if FORMATTER_ESCAPE.search(line)
    ]


def time_units_are_defined_once(house: House) -> list[str]:
    """Lengths of time are defined in `bot.domain.durations` alone."""
    return [
        f"{module.path}:{node.lineno} defines {target.id}; import it from bot.domain.durations"
        for module in house.modules
        if module.name != "bot.domain.durations"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assign)
        for part in node.targets
        for target in ast.walk(part)
        if isinstance(target, ast.Name) and TIME_UNIT.fullmatch(target.id)
    ]


def no_function_remembers_below_runtime(house: House) -> list[str]:
    """Below `runtime` nothing is kept behind a function: what speed needs is an object that is passed in."""
    return [
        f"{module.path}:{node.lineno} uses functools.{name}; pass in an object that keeps the results"
        for module in house.modules
        if module.name.split(".")[1:2] and module.name.split(".")[1] in BELOW_RUNTIME
        for node in ast.walk(module.tree)
        for name in _from_functools(node)
        if name in CACHE_DECORATORS
    ]


def _from_functools(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and node.module == "functools":
        return [alias.name for alias in node.names]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "functools":
        return [node.attr]
    return []
