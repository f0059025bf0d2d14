"""What is journaled reads back to the same value, digit by digit."""

from dataclasses import replace
from decimal import Decimal

import orjson
import pytest

from bot.domain.campaign import Bridge, Campaign, Leg, Memory, OpenExit, Stance, Tranche
from bot.domain.candles import CandleSeries
from bot.domain.codec import decode, encode
from bot.domain.market import Missing, Quote, Snapshot
from bot.domain.order import ExitPlan, Purpose
from bot.domain.states import CampaignState, TrancheState

PLAN = ExitPlan(
    Decimal("9.20"), ((Decimal("10.8"), Decimal("0.3333333333333333333333333333")),), Decimal("0.4"), 99, Decimal(5)
)
LEG = Leg(
    1,
    Purpose.TACTICAL,
    "defi",
    "UNI/USDT:USDT",
    Decimal(0),
    Decimal("2000.10"),
    Decimal("9.9990"),
    Decimal(20_000),
    exits=PLAN,
)
CAMPAIGN = Campaign(
    1,
    Stance.NEUTRAL,
    Stance.INTO_DEFI,
    "infra",
    "defi",
    CampaignState.RUNNING,
    5,
    Decimal(100_000),
    Decimal("0.2"),
    baseline={"defi.spot": Decimal("30000.00")},
    tranches=(Tranche(1, TrancheState.RUNNING, 0, (LEG,)),),
)
MEMORY = Memory(
    campaign=CAMPAIGN,
    labels={"defi": Decimal("7000")},
    exits=(OpenExit("UNI/USDT:USDT", "defi", Decimal(1), Decimal(2), PLAN, Decimal(3)),),
)
SERIES = CandleSeries("UNI/USDT", 3_600_000, (0,), (0.1,), (0.3,), (0.05,), (0.2,), (1e6,))
SNAPSHOT = Snapshot(
    7,
    {},
    {"UNI/USDT": Quote("UNI/USDT", Decimal("1.10"), Decimal("1.20"), 7)},
    {"UNI/USDT": SERIES},
    missing=(Missing("tvl", "off"),),
)


@pytest.mark.parametrize("value", [MEMORY, SNAPSHOT, replace(MEMORY, campaign=None)])
def test_a_round_trip_through_json_text_gives_the_same_value(value: object) -> None:
    text = orjson.dumps(encode(value))
    assert decode(type(value), orjson.loads(text)) == value


def test_decimals_keep_every_digit_and_their_zeros() -> None:
    assert encode(Decimal("1.10")) == "1.10"
    assert encode({Bridge.RESERVE: Decimal("0.1234567890123456789")}) == {"reserve": "0.1234567890123456789"}


def test_data_of_another_shape_is_an_error_not_a_guess() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        decode(Quote, {"symbol": "UNI/USDT", "bid": "abc"})


def test_objects_without_a_written_form_are_refused() -> None:
    with pytest.raises(TypeError, match="cannot encode"):
        encode(object())
