"""The packages that a start loads, whole lists: one more costs every start of every command, so it is added on purpose.

What is installed and not named here, such as numpy, cryptography or pyarrow, is not imported.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import environment

LISTED = """
import contextlib, io, json, os, sys
def loaded():
    packages = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
    return sorted(name for name in packages if not name.startswith("_") and not name.endswith("__mypyc"))
before = set(loaded())
"""
COMMAND = """
from bot.__main__ import main
sys.argv[1:] = json.loads(sys.argv[1])
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    with contextlib.suppress(SystemExit):
        main()
print(json.dumps(sorted(set(loaded()) - before)))
"""
PLANNING = """
import bot.cli.main, bot.cli.plan, bot.runtime.preview, bot.runtime.wiring
from bot.venues.ccxt.adapter import load_adapter
from bot.venues.ccxt.loader import load_exchange_class
load_adapter("binance")
load_exchange_class("binance")({"apiKey": "k", "secret": "s"})
print(json.dumps(sorted(set(loaded()) - before)))
"""
LINE = {"annotated_doc", "bot", "shellingham", "typer"}
SETTINGS = {"annotated_types", "dotenv", "pydantic", "pydantic_core", "pydantic_settings", "typing_inspection"}
JOURNAL = {"msgspec", "sqlite_utils", "sqlite_fts4", "pluggy", "click", "dateutil"}
STATUS = LINE | SETTINGS | JOURNAL | {"orjson", "pygments", "rich", "structlog", "typing_extensions"}
HTTP = {"aiohappyeyeballs", "aiohttp", "aiosignal", "certifi", "frozenlist", "idna", "multidict", "propcache", "yarl"}
PLAN_LOADS = STATUS | HTTP | {"aiohttp_fast_zlib", "asyncio_throttle", "ccxt", "tenacity", "zlib_ng"}
# Loaded by packages above where something else, such as the tools of the project, has installed them.
BESIDE = {"attr", "colorama", "cython_runtime", "greenlet", "tornado"}


def packages_of(code: str, *arguments: str, cwd: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LISTED + code, json.dumps(arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return set(json.loads(done.stdout)) - BESIDE


@pytest.mark.parametrize(
    ("arguments", "expected"), [(("--help",), LINE), (("status",), STATUS)], ids=["help", "status"]
)
def test_a_command_loads_these_packages_and_no_others(
    arguments: tuple[str, ...], expected: set[str], finished_run: Path
) -> None:
    assert packages_of(COMMAND, *arguments, cwd=finished_run) == expected


def test_a_first_plan_loads_these_packages_and_no_others(tmp_path: Path) -> None:
    assert packages_of(PLANNING, cwd=tmp_path) == PLAN_LOADS


OF_VENUES = """
import bot.cli.main, bot.cli.plan, bot.runtime.preview, bot.runtime.daemon, bot.runtime.wiring
from bot.runtime.clock import SystemClock
from bot.runtime.settings.model import load_settings
from bot.venues.registry import FOLDERS
from bot.venues.ccxt.loader import load_exchange_class
chosen = json.loads(sys.argv[1])
venues = (f"venue.id={chosen[0]}", *(f"venue.perp.id={one}" for one in chosen[1:]))
settings = load_settings((), ("mode=trade", "environment=sim", *venues))
bot.runtime.wiring.make_venue(settings, SystemClock(), None)
for one in chosen:
    load_exchange_class(one)
named = set()
for name in sys.modules:
    parts = name.split(".")
    named |= {venue for venue in FOLDERS if name.startswith(("bot.venues.", "ccxt.")) and venue in parts}
print(json.dumps(sorted(named)))
"""


@pytest.mark.parametrize("chosen", [("binance",), ("bybit",), ("bingx",), ("binance", "bybit")], ids="+".join)
def test_nothing_of_a_venue_that_is_not_used_is_loaded(chosen: tuple[str, ...], tmp_path: Path) -> None:
    """Neither its folder nor its class of ccxt: it costs no start a millisecond."""
    assert packages_of(OF_VENUES, *chosen, cwd=tmp_path) == set(chosen)
