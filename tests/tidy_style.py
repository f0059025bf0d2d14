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
FILE_MODE = re.compile(r"[rb+t]*[wxa][rb+t]*|r[bt]*\+[bt]*")
FILE_WRITERS = {
    "bot/atomic_file.py": "the owner",
    "bot/journal/disk/files.py": "renames a journal under its lock",
    "bot/journal/disk/reserve.py": "holds space, no content",
    "bot/lab/data/download.py": "pyarrow writes into a stream; atomic_file gives it its name",
    "bot/simex/tls.py": "certificates in a temporary folder; simex imports only domain",
}
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
        for node in module.nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Intent"
    ]


def symbols_are_read_in_one_module(house: House) -> list[str]:
    """Only `bot.domain.symbol` reads the parts of a symbol: no `":" in symbol`, no split at "/" or ":"."""
    found = []
    for module in house.modules:
        if module.name == "bot.domain.symbol":
            continue
        for node in module.nodes:
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


def files_are_written_atomically(house: House) -> list[str]:
    """Files are written by `bot/atomic_file.py` and by the modules of `FILE_WRITERS`, which say why."""
    return [
        f"{module.path}:{node.lineno} writes a file; use bot/atomic_file.py"
        for module in house.modules
        if module.path not in FILE_WRITERS
        for node in module.nodes
        if isinstance(node, ast.Call) and _writes_a_file(node)
    ]


def _writes_a_file(call: ast.Call) -> bool:
    name = ast.unparse(call.func).rpartition(".")[2]
    if name in ("write_text", "write_bytes", "rename"):
        return True
    if name == "replace":  # of a path, or os.replace: neither of a text nor of a dataclass
        is_of_os = ast.unparse(call.func) == "os.replace"
        return is_of_os or (isinstance(call.func, ast.Attribute) and len(call.args) == 1 and not call.keywords)
    modes = [*call.args, *(word.value for word in call.keywords)] if name == "open" else []
    return any(isinstance(mode, ast.Constant) and FILE_MODE.fullmatch(str(mode.value)) for mode in modes)


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
        for node in module.nodes
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
        for node in module.nodes
        for name in _from_functools(node)
        if name in CACHE_DECORATORS
    ]


def _from_functools(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and node.module == "functools":
        return [alias.name for alias in node.names]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "functools":
        return [node.attr]
    return []
