"""The house keeps its shape, and each rule of `tests/tidy.py` finds the fault it is there for.

A check that cannot fail guards nothing: every rule also runs on a small tree with one fault planted in it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests import tidy, tidy_docs, tidy_style, tidy_venues, tidy_words
from tests.tidy import House

ROOT = Path(__file__).parent.parent

Files = Mapping[str, str]
Rule = Callable[[House], list[str]]


@pytest.fixture(scope="module")
def house() -> House:
    found = tidy.read_house(ROOT)
    assert found.modules, "bot/ is empty"
    return found


def check(findings: list[str]) -> None:
    assert not findings, "\n" + "\n".join(findings)


def test_every_module_stands_on_a_floor(house: House) -> None:
    check(tidy.every_module_stands_on_a_floor(house))


def test_imports_go_down(house: House) -> None:
    check(tidy.imports_go_down(house))


def test_imports_do_not_go_sideways(house: House) -> None:
    check(tidy.imports_do_not_go_sideways(house))


def test_the_embedded_exchange_has_few_users(house: House) -> None:
    check(tidy.the_embedded_exchange_has_few_users(house))


def test_simex_knows_only_the_domain(house: House) -> None:
    check(tidy.simex_knows_only_the_domain(house))


def test_execution_does_not_know_why(house: House) -> None:
    check(tidy.execution_does_not_know_why(house))


def test_only_wiring_names_concrete_venues(house: House) -> None:
    check(tidy.only_wiring_names_concrete_venues(house))


def test_a_turn_is_composed_once(house: House) -> None:
    check(tidy.a_turn_is_composed_once(house))


def test_there_is_no_import_circle(house: House) -> None:
    check(tidy.there_is_no_import_circle(house))


def test_imports_stand_at_the_top(house: House) -> None:
    check(tidy.imports_stand_at_the_top(house))


def test_nothing_hides_behind_type_checking(house: House) -> None:
    check(tidy.nothing_hides_behind_type_checking(house))


def test_packages_of_others_stay_with_their_owners(house: House) -> None:
    check(tidy.packages_of_others_stay_with_their_owners(house))


def test_only_the_log_file_configures_logging(house: House) -> None:
    check(tidy.only_the_log_file_configures_logging(house))


def test_pure_code_is_not_async(house: House) -> None:
    check(tidy.pure_code_is_not_async(house))


def test_pure_code_imports_nothing_impure(house: House) -> None:
    check(tidy.pure_code_imports_nothing_impure(house))


def test_pure_code_calls_nothing_impure(house: House) -> None:
    check(tidy.pure_code_calls_nothing_impure(house))


def test_pure_dataclasses_are_frozen_and_slotted(house: House) -> None:
    check(tidy.pure_dataclasses_are_frozen_and_slotted(house))


def test_pure_dataclasses_hold_nothing_mutable(house: House) -> None:
    check(tidy.pure_dataclasses_hold_nothing_mutable(house))


def test_money_is_never_a_float(house: House) -> None:
    check(tidy.money_is_never_a_float(house))


def test_dry_run_is_named_in_the_shell_only(house: House) -> None:
    check(tidy.dry_run_is_named_in_the_shell_only(house))


def test_modules_are_short(house: House) -> None:
    check(tidy.modules_are_short(house))


def test_the_median_module_is_short(house: House) -> None:
    check(tidy.the_median_module_is_short(house))


def test_class_names_are_used_once(house: House) -> None:
    check(tidy_style.class_names_are_used_once(house))


def test_intents_are_built_once(house: House) -> None:
    check(tidy_style.intents_are_built_once(house))


def test_symbols_are_read_in_one_module(house: House) -> None:
    check(tidy_style.symbols_are_read_in_one_module(house))


def test_files_are_written_atomically(house: House) -> None:
    check(tidy_style.files_are_written_atomically(house))


def test_every_line_is_formatted(house: House) -> None:
    check(tidy_style.every_line_is_formatted(house))


def test_time_units_are_defined_once(house: House) -> None:
    check(tidy_style.time_units_are_defined_once(house))


def test_standard_terms_are_used(house: House) -> None:
    check(tidy_words.standard_terms_are_used(house))


def test_no_function_remembers_below_runtime(house: House) -> None:
    check(tidy_style.no_function_remembers_below_runtime(house))


def test_exceptions_are_named(house: House) -> None:
    check(tidy_docs.exceptions_are_named(house))


def test_classes_say_what_they_are(house: House) -> None:
    check(tidy_docs.classes_say_what_they_are(house))


def test_tuples_are_explained(house: House) -> None:
    check(tidy_docs.tuples_are_explained(house))


def test_venue_folders_stand_alone(house: House) -> None:
    check(tidy_venues.venue_folders_stand_alone(house))


def test_venue_words_stay_in_their_folder(house: House) -> None:
    check(tidy_venues.venue_words_stay_in_their_folder(house))


def test_folders_are_small(house: House) -> None:
    check(tidy.folders_are_small(house))


def test_functions_are_short(house: House) -> None:
    check(tidy.functions_are_short(house))


def test_every_module_says_what_it_is(house: House) -> None:
    check(tidy.every_module_says_what_it_is(house))


def test_every_reason_is_explained(house: House) -> None:
    check(tidy.every_reason_is_explained(house))


CLEAN: Files = {
    "bot/__init__.py": "",
    "bot/__main__.py": "def main():\n    from bot.runtime import wiring\n    return wiring\n",
    "bot/ports.py": (
        'from typing import Protocol\nclass Venue(Protocol):\n    """One."""\n    async def fetch(self) -> int: ...\n'
    ),
    "bot/domain/money.py": (
        '@dataclass(frozen=True, slots=True)\nclass A:\n    """A value."""\n    b: tuple[int, ...]\n'
    ),
    "bot/domain/reason.py": (
        'class Reason:\n    """Reasons."""\n    X = "x"\n    """There is no cash. To do: Wait."""\n'
    ),
    "bot/domain/candles.py": "def parse(x):\n    return float(x)\n",
    "bot/playbook/policy/numbers.py": "import pydantic\nfrom bot.domain import money\n",
    "bot/risk/__init__.py": "from bot.domain.money import A\n",
    "bot/journal/journal.py": "import sqlite_utils\nfrom bot.risk import A\nasync def write(): ...\n",
    "bot/simex/engine/__init__.py": "from bot.domain import money\n",
    "bot/venues/paper/venue.py": "import time\nfrom bot.simex.engine import money\nfrom bot.ports import Venue\n",
    "bot/venues/ccxt/loader.py": "def load():\n    import ccxt.async_support\n    return ccxt\n",
    "bot/lab/run.py": "from bot.simex import engine\n",
    "bot/runtime/logs.py": "import structlog\nstructlog.configure()\n",
    "bot/runtime/wiring.py": "from bot.venues import paper\nfrom bot.execution import journal\ndry_run = True\n",
}

# Each row: the rule, the files that break it, what its one finding must name.
PLANTED: list[tuple[Rule, Files, str]] = [
    (tidy.every_module_stands_on_a_floor, {"bot/utils/x.py": ""}, "bot/utils/x.py:1"),
    (
        tidy.imports_go_down,
        {"bot/domain/x.py": "import re\nfrom bot.playbook.policy.numbers import P"},
        "bot/domain/x.py:2",
    ),
    (tidy.imports_go_down, {"bot/execution/x.py": "from bot.runtime import wiring"}, "bot/execution/x.py:1"),
    (tidy.imports_go_down, {"bot/operate/x.py": "import bot.__main__"}, "bot/operate/x.py:1"),
    (tidy.imports_go_down, {"bot/risk/x.py": "from ..execution import journal"}, "bot/risk/x.py:1"),
    (tidy.imports_do_not_go_sideways, {"bot/execution/x.py": "from bot.venues import paper"}, "bot/execution/x.py:1"),
    (tidy.imports_do_not_go_sideways, {"bot/playbook/x.py": "from bot.ports import Venue"}, "bot/playbook/x.py:1"),
    (tidy.the_embedded_exchange_has_few_users, {"bot/lab/x.py": "from bot.simex.server import S"}, "bot/lab/x.py:1"),
    (
        tidy.the_embedded_exchange_has_few_users,
        {"bot/venues/x.py": "from bot.simex.engine import S"},
        "bot/venues/x.py:1",
    ),
    (tidy.simex_knows_only_the_domain, {"bot/simex/x.py": "from bot.ports import Venue"}, "bot/simex/x.py:1"),
    (
        tidy.execution_does_not_know_why,
        {"bot/execution/x.py": "import bot.playbook.policy.numbers"},
        "bot/execution/x.py:1",
    ),
    (
        tidy.only_wiring_names_concrete_venues,
        {"bot/operate/x.py": "from bot.venues.paper.venue import P"},
        "bot/operate/x.py:1",
    ),
    (tidy.a_turn_is_composed_once, {"bot/lab/x.py": "def f():\n    return Parts(venue)"}, "bot/lab/x.py:2"),
    (
        tidy.a_turn_is_composed_once,
        {"bot/report/x.py": "verdicts = review(intents, context, limits)"},
        "bot/report/x.py:1",
    ),
    (
        tidy.there_is_no_import_circle,
        {"bot/domain/a.py": "import bot.domain.b", "bot/domain/b.py": "from bot.domain.a import x"},
        "bot.domain.a → bot.domain.b → bot.domain.a",
    ),
    (
        tidy_style.class_names_are_used_once,
        {"bot/domain/a.py": "class Book:\n    pass", "bot/feeds/b.py": "class Book:\n    pass"},
        "bot/feeds/b.py:1 class Book is also bot/domain/a.py:1",
    ),
    (tidy_style.intents_are_built_once, {"bot/execution/x.py": "a = order.Intent(id='1')"}, "bot/execution/x.py:1"),
    (tidy_style.symbols_are_read_in_one_module, {"bot/risk/x.py": "a = ':' not in fill.symbol"}, "bot/risk/x.py:1"),
    (tidy_style.symbols_are_read_in_one_module, {"bot/feeds/x.py": "a = perp.split('/', 1)[0]"}, "bot/feeds/x.py:1"),
    (tidy_style.files_are_written_atomically, {"bot/feeds/x.py": "page.write_text('a')"}, "bot/feeds/x.py:1"),
    (tidy_style.files_are_written_atomically, {"bot/feeds/x.py": "with page.open('wb') as f: ..."}, "bot/feeds/x.py:1"),
    (tidy_style.files_are_written_atomically, {"bot/runtime/x.py": "draft.replace(page)"}, "bot/runtime/x.py:1"),
    (tidy_style.every_line_is_formatted, {"bot/domain/x.py": "x = [\n    1]  # fmt: skip"}, "bot/domain/x.py:2"),
    (tidy_style.time_units_are_defined_once, {"bot/feeds/x.py": "A, HOUR_MS = 1, 3_600_000"}, "bot/feeds/x.py:1"),
    (
        tidy_style.no_function_remembers_below_runtime,
        {"bot/playbook/x.py": "from functools import lru_cache, partial"},
        "bot/playbook/x.py:1 uses functools.lru_cache",
    ),
    (
        tidy_style.no_function_remembers_below_runtime,
        {"bot/journal/x.py": "import functools\n@functools.cache\ndef f():\n    return 1"},
        "bot/journal/x.py:2",
    ),
    (
        tidy_docs.exceptions_are_named,
        {"bot/risk/x.py": 'def f():\n    """Check."""\n    raise ValueError("x")'},
        "bot/risk/x.py:",
    ),
    (
        tidy_docs.exceptions_are_named,
        {"bot/simex/dialects/binance/x.py": 'def f():\n    """Check."""\n    raise Refusal("x")'},
        "bot/simex/dialects/binance/x.py:",
    ),
    (tidy_docs.classes_say_what_they_are, {"bot/risk/x.py": "class Bare:\n    a: int"}, "bot/risk/x.py:1"),
    (
        tidy_docs.tuples_are_explained,
        {"bot/risk/x.py": 'def f() -> tuple[str, int] | None:\n    """Numbers."""'},
        "bot/risk/x.py:",
    ),
    (
        tidy_venues.venue_folders_stand_alone,
        {"bot/venues/ccxt/x.py": "from bot.venues.binance.errors import TABLE"},
        "bot/venues/ccxt/x.py:1",
    ),
    (
        tidy_venues.venue_words_stay_in_their_folder,
        {"bot/venues/ccxt/x.py": "a = row['algoId']"},
        "bot/venues/ccxt/x.py:1 names 'algoId'",
    ),
    (
        tidy_venues.venue_words_stay_in_their_folder,
        {"bot/execution/x.py": "a = error.code == '-2011'"},
        "bot/execution/x.py:1 names '-2011'",
    ),
    (tidy_words.standard_terms_are_used, {"bot/feeds/x.py": "def tell_start(): ..."}, "bot/feeds/x.py:1 says 'tell'"),
    (tidy_words.standard_terms_are_used, {"bot/risk/x.py": "a = 1  # a wager"}, "bot/risk/x.py:1 says 'wager'"),
    (tidy_words.standard_terms_are_used, {"bot/domain/x.py": '"""A twin."""'}, "bot/domain/x.py:1 says 'twin'"),
    (tidy.imports_stand_at_the_top, {"bot/operate/x.py": "def f():\n    import re"}, "bot/operate/x.py:2"),
    (tidy.nothing_hides_behind_type_checking, {"bot/operate/x.py": "if typing.TYPE_CHECKING:\n    x = 1"}, "x.py:1"),
    (tidy.packages_of_others_stay_with_their_owners, {"bot/operate/x.py": "import ccxt.pro"}, "bot/operate/x.py:1"),
    (tidy.packages_of_others_stay_with_their_owners, {"bot/feeds/x.py": "import tenacity"}, "bot/feeds/x.py:1"),
    (tidy.packages_of_others_stay_with_their_owners, {"bot/domain/x.py": "import pydantic"}, "bot/domain/x.py:1"),
    (
        tidy.packages_of_others_stay_with_their_owners,
        {"bot/venues/x.py": "from asyncio_throttle.throttler import Throttler"},
        "bot/venues/x.py:1",
    ),
    (tidy.packages_of_others_stay_with_their_owners, {"bot/operate/x.py": "import sqlite_utils"}, "bot/operate/x.py:1"),
    (
        tidy.packages_of_others_stay_with_their_owners,
        {"bot/operate/x.py": "import pydantic_settings"},
        "bot/operate/x.py:1",
    ),
    (
        tidy.only_the_log_file_configures_logging,
        {"bot/operate/x.py": "structlog.configure_once()"},
        "bot/operate/x.py:1",
    ),
    (
        tidy.only_the_log_file_configures_logging,
        {"bot/operate/x.py": "from structlog import configure"},
        "bot/operate/x.py:1",
    ),
    (tidy.pure_code_is_not_async, {"bot/risk/x.py": "async def f(): ..."}, "bot/risk/x.py:1"),
    (tidy.pure_code_is_not_async, {"bot/ports.py": "async def f(): ..."}, "bot/ports.py:1"),
    (tidy.pure_code_imports_nothing_impure, {"bot/domain/x.py": "import time"}, "bot/domain/x.py:1"),
    (tidy.pure_code_imports_nothing_impure, {"bot/playbook/x.py": "from structlog import get_logger"}, "x.py:1"),
    (tidy.pure_code_imports_nothing_impure, {"bot/risk.py": "import os.path"}, "bot/risk.py:1"),
    (tidy.pure_code_calls_nothing_impure, {"bot/playbook/x.py": "open('x')"}, "bot/playbook/x.py:1"),
    (tidy.pure_code_calls_nothing_impure, {"bot/domain/x.py": "x = 1\ndatetime.now(UTC)"}, "bot/domain/x.py:2"),
    (
        tidy.pure_dataclasses_are_frozen_and_slotted,
        {"bot/playbook/x.py": "@dataclass(frozen=True)\nclass A: ..."},
        "bot/playbook/x.py:2",
    ),
    (tidy.pure_dataclasses_are_frozen_and_slotted, {"bot/ports.py": "@dataclass\nclass A: ..."}, "bot/ports.py:2"),
    (
        tidy.pure_dataclasses_hold_nothing_mutable,
        {"bot/risk/x.py": "@dataclass(frozen=True, slots=True)\nclass A:\n    b: list[int]"},
        "bot/risk/x.py:3",
    ),
    (tidy.money_is_never_a_float, {"bot/venues/x.py": "x = float('1')"}, "bot/venues/x.py:1"),
    (tidy.money_is_never_a_float, {"bot/risk.py": "x = list(map(float, '1'))"}, "bot/risk.py:1"),
    (tidy.dry_run_is_named_in_the_shell_only, {"bot/feeds/x.py": "def f(*, dry_run): ..."}, "bot/feeds/x.py:1"),
    (tidy.modules_are_short, {"bot/operate/x.py": "x = 1\n" * 501}, "bot/operate/x.py:501"),
    (tidy.the_median_module_is_short, {f"bot/operate/x{n}.py": "x = 1\n" * 201 for n in range(40)}, "201"),
    (tidy.folders_are_small, {f"bot/operate/x{n}.py": "x = 1" for n in range(16)}, "bot/operate/:1 holds 16"),
    (tidy.functions_are_short, {"bot/operate/x.py": "def f():\n" + "    x = 1\n" * 70}, "bot/operate/x.py:1"),
    (tidy.every_module_says_what_it_is, {"bot/operate/x.py": "x = 1"}, "bot/operate/x.py:1"),
    (
        tidy.every_reason_is_explained,
        {"bot/domain/reason.py": 'class Reason:\n    X = "x"\n    """There is no cash."""\n'},
        "bot/domain/reason.py:",
    ),
]


def build(folder: Path, files: Files) -> House:
    """A house of the clean files with some added or replaced."""
    clean = {name: f'"""Clean."""\n{text}' if text else "" for name, text in CLEAN.items()}
    for name, text in {**clean, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tidy.read_house(folder)


def all_rules() -> list[Rule]:
    shape = {"house": House, "return": list[str]}
    modules = (tidy, tidy_docs, tidy_style, tidy_venues, tidy_words)
    rules = [rule for module in modules for rule in vars(module).values()]
    return [rule for rule in rules if getattr(rule, "__annotations__", None) == shape]


@pytest.mark.parametrize(
    ("rule", "files", "expected"), PLANTED, ids=[f"{rule.__name__}-{min(files)}" for rule, files, _ in PLANTED]
)
def test_a_planted_fault_is_found(rule: Rule, files: Files, expected: str, tmp_path: Path) -> None:
    (finding,) = rule(build(tmp_path, files))
    assert expected in finding


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.__name__)
def test_a_clean_house_has_no_findings(rule: Rule, tmp_path: Path) -> None:
    check(rule(build(tmp_path, {})))


def test_every_rule_is_run_and_has_a_planted_fault() -> None:
    names = {rule.__name__ for rule in all_rules()}
    assert names == {rule.__name__ for rule, _, _ in PLANTED}
    assert {f"test_{name}" for name in names} <= set(globals())
