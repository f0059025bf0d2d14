"""The shipped files: `default.toml` holds every setting at the default of its model, each with its comment."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin

import pytest
from pydantic import BaseModel

from bot.domain.states import KillLevel
from bot.playbook.policy.numbers import Sectors
from bot.runtime.settings.fields import field_at, is_constant
from bot.runtime.settings.layers import SECRET_NAMES, index_lines
from bot.runtime.settings.model import Settings, load_settings, redacted

CONFIG = Path(__file__).parents[2] / "config"
DEFAULT = (CONFIG / "default.toml").read_text()
UNSET = {
    "secrets_directory",
    "venue.api_key",
    "venue.api_secret",
    "venue.exchange",
    *(f"venue.{kind}.{name}" for kind in ("spot", "perp") for name in ("id", "demo", "api_key", "api_secret")),
    "notify.urls",
    "telegram.token",
    "metrics.file",
    "playbook.regime.override",
    "journal.path",
    "macro.rates_file",
    "macro.usage_file",
    "dashboard.enabled",
}


def keys(model: type[BaseModel] = Settings, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        if above == "" and name == "universe":
            continue
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{above}{name}.")
        elif not is_constant(field):
            yield above + name, field


def at(content: Mapping[str, Any], key: str) -> Any:
    for part in key.split("."):
        content = content[part]
    return content


def test_the_default_file_says_what_the_models_default_to() -> None:
    universe = Sectors.model_validate(tomllib.loads((CONFIG / "sectors.toml").read_text()))
    stated = Settings(**tomllib.loads(DEFAULT), universe=universe)
    assert redacted(stated) == redacted(Settings(universe=universe))


@pytest.mark.parametrize("key", [key for key, _ in keys()])
def test_every_setting_stands_in_the_default_file(key: str) -> None:
    name = key.rpartition(".")[2]
    if key in UNSET:
        assert re.search(rf"^# {name} = ", DEFAULT, re.MULTILINE)
    else:
        assert at(tomllib.loads(DEFAULT), key) is not None


def test_every_line_of_the_default_file_explains_itself() -> None:
    lines = DEFAULT.splitlines()
    silent = []
    for path, number in index_lines(DEFAULT).items():
        is_table_entry = get_origin(field_at(Settings, path[:-1])[0]) is Mapping
        says = "#" in lines[number - 1] or lines[number - 2].startswith("#") or lines[number].startswith("#")
        if not says and not is_table_entry and len(path) > 1:
            silent.append(f"{number} {'.'.join(path)}")
    assert silent == []


def test_no_secret_has_a_default() -> None:
    found = [path for path in index_lines(DEFAULT) if path[-1] in SECRET_NAMES]
    assert found == []


def test_the_golden_file_is_usable_and_changes_playbook_and_limits_only(workplace: Path) -> None:
    golden = CONFIG / "golden.toml"
    settings = load_settings((golden,))
    assert set(tomllib.loads(golden.read_text())) == {"advanced", "playbook", "risk"}
    assert settings.playbook.warnings() == ()
    assert settings.kill_switch is KillLevel.OFF


def test_no_half_of_a_file_is_left_behind() -> None:
    assert sorted(path.name for path in CONFIG.iterdir()) == [
        "default.toml",
        "example.env",
        "golden.toml",
        "liquid.toml",
        "schema.json",
        "sectors.toml",
    ]
