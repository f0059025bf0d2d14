"""Rules of the seam between venues: what is one venue's stands in its folder and in its dialect of the simulator."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch

from bot.venues.registry import FOLDERS
from tests.tidy import House, Module

SHARED_FOLDERS = ("ccxt", "paper", "pair", "streams")
VENUE_HOMES = tuple(f"{folder}/{venue}/*" for venue in FOLDERS for folder in ("bot/venues", "bot/simex/dialects"))
VENUE_WORDS = re.compile(
    "|".join(FOLDERS) + r"|autoclose|orderlinkid|retcode|x-bapi|x-bx|\b[fds]api|usd\u24c8|usdm|x-mbx|umfuture"
    r"|algoid|algoorder|clientalgoid|origclientorderid"
    r"|(?:public|private|sapi)(?:v\d)?(?:get|post|put|delete)[a-z]|(?<![\w.])-[1-5]\d{3}(?!\d)",
    re.IGNORECASE,
)
ALLOWED = {  # where a venue is chosen, or its hosts are led to the embedded exchange
    "bot/venues/paper/engine_venue.py": {"binance"},
    "bot/runtime/redaction.py": {"x-mbx"},  # the header of the key is hidden in every log
    "bot/runtime/settings/sections.py": {"binance"},
    "bot/runtime/settings/secret_shape.py": {"binance"},
    "bot/simex/server.py": {"binance"},
    "bot/simex/limits.py": {"sapi", "x-mbx"},
    "bot/simex/engine/margin/liquidation.py": {"autoclose"},  # the ids of the engine's own orders
    "bot/simex/market/catalogue.py": {"binance"},
}


def venue_folders_stand_alone(house: House) -> list[str]:
    """Nobody imports a venue's folder but itself: the registry names it, and it is loaded when it is asked for."""
    return [
        m.at(i.line, f"imports {i.target}; reach a venue through bot.venues.registry")
        for m in house.modules
        for i in m.imports
        if (folder := _venue_of(i.target)) and not m.name.startswith(f"bot.venues.{folder}.")
    ]


def venue_words_stay_in_their_folder(house: House) -> list[str]:
    """Endpoints, error codes and field names of a venue stand in no other code. Comments may name sources."""
    return [
        f"{m.path}:{line} names {word!r}, which is one venue's; it belongs to {' or '.join(VENUE_HOMES)}"
        for m in house.modules
        if not any(fnmatch(m.path, home) for home in VENUE_HOMES)
        for line, text in _code_texts(m)
        for word in VENUE_WORDS.findall(text)
        if word.lower() not in ALLOWED.get(m.path, set())
    ]


def _venue_of(target: str) -> str:
    parts = target.split(".")
    is_venue = parts[:2] == ["bot", "venues"] and len(parts) > 3
    return parts[2] if is_venue and parts[2] not in SHARED_FOLDERS else ""


def _code_texts(module: Module) -> Iterator[tuple[int, str]]:
    """(line, text) of names, imports and strings that are not docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(node.body[0].value)
        for node in module.nodes
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in module.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
