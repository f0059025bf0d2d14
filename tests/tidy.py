"""The shape of the house as rules: who may import whom, what pure code may not touch, how large things may grow.

A rule takes the syntax trees of `bot/` and returns findings, each with file and line; `tests/test_tidy.py` runs them.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from statistics import median

from tests.domain.reasons_page import TO_DO, explained

FLOORS = {
    "__main__": 9,
    "cli": 8,
    "lab": 7,
    "operate": 7,
    "report": 6,
    "runtime": 5,
    "execution": 4,
    "venues": 4,
    "feeds": 4,
    "journal": 3,
    "playbook": 2,
    "risk": 2,
    "ports": 2,
    "atomic_file": 2,
    "simex": 2,
    "domain": 1,
}
PURE_FOLDERS = ("domain", "playbook", "risk", "ports")
SIMEX_USERS = {  # importer → what it may reach in the embedded exchange
    "bot.lab.*": ("bot.simex.engine*", "bot.simex.market*"),
    "bot.venues.paper.*": ("bot.simex.engine*", "bot.simex.market*"),
    "bot.runtime.simulator.*": ("bot.simex.*",),
}
BUILDERS = ("bot.runtime.wiring", "bot.runtime.simulator.*", "bot.lab.demo.*", "bot.lab.backtest.*")
CONCRETE_VENUES = ("bot.venues.ccxt.venue*", "bot.venues.paper.*")
LAZY = (
    "bot/venues/ccxt/loader.py",
    "bot/__main__.py",
    "bot/cli/*.py",
    "bot/runtime/simulator/sim_port.py",
    "bot/runtime/simulator/serve.py",
    "bot/lab/demo/scenarios.py",
)
ONE_TURN = {  # what a turn or a bot is composed of → the only modules that may call it
    "Cycle": ("bot/runtime/wiring.py",),
    "Parts": ("bot/runtime/wiring.py",),
    "Executor": ("bot/runtime/wiring.py",),
    "Reconciler": ("bot/runtime/wiring.py",),
    "Observer": ("bot/runtime/observer_setup.py",),
    "decide": ("bot/runtime/turn.py",),
    "guard": ("bot/runtime/turn.py",),
    "close_early": ("bot/runtime/turn.py",),
    "shrink": ("bot/runtime/turn.py",),
    "fit_to_depth": ("bot/runtime/turn.py",),
    "review": ("bot/runtime/turn.py",),
    "tripped": ("bot/runtime/turn.py",),
}
OWNERS = {
    "ccxt": ("bot/venues/ccxt/*.py",),
    "tenacity": ("bot/venues/ccxt/wire.py", "bot/venues/ccxt/throttle.py"),
    "asyncio_throttle": ("bot/venues/ccxt/wire.py", "bot/venues/ccxt/throttle.py"),
    "sqlite_utils": ("bot/journal/*.py", "bot/lab/sweep/store.py"),
    "distributed": ("bot/lab/sweep/dask_engine.py", "bot/cli/sweep.py"),
    "optuna": ("bot/lab/sweep/optuna_search.py", "bot/cli/sweep.py"),
    "pydantic_settings": ("bot/runtime/settings/*.py",),
    "trustme": ("bot/simex/tls.py",),
    "cryptography": ("bot/simex/public_keys.py",),
    "telegram": ("bot/operate/telegram/service.py",),
    "prometheus_client": ("bot/operate/metrics/*.py",),
    "apprise": ("bot/operate/notify/sender.py",),
    "jinja2": ("bot/lab/backtest/page.py", "bot/operate/dashboard/render.py"),
    "argon2": ("bot/operate/dashboard/access/passwords.py",),
    "msgspec": ("bot/domain/codec.py",),
    "dotenv": ("bot/runtime/settings/dotenv_file.py",),
    "pydantic": (
        "bot/playbook/policy/*.py",
        "bot/risk.py",
        "bot/risk/*.py",
        "bot/runtime/settings/*.py",
        "bot/execution/rules.py",
    ),
}
LOG_OWNER = "bot/runtime/logs.py"
IMPURE_MODULES = frozenset(
    {
        "aiohttp",
        "asyncio",
        "concurrent",
        "http",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "select",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "structlog",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    }
)
IMPURE_CALLS = frozenset({"open", "print", "input", "breakpoint"})
CLOCK_READS = frozenset(
    {
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
    }
)
# candles, and seconds of waiting; never money
FLOAT_OWNERS = (
    "bot/venues/ccxt/candles.py",
    "bot/domain/candles.py",
    "bot/venues/ccxt/error_table.py",
    "bot/venues/ccxt/throttle.py",
)
MONEY_FOLDERS = ("bot/domain/*", "bot/journal/*", "bot/execution/*", "bot/venues/*", "bot/risk/*", "bot/risk.py")
FROZEN_FOLDERS = ("bot/domain/*", "bot/playbook/*", "bot/risk/*", "bot/risk.py", "bot/ports.py")
MUTABLE = frozenset({"list", "dict", "set", "bytearray", "List", "Dict", "Set"})
MODULE_LINES, MEDIAN_LINES, FUNCTION_LINES, FOLDER_MODULES = 500, 200, 70, 15
REASON_WORDS = (3, 1)  # of the meaning, of the advice

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    line: int
    target: str  # the module that is meant, as far as it is one of ours: bot.runtime.cycle, ccxt.async_support
    is_nested: bool


@dataclass(frozen=True)
class Module:
    path: str  # bot/runtime/cycle.py
    name: str  # bot.runtime.cycle
    source: str
    tree: ast.Module
    imports: tuple[Import, ...]

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All that stands in the module: two dozen rules look through it."""
        return tuple(ast.walk(self.tree))

    @property
    def folder(self) -> str:
        return self.name.split(".")[1] if "." in self.name else ""

    @property
    def floor(self) -> int:
        return FLOORS.get(self.folder, 0)

    @property
    def is_pure(self) -> bool:
        return self.folder in PURE_FOLDERS

    @property
    def lines(self) -> int:
        return len(self.source.splitlines())

    def is_one_of(self, patterns: Sequence[str]) -> bool:
        return any(fnmatch(self.path, pattern) for pattern in patterns)

    def at(self, node: ast.AST | int, what: str) -> str:
        return f"{self.path}:{node if isinstance(node, int) else getattr(node, 'lineno', 1)} {what}"


@dataclass(frozen=True)
class House:
    root: Path
    modules: tuple[Module, ...]


def read_house(root: Path) -> House:
    paths = sorted((root / "bot").rglob("*.py"))
    names = {path: ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in paths}
    known = frozenset(names.values())
    return House(root, tuple(read_module(root, path, names[path], known) for path in paths))


def read_module(root: Path, path: Path, name: str, known: frozenset[str]) -> Module:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source, str(path))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imports = tuple(find_imports(tree, package, known, is_nested=False))
    return Module(path.relative_to(root).as_posix(), name, source, tree, imports)


def find_imports(node: ast.AST, package: str, known: frozenset[str], *, is_nested: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(child.lineno, alias.name, is_nested)
        elif isinstance(child, ast.ImportFrom):
            parents = package.split(".")
            base = ".".join(parents[: len(parents) - child.level + 1]) if child.level else ""
            base = ".".join(part for part in (base, child.module) if part)
            targets = {f"{base}.{alias.name}" for alias in child.names}
            yield from (Import(child.lineno, target, is_nested) for target in sorted(targets & known))
            if targets - known:
                yield Import(child.lineno, base, is_nested)
        else:
            in_function = isinstance(child, Function | ast.Lambda)
            yield from find_imports(child, package, known, is_nested=is_nested or in_function)


def folder_of(target: str) -> str:
    """The folder of ours that an import reaches; empty for others' packages and for `bot` itself."""
    parts = target.split(".")
    return parts[1] if parts[0] == "bot" and len(parts) > 1 else ""


def matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


# The dependency rule


def every_module_stands_on_a_floor(house: House) -> list[str]:
    return [m.at(1, f"folder {m.folder!r} is on no floor") for m in house.modules if m.folder and not m.floor]


def imports_go_down(house: House) -> list[str]:
    return [
        m.at(i.line, f"imports {i.target}, which is above it")
        for m in house.modules
        for i in m.imports
        if FLOORS.get(folder_of(i.target), 0) > m.floor
    ]


def imports_do_not_go_sideways(house: House) -> list[str]:
    return [
        m.at(i.line, f"imports {i.target}, which is beside it")
        for m in house.modules
        for i in m.imports
        if folder_of(i.target) != m.folder and FLOORS.get(folder_of(i.target), 0) == m.floor > 0
    ]


def the_embedded_exchange_has_few_users(house: House) -> list[str]:
    found = []
    for m in house.modules:
        allowed = [target for user, targets in SIMEX_USERS.items() if fnmatch(m.name, user) for target in targets]
        reached = [i for i in m.imports if folder_of(i.target) == "simex" != m.folder]
        found += [
            m.at(i.line, f"imports {i.target}: only wiring, lab and the paper venue know it")
            for i in reached
            if not matches(i.target, allowed)
        ]
    return found


def simex_knows_only_the_domain(house: House) -> list[str]:
    return [
        m.at(i.line, f"the embedded exchange imports {i.target}")
        for m in house.modules
        for i in m.imports
        if m.folder == "simex" and folder_of(i.target) not in ("", "simex", "domain")
    ]


def execution_does_not_know_why(house: House) -> list[str]:
    return [
        m.at(i.line, f"imports {i.target}")
        for m in house.modules
        for i in m.imports
        if m.folder == "execution" and folder_of(i.target) == "playbook"
    ]


def only_wiring_names_concrete_venues(house: House) -> list[str]:
    return [
        m.at(i.line, f"imports {i.target}: everything but wiring knows ports only")
        for m in house.modules
        for i in m.imports
        if m.folder != "venues" and matches(i.target, CONCRETE_VENUES) and not matches(m.name, BUILDERS)
    ]


def a_turn_is_composed_once(house: House) -> list[str]:
    return [
        m.at(node, f"{node.func.id}() belongs to {', '.join(ONE_TURN[node.func.id])}: call that")
        for m in house.modules
        for node in m.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ONE_TURN
        if not m.is_one_of(ONE_TURN[node.func.id])
    ]


def there_is_no_import_circle(house: House) -> list[str]:
    names = {m.name for m in house.modules}
    graph = {m.name: sorted({i.target for i in m.imports} & names - {m.name}) for m in house.modules}
    paths = {m.name: m.path for m in house.modules}
    found, done = [], set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            circle = (*trail[trail.index(name) :], name)
            found.append(f"{paths[name]}:1 " + " → ".join(circle))
        elif name not in done:
            for target in graph[name]:
                visit(target, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())
    return found


def imports_stand_at_the_top(house: House) -> list[str]:
    return [
        m.at(i.line, f"imports {i.target} inside a function")
        for m in house.modules
        for i in m.imports
        if i.is_nested and not m.is_one_of(LAZY)
    ]


def nothing_hides_behind_type_checking(house: House) -> list[str]:
    return [
        m.at(node, "TYPE_CHECKING: two files that need each other are one file or lack a third")
        for m in house.modules
        for node in m.nodes
        if (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING")
        or (isinstance(node, ast.Attribute) and node.attr == "TYPE_CHECKING")
    ]


def packages_of_others_stay_with_their_owners(house: House) -> list[str]:
    found = []
    for m in house.modules:
        for i in m.imports:
            owners = OWNERS.get(i.target.split(".")[0])
            if owners and not m.is_one_of(owners):
                found.append(m.at(i.line, f"imports {i.target}, which belongs to {', '.join(owners)}"))
    return found


def only_the_log_file_configures_logging(house: House) -> list[str]:
    found = []
    for m in house.modules:
        if m.path == LOG_OWNER:
            continue
        for node in m.nodes:
            if isinstance(node, ast.Attribute) and node.attr.startswith("configure"):
                if isinstance(node.value, ast.Name) and node.value.id == "structlog":
                    found.append(m.at(node, f"structlog.{node.attr}"))
            elif isinstance(node, ast.ImportFrom) and node.module == "structlog":
                names = [alias.name for alias in node.names if alias.name.startswith("configure")]
                found += [m.at(node, f"from structlog import {name}") for name in names]
    return found


# Pure code


def pure_code_is_not_async(house: House) -> list[str]:
    waiting = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
    found = []
    for m in house.modules:
        if m.is_pure:
            promised = {n for c in protocols(m.tree) for n in c.body} if m.folder == "ports" else set()
            found += [m.at(n, "async") for n in m.nodes if isinstance(n, waiting) and n not in promised]
    return found


def protocols(tree: ast.Module) -> list[ast.ClassDef]:
    return [n for n in tree.body if isinstance(n, ast.ClassDef) and "Protocol" in {ast.unparse(b) for b in n.bases}]


def pure_code_imports_nothing_impure(house: House) -> list[str]:
    return [
        m.at(i.line, f"imports {i.target}")
        for m in house.modules
        for i in m.imports
        if m.is_pure and i.target.split(".")[0] in IMPURE_MODULES
    ]


def pure_code_calls_nothing_impure(house: House) -> list[str]:
    found = []
    for m in house.modules:
        if not m.is_pure:
            continue
        for node in m.nodes:
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                found.append(m.at(node, f"calls {node.func.id}()"))
            elif ast.unparse(node.func) in CLOCK_READS:
                found.append(m.at(node, f"reads a clock: {ast.unparse(node.func)}()"))
    return found


def pure_dataclasses_are_frozen_and_slotted(house: House) -> list[str]:
    found = []
    for m, owner, decorator in decorated_dataclasses(house):
        given = decorator.keywords if isinstance(decorator, ast.Call) else []
        on = {k.arg for k in given if isinstance(k.value, ast.Constant) and k.value.value is True}
        if not {"frozen", "slots"} <= on:
            found.append(m.at(owner, f"dataclass {owner.name} is not frozen=True, slots=True"))
    return found


def pure_dataclasses_hold_nothing_mutable(house: House) -> list[str]:
    return [
        m.at(field, f"{owner.name}.{ast.unparse(field.target)} holds a {name.id}")
        for m, owner, _ in decorated_dataclasses(house)
        for field in owner.body
        if isinstance(field, ast.AnnAssign)
        for name in ast.walk(field.annotation)
        if isinstance(name, ast.Name) and name.id in MUTABLE
    ]


def decorated_dataclasses(house: House) -> Iterator[tuple[Module, ast.ClassDef, ast.expr]]:
    for m in house.modules:
        if not m.is_one_of(FROZEN_FOLDERS):
            continue
        for node in m.nodes:
            if isinstance(node, ast.ClassDef):
                for decorator in node.decorator_list:
                    name = decorator.func if isinstance(decorator, ast.Call) else decorator
                    if ast.unparse(name) in ("dataclass", "dataclasses.dataclass"):
                        yield m, node, decorator


def money_is_never_a_float(house: House) -> list[str]:
    found = []
    for m in house.modules:
        if not m.is_one_of(MONEY_FOLDERS) or m.is_one_of(FLOAT_OWNERS):
            continue
        for node in m.nodes:
            if isinstance(node, ast.Call):
                passed = ast.unparse(node.func) == "map" and node.args and ast.unparse(node.args[0]) == "float"
                if ast.unparse(node.func) == "float" or passed:
                    found.append(m.at(node, "float()"))
    return found


def dry_run_is_named_in_the_shell_only(house: House) -> list[str]:
    return [
        m.at(number, "dry_run")
        for m in house.modules
        if m.floor < FLOORS["runtime"]
        for number, line in enumerate(m.source.splitlines(), 1)
        if re.search(r"dry_?run", line, re.IGNORECASE)
    ]


# Size and words


def modules_are_short(house: House) -> list[str]:
    return [m.at(m.lines, f"{m.lines} lines, at most {MODULE_LINES}") for m in house.modules if m.lines > MODULE_LINES]


def folders_are_small(house: House) -> list[str]:
    counts = Counter(m.path.rpartition("/")[0] for m in house.modules if not m.path.endswith("__init__.py"))
    return [
        f"{folder}/:1 holds {count} modules, at most {FOLDER_MODULES}"
        for folder, count in sorted(counts.items())
        if count > FOLDER_MODULES
    ]


def the_median_module_is_short(house: House) -> list[str]:
    lines = [m.lines for m in house.modules if not m.path.endswith("__init__.py")]
    middle = median(lines) if lines else 0
    return [f"bot/:1 the median module has {middle} lines, at most {MEDIAN_LINES}"] if middle > MEDIAN_LINES else []


def functions_are_short(house: House) -> list[str]:
    return [
        m.at(node, f"{node.name} has {length} lines, at most {FUNCTION_LINES}")
        for m in house.modules
        for node in m.nodes
        if isinstance(node, Function)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]


def every_module_says_what_it_is(house: House) -> list[str]:
    return [m.at(1, "no module docstring") for m in house.modules if m.tree.body and not ast.get_docstring(m.tree)]


def every_reason_is_explained(house: House) -> list[str]:
    """The text below a member of `Reason` says what it means and, after "To do:", what an operator does."""
    return [
        m.at(1, f"{name!r} has no text that says what it means and what to do")
        for m in house.modules
        if m.name == "bot.domain.reason"
        for name, text in explained(m.tree).items()
        if any(len(part.split()) < least for part, least in zip(text.partition(TO_DO)[::2], REASON_WORDS, strict=True))
    ]
