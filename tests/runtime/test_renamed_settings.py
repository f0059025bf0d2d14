"""Every former name of a setting is accepted in this release, from every source, with a warning naming the new one."""

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from bot.playbook.policy.former_names import FORMER_NAMES
from bot.playbook.policy.numbers import Policy
from bot.runtime.settings.fields import constants_in
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import Settings, load_settings, redacted
from bot.runtime.settings.reference import flatten, warnings
from bot.runtime.settings.renamed import ADVANCED, RENAMED
from tests.runtime.configuration_page import is_table, settings_of

pytestmark = pytest.mark.usefixtures("workplace")
D = Decimal
OTHERS: Mapping[str, Any] = {  # another valid value than the default where that is no number
    "playbook.risk_on": "infra",
    "playbook.risk_off": "defi",
    "playbook.neutral": {"defi.spot": "0.2", "infra.spot": "0.6"},
    "playbook.de_risk": {"defi.spot": "0.1", "infra.spot": "0.2"},
    "playbook.neutral_futures": "small-long",
    "playbook.bridge": "reserve",
    "playbook.hedge_whole_from": ["infra"],
    "playbook.hedge_with": "leader",
    "playbook.gain_hedge": "gain",
    "playbook.unowned_position": "halt",
    "playbook.targets": [{"move": "0.2", "part": "0.5"}],
    "playbook.increase_style": "twap",
    "playbook.reduce_style": "twap",
    "playbook.condition_override": "breakout",
    "playbook.evidence": {"breakout": {"trend": "1"}},
    "playbook.market_symbol": "ETH/USDT",
    "playbook.max_sell_override": True,
    "playbook.leverage_override": True,
    # a number that must be above or below another one, or has a narrow range
    "playbook.tactical_split": "0.06",
    "playbook.tactical_margin_max": "0.04",
    "playbook.shift": "0.15",
    "playbook.enter": "0.6",
    "playbook.leave": "0.2",
    "playbook.gain_trigger": "2",
    "playbook.gain_end": "0.25",
    "playbook.carry_enter": "0.2",
    "playbook.carry_end": "0.04",
    "playbook.fibonacci": "0.3",
    "playbook.fibonacci_deep": "0.7",
    "playbook.beta_max": "2",
    "playbook.rsi_max": "65",
    "playbook.max_sell_fraction": "0.15",
    "playbook.hedge_leverage": "4",
    "playbook.order_max_quote": "9000",
}
SAME_STANCE = {"playbook.risk_on": ("playbook.risk_off=defi",), "playbook.risk_off": ("playbook.risk_on=infra",)}
HIGHER_IS_STRICTER = {"liquidation_distance_min", "maintenance_rate"}


def at(settings: Settings, dotted: str) -> Any:
    found: Any = settings
    for part in dotted.split("."):
        found = getattr(found, part)
    return found


def other_value(old: str) -> Any:
    """A valid value of a former name that is not the default of its successor."""
    if old in OTHERS:
        return OTHERS[old]
    default = at(load_settings(), RENAMED[old])
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 1
    factor = D("1.1") if RENAMED[old].rpartition(".")[2] in HIGHER_IS_STRICTER else D("0.9")
    return str(default * factor) if default else "3"


def is_read(settings: Settings, old: str, value: Any) -> bool:
    """Whether the value of the former name is in force by its name of today."""
    found = at(settings, RENAMED[old])
    plain = json.loads(json.dumps(found, default=lambda thing: getattr(thing, "model_dump", lambda **_: str(thing))()))
    if isinstance(found, Mapping):
        shown = {str(getattr(name, "value", name)): inner for name, inner in plain.items()}
        return all(shown[name] == inner for name, inner in value.items()) or plain == value
    return bool(found == value or str(found) == str(value) or D(str(found)) == D(str(value)))


def toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{name}" = {toml(inner)}' for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    return json.dumps(value)


@pytest.fixture
def write(workplace: Path) -> Callable[[str], Path]:
    def put(text: str) -> Path:
        (workplace / "mine.toml").write_text(text)
        return Path("mine.toml")

    return put


def warned(settings: Settings, place: str, old: str) -> None:
    """One warning names place, former name and name of today, or that there is none."""
    new = RENAMED[old]
    found = [note for note in warnings(settings) if note.startswith(f"{place} {old}: ")]
    assert len(found) == 1, warnings(settings)
    assert ("is no setting any more" in found[0]) if is_constant_path(new) else (new in found[0])


@pytest.mark.sweep(keep=30)
@pytest.mark.parametrize("old", sorted(RENAMED))
def test_every_former_name_works_in_a_file(write: Callable[[str], Path], old: str) -> None:
    section, _, name = old.partition(".")
    value = other_value(old)
    settings = load_settings((write(f"# mine\n[{section}]\n{name} = {toml(value)}\n"),), SAME_STANCE.get(old, ()))
    if not isinstance(value, list | Mapping) or old == "playbook.hedge_whole_from":
        assert is_read(settings, old, tuple(value) if isinstance(value, list) else value)
    assert at(settings, RENAMED[old]) != at(load_settings(), RENAMED[old])
    warned(settings, "mine.toml:3", old)


@pytest.mark.sweep(keep=30)
@pytest.mark.parametrize("old", sorted(RENAMED))
def test_every_former_name_works_in_the_environment(monkeypatch: pytest.MonkeyPatch, old: str) -> None:
    value = other_value(old)
    if isinstance(value, Mapping):
        return  # a variable gives no table with free names; files and --set do
    name = f"SECTORBOT__{old.replace('.', '__').upper()}"
    usual = at(load_settings(), RENAMED[old])
    monkeypatch.setenv(name, toml(value) if isinstance(value, list) else str(value))
    settings = load_settings((), SAME_STANCE.get(old, ()))
    assert at(settings, RENAMED[old]) != usual
    warned(settings, f"environment {name}", old)


@pytest.mark.sweep(keep=30)
@pytest.mark.parametrize("old", sorted(RENAMED))
def test_every_former_name_works_on_the_command_line(old: str) -> None:
    value = other_value(old)
    settings = load_settings((), (f"{old}={toml(value)}", *SAME_STANCE.get(old, ())))
    assert at(settings, RENAMED[old]) != at(load_settings(), RENAMED[old])
    warned(settings, "--set", old)


@pytest.mark.sweep(keep=30)
@pytest.mark.parametrize("old", sorted(old for old, new in RENAMED.items() if not new.startswith("risk.")))
def test_a_setting_given_by_both_names_is_one_clear_problem(write: Callable[[str], Path], old: str) -> None:
    section, _, name = old.partition(".")
    new, value = RENAMED[old], toml(other_value(old))
    above, _, key = new.rpartition(".")
    if new.startswith(f"playbook.{name}."):
        return  # a name cannot be a value and a table in one file; TOML says so itself
    text = f"{ADVANCED} = true\n" if new == ADVANCED else f"[{above}]\n{key} = {value}\n"
    with pytest.raises(SettingsProblem) as caught:
        load_settings((write(f"{text}[{section}]\n{name} = {value}\n"),))
    line = text.count("\n")
    (problem,) = caught.value.problems
    assert problem == (
        f"mine.toml:{line + 2} {old}: is called {new} now, and mine.toml:{line} gives that as well; remove {old}"
    )


def test_both_names_in_two_sources_are_a_problem_too(write: Callable[[str], Path]) -> None:
    with pytest.raises(
        SettingsProblem, match=r"mine\.toml:2 playbook\.shift: is called playbook\.rotation\.shift now, and"
    ):
        load_settings((write("[playbook]\nshift = 0.2"),), ("playbook.rotation.shift=0.1",))
    with pytest.raises(
        SettingsProblem, match=r"mine\.toml:2 playbook\.carry: is called playbook\.carry\.is_on now, and"
    ):
        load_settings((write("[playbook]\ncarry = true"),), ("playbook.carry.is_on=true",))


@pytest.mark.parametrize(
    ("name", "new", "looser", "stricter"),
    [
        ("max_leverage", "position_leverage_max", "9", "3"),
        ("order_max_quote", "order_notional_max_quote", "20000", "900"),
        ("order_share_max", "order_share_max", "0.5", "0.05"),
        ("liquidation_distance_min", "liquidation_distance_min", "0.05", "0.2"),
        ("maintenance_rate", "maintenance_rate", "0.001", "0.02"),
    ],
)
def test_the_stricter_of_two_numbers_for_one_limit_holds(
    write: Callable[[str], Path], name: str, new: str, looser: str, stricter: str
) -> None:
    usual = getattr(load_settings().risk, new)
    assert getattr(load_settings((), (f"playbook.{name}={looser}",)).risk, new) == usual
    found = load_settings((write(f"[playbook]\n{name} = '{stricter}'\n"),))
    assert getattr(found.risk, new) == D(stricter)
    layers = found.sources.read()
    assert {key: place for key, _, place in flatten(found, layers)}[f"risk.{new}"] == "mine.toml:2"
    both = load_settings((), (f"playbook.{name}={looser}", f"risk.{new}={stricter}"))
    assert getattr(both.risk, new) == D(stricter)
    assert f"risk.{new}" in both.notes[0]


def test_a_value_out_of_range_is_refused_at_its_place(write: Callable[[str], Path]) -> None:
    path = write("[playbook]\nhedge_leverage = 99\nbeta_min = 7\nmax_leverage = 'much'")
    with pytest.raises(SettingsProblem) as caught:
        load_settings((path,))
    found = sorted(caught.value.problems)
    assert found[0].startswith("mine.toml:2 playbook.hedging.leverage = 99: Input should be less than or equal to 5")
    assert found[1].startswith("mine.toml:3 playbook.constants.beta_min = 7: Input should be less than or equal to 1")
    assert found[2].startswith("mine.toml:4 risk.position_leverage_max = 'much': Input should be")


def test_names_of_today_warn_of_nothing() -> None:
    assert load_settings().notes == ()
    assert load_settings((), ("playbook.carry.is_on=true", "playbook.tactical.is_on=false")).notes == ()


def test_a_journaled_playbook_of_an_older_version_is_read_with_all_its_numbers() -> None:
    flat = {old.removeprefix("playbook."): other_value(old) for old in RENAMED if old.startswith("playbook.")}
    flat |= {"risk_on": "defi", "risk_off": "infra", "max_sell_override": True, "leverage_override": True}
    policy = Policy.model_validate(flat)
    for old, new in FORMER_NAMES.items():
        table, _, key = new.partition(".")
        found = getattr(getattr(policy, table), key)
        if not isinstance(flat[old], list | Mapping):
            assert found == flat[old] or str(found) == str(flat[old]) or D(str(found)) == D(str(flat[old])), old
    assert policy.sizing.order_notional_max_quote == 9000
    assert Policy.model_validate_json(policy.model_dump_json()) == policy


def test_constants_are_shown_to_nobody() -> None:
    settings = load_settings()
    shown = {key for key, _, _ in flatten(settings, settings.sources.read())}
    assert not {key for key in shown if is_constant_path(key)}
    assert "constants" not in str(redacted(settings))


def test_a_constant_that_is_given_holds_and_warns(write: Callable[[str], Path]) -> None:
    """Numbers that are no operator's business keep their place for a release; a file that has them still counts."""
    content = "[risk]\nlatency_max_ms = 4000\n[macro]\nrates_unit = 'bps'\n[playbook.gains]\nend = '0.3'\n"
    settings = load_settings((write(content),), ("playbook.signals.trend_days=40",))
    assert (settings.risk.latency_max_ms, settings.playbook.signals.trend_days) == (4000, 40)
    assert (settings.macro.rates_unit, settings.playbook.gains.ends_below) == ("bps", D("0.3"))
    assert len(settings.notes) == 4
    assert [note for note in settings.notes if "is no setting any more" in note and "remove it" in note] == list(
        settings.notes
    )
    assert {note.split(":")[0] for note in settings.notes} == {
        "mine.toml",
        "--set playbook.signals.trend_days",
    }
    assert load_settings().notes == ()


def test_operators_have_about_150_settings() -> None:
    """A number that nobody has to set is a constant (CONTRIBUTING.md, "A setting")."""
    assert len(list(settings_in(Settings))) <= 155


def settings_in(model: type[BaseModel]) -> Iterator[str]:
    for name, field in settings_of(model).items():
        if is_table(field):
            yield from settings_in(field.annotation)  # type: ignore[arg-type]
        else:
            yield name


def is_constant_path(key: str) -> bool:
    path = tuple(key.split("."))
    return any(path[: len(constant)] == constant for constant in constants_in(Settings))
