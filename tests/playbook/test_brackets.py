"""What is planned fits the venue's leverage brackets: leverage, size of hedges, stops; also after they have changed."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.instrument import Instrument
from bot.domain.order import Purpose
from bot.domain.perp import liquidation_in_brackets
from bot.domain.reason import Reason
from bot.simex.engine.rules import make_brackets
from tests.playbook.builders import World, golden_policy, neutral_world, one_token_each

D = Decimal
UNI, ETH = "UNI/USDT:USDT", "ETH/USDT:USDT"


class BracketedWorld(World):
    """The perps have these brackets: (notional cap, largest leverage, maintenance rate)."""

    table: tuple[tuple[str, int, str], ...] = ()

    def instruments(self) -> dict[str, Instrument]:
        found = super().instruments()
        if not self.table:
            return found
        brackets = make_brackets(self.table, 125)
        return {
            symbol: one if not one.is_perp else _with(one, brackets, leverage_max=D(brackets[0].leverage_max))
            for symbol, one in found.items()
        }


def _with(instrument: Instrument, brackets: Any, *, leverage_max: Decimal) -> Instrument:
    return replace(instrument, brackets=brackets, leverage_max=leverage_max)


def world_with(table: tuple[tuple[str, int, str], ...], **changes: object) -> BracketedWorld:
    policy = golden_policy(bridge="reserve", reserve_quote=5000, **changes)
    made = neutral_world(policy, sectors=one_token_each())
    world = BracketedWorld(**{name: getattr(made, name) for name in made.__dataclass_fields__})
    world.table = table
    return world


def entries(world: World, purpose: Purpose) -> list[Any]:
    return [i for made in world.run() for i in made.intents if i.purpose is purpose and i.leverage is not None]


ROOMY = (("1000000", 50, "0.01"),)


def test_wide_brackets_change_nothing() -> None:
    plain, bracketed = world_with(()), world_with(ROOMY)
    assert [made.intents for made in plain.run()] == [made.intents for made in bracketed.run()]


def test_a_long_takes_the_highest_leverage_that_the_bracket_of_its_value_allows() -> None:
    """2,000 of margin: 10x would be 20,000, of which the brackets allow 4x only; 4x is 8,000."""
    world = world_with((("5000", 50, "0.01"), ("9000", 4, "0.02"), ("1000000", 2, "0.1")), tactical_leverage=10)
    made = world.decide()
    cuts = [note for note in made.notes if note.reason is Reason.LEVERAGE_CUT]
    assert [note.numbers for note in cuts] == [{"wanted": "10", "allowed": "4"}]
    longs = entries(world, Purpose.TACTICAL)
    assert longs
    assert {intent.leverage for intent in longs} == {4}


def test_a_hedge_is_no_larger_than_its_leverage_is_allowed_and_says_by_how_much_it_falls_short() -> None:
    world = world_with((("3000", 50, "0.01"), ("1000000", 2, "0.1")))
    made = world.decide()
    cut = next(note for note in made.notes if note.reason is Reason.HEDGE_CUT)
    assert "brackets allow 3000" in cut.words
    world.turn()
    world.turn()
    held = -world.positions[ETH].size * world.prices["ETH"]
    assert 2_900 < held <= 3_000


@settings(max_examples=60, deadline=None)
@given(
    cap=st.integers(500, 30_000),
    leverage=st.integers(1, 10),
    rate=st.decimals("0.005", "0.12", places=3),
    beyond=st.integers(1, 3),
)
def test_no_entry_is_planned_beyond_its_bracket_nor_with_a_stop_beyond_its_liquidation(
    cap: int, leverage: int, rate: Decimal, beyond: int
) -> None:
    table = ((str(cap), 10, str(rate)), ("1000000", beyond, "0.15"))
    world = world_with(table, tactical_leverage=leverage)
    brackets = make_brackets(table, 125)
    for _ in range(12):
        made = world.decide()
        for intent in made.intents:
            if intent.leverage is None or intent.reduce_only:
                continue
            held = world.positions[intent.symbol].size if intent.symbol in world.positions else D(0)
            size = intent.size + max(D(0), held * intent.side.sign)
            instrument = world.instruments()[intent.symbol]
            most = instrument.notional_max(intent.leverage)
            assert most is not None
            assert instrument.notional(size, intent.reference_price) <= most
            if intent.exits is None:
                continue
            liquidation = liquidation_in_brackets(
                instrument,
                brackets,
                size=size * intent.side.sign,
                entry=intent.reference_price,
                margin=instrument.notional(size, intent.reference_price) / intent.leverage,
            )
            assert liquidation is None or (intent.exits.stop_price - liquidation) * intent.side.sign > 0
        world.move(made.transfers)
        world.apply(made.intents)


@pytest.mark.parametrize("purpose", [Purpose.HEDGE, Purpose.TACTICAL])
def test_a_leg_that_was_planned_before_the_brackets_were_tightened_is_cut_to_them(purpose: Purpose) -> None:
    """Or the gate would refuse it in every turn."""
    world = world_with(ROOMY, tactical_leverage=5)
    for _ in range(20):
        made = world.decide()
        if any(intent.purpose is purpose for intent in made.intents):
            break
        world.move(made.transfers)
        world.apply(made.intents)
    else:
        raise AssertionError(f"no {purpose} was planned")
    world.memory = made.memory
    world.table = (("1500", 50, "0.01"), ("1000000", 2, "0.1"))
    made = world.decide()
    (intent,) = [one for one in made.intents if one.purpose is purpose]
    assert intent.size * world.prices[intent.symbol.partition("/")[0]] <= 1_500
    assert any("brackets allow a position of 1500" in note.words for note in made.notes)
