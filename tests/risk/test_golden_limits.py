"""The golden case of the playbook goes through the default limits, apart from the overrides it is documented with."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bot.domain.reason import Reason
from bot.risk import Approved, Limits, Refused, review
from tests.risk.worlds import D, buy, context, exits, hedge, portfolio, sell, tactical
from tests.runtime.configuration_page import settings_of

CONFIG = Path(__file__).parents[2] / "config"


def risk_section(*names: str) -> dict[str, Any]:
    """The [risk] table of the first of the files that is there."""
    path = next(path for name in names if (path := CONFIG / name).exists())
    found: dict[str, Any] = tomllib.loads(path.read_text())["risk"]
    return found


def defaults() -> dict[str, Any]:
    return risk_section("risk-section.toml.part", "default.toml")


def golden() -> Limits:
    return Limits(**(defaults() | risk_section("risk-golden.toml.part", "golden.toml")))


LEGS = (
    hedge(5_000),
    sell(7_500, symbol="ETH/USDT"),
    sell(7_500, symbol="SOL/USDT"),
    buy(9_000, symbol="UNI/USDT"),
    buy(9_000, symbol="AAVE/USDT"),
    tactical(20_000, leverage=D(10), exits=exits()),
)


def test_the_golden_case_passes_with_its_overrides() -> None:
    assert [type(v) for v in review(LEGS, context(), golden())] == [Approved] * len(LEGS)


def test_the_second_golden_case_passes_with_its_overrides() -> None:
    """Bridge `idle-margin`: equity is 100,000 and 3,000 came over from the perp wallet."""
    world = context(portfolio=portfolio(cash=D(3_100), wallet=D(11_900)))
    assert [type(v) for v in review(LEGS, world, golden())] == [Approved] * len(LEGS)


def test_with_the_default_limits_only_the_tactical_leg_is_refused() -> None:
    verdicts = review(LEGS, context(), Limits())
    assert [type(v) for v in verdicts] == [Approved] * 5 + [Refused]
    last = verdicts[-1]
    assert isinstance(last, Refused)
    assert last.note.reason is Reason.ORDER_NOTIONAL


def test_the_tactical_leg_cut_to_the_default_leverage_passes_the_default_limits() -> None:
    cut = tactical(9_900, leverage=D(5), exits=exits())
    assert isinstance(review((*LEGS[:-1], cut), context(), Limits())[-1], Approved)


def test_the_printed_section_says_every_limit_with_its_default() -> None:
    section = defaults()
    assert list(section) == list(settings_of(Limits))
    assert Limits(**section) == Limits()


def test_unknown_names_and_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValidationError, match="gros_max"):
        Limits(gros_max=1)
    with pytest.raises(ValidationError, match="less than or equal to 10"):
        Limits(position_leverage_max=D(11))
    with pytest.raises(ValidationError, match="frozen"):
        Limits().gross_max = D(2)  # type: ignore[misc]


def test_every_limit_says_its_unit() -> None:
    units = ("quote", "share", "multiple", "bps", "ms", "count", "leverage")
    for name, limit in Limits.model_fields.items():
        assert any(unit in (limit.description or "") for unit in units), name
