"""The settings for people: every value in force with its origin, warnings, and the schema for editors."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.domain.instrument import Kind
from bot.runtime.settings import layers as settings_layers
from bot.runtime.settings.layers import SECRET_PATHS, KeyPath, Layer
from bot.runtime.settings.model import Settings, redacted
from bot.runtime.settings.series.model import series_warnings
from bot.venues.registry import abilities_of

_BARE = re.compile(r"[A-Za-z0-9_\-]+")


def flatten(settings: Settings, layers: Sequence[Layer]) -> list[tuple[str, str, str]]:
    """Every setting in force as (key, value as TOML, where it comes from); secrets as stars."""
    return [
        (dotted(path), json.dumps(value, ensure_ascii=False), _origin(layers, path))
        for path, value in _leaves(redacted(settings), ())
    ]


def warnings(settings: Settings) -> list[str]:
    """What is allowed and worth a word to the operator."""
    result = [*settings.notes, *settings.playbook.warnings(), *series_warnings(settings.series)]
    result += _short_histories(settings)
    if Kind.PERP not in settings.venue.kinds:
        perps_at = settings.venue.account_of(Kind.PERP).id
        result.append(f"perps are not traded: {perps_at} has them only where venue.perp.id names it; nothing is hedged")
    result += _cautions(settings)
    required, most = settings.playbook.tactical.leverage, settings.risk.position_leverage_max
    if required > most:
        result.append(f"playbook.tactical.leverage = {required} will be cut to risk.position_leverage_max = {most}")
    for file in (*settings.sources.files, settings_layers.DOTENV_FILE):
        is_dotenv = file == settings_layers.DOTENV_FILE
        layer = settings_layers.read_dotenv(file) if is_dotenv else settings_layers.read_toml(file)
        if any(layer.has(path) for path in SECRET_PATHS) and file.stat().st_mode & 0o077:
            result.append(f"{file}: holds a secret and others may read it; use a secrets file, or chmod 600")
    if settings.environment == "mainnet" and settings.mode == "trade":
        result.append("mainnet and trade: orders are real")
    if not settings.dashboard.is_local:
        result.append(
            f"dashboard.host = {settings.dashboard.host}: other machines reach the dashboard, over HTTP without "
            "encryption; whoever has a password of an operator can flatten the book: put a proxy with TLS before it"
        )
    return result


def _cautions(settings: Settings) -> list[str]:
    """What is special about trading a kind of market at its venue."""
    if settings.environment == "sim":
        return []
    at = {kind: settings.venue.account_of(kind).id for kind in Kind if kind in settings.venue.kinds}
    return [f"{venue}: {said}" for kind, venue in at.items() for said in abilities_of(venue).cautions.get(kind, ())]


def _short_histories(settings: Settings) -> list[str]:
    """Where signals look back further than the venue's candles reach."""
    account, needed = settings.venue.account_of(Kind.SPOT), settings.policy.candle_count
    most = abilities_of(account.id).candles_max.get(Kind.SPOT, needed)
    if most >= needed:
        return []
    return [
        f"{account.id} has the newest {most} candles of spot and the signals look back {needed}: those that need more "
        "are missing, which lowers confidence; trade spot at another venue (venue.spot.id) to have them"
    ]


def settings_schema() -> Mapping[str, Any]:
    """The JSON schema of a file of settings, for editors."""
    schema = Settings.model_json_schema()
    del schema["required"]
    for model in (schema, *schema["$defs"].values()):
        if "description" in model:
            model["description"] = model["description"].split("\n", 1)[0]
        for field in model.get("properties", {}).values():
            if "$ref" in field:  # a table: its keys have their own defaults
                field.pop("default", None)
    return schema


def dotted(path: KeyPath) -> str:
    """A key as it is written in TOML and after --set: parts that are no plain names stand in quotes."""
    return ".".join(part if _BARE.fullmatch(part) else f'"{part}"' for part in path)


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name)))
    else:
        yield path, value


def _origin(layers: Sequence[Layer], path: KeyPath) -> str:
    layer = settings_layers.origin(layers, path)
    return layer.place(path) if layer is not None else "default"
