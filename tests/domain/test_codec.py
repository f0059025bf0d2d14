"""What is journaled reads back to the same value, digit by digit."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.campaign import Bridge, Campaign, Leg, Memory, OpenExit, Stance, Tranche
from bot.domain.candles import CandleSeries
from bot.domain.codec import decode, encode, to_json
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
def test_a_round_trip_through_json_text_gives_the_same_value_and_the_same_text(value: object) -> None:
    text = to_json(value)
    again = decode(type(value), json.loads(text))
    assert again == value
    assert to_json(again) == to_json(encode(value)) == to_json(json.loads(text)) == text


def test_json_text_has_one_spelling() -> None:
    """Keys in the order of their code points at every depth, no spaces, every digit of a Decimal."""
    assert to_json({"é": 1, "b": {"z": Decimal("1E+3"), "Z": None}, Bridge.RESERVE: (Decimal("1.10"), 0.5)}) == (
        '{"b":{"Z":null,"z":"1E+3"},"reserve":["1.10",0.5],"é":1}'.encode()
    )
    text = to_json(SNAPSHOT).decode()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_decimals_keep_every_digit_and_their_zeros() -> None:
    assert encode(Decimal("1.10")) == "1.10"
    assert encode({Bridge.RESERVE: Decimal("0.1234567890123456789")}) == {"reserve": "0.1234567890123456789"}


def test_a_field_that_is_not_there_keeps_its_default_and_one_that_is_not_known_is_ignored() -> None:
    """Journals of older versions lack fields, those of newer ones have more."""
    quote = {"symbol": "UNI/USDT", "bid": "1", "ask": "2.0", "at_ms": 7}
    assert decode(Quote, quote | {"of_a_later_version": [1]}) == Quote("UNI/USDT", Decimal(1), Decimal(2), 7)
    assert decode(Memory, {"labels": {"defi": "1.50"}}) == Memory(labels={"defi": Decimal("1.50")})


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Quote, {"symbol": "UNI/USDT", "bid": "abc"}),
        (Quote, {"symbol": "UNI/USDT", "bid": "1", "at_ms": 7}),
        (Quote, {"symbol": "UNI/USDT", "bid": "1", "ask": "2", "at_ms": "soon"}),
        (Memory, {"stance": "sideways"}),
        (Memory, []),
        (CandleSeries, encode(SERIES) | {"closes": [1.0, 2.0]}),
    ],
)
def test_data_of_another_shape_is_an_error_not_a_guess(kind: type, data: object) -> None:
    with pytest.raises(ValueError, match=f"does not fit {kind.__name__}"):
        decode(kind, data)


@pytest.mark.parametrize("write", [encode, to_json])
def test_objects_without_a_written_form_are_refused(write: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="unsupported"):
        write({"value": object()})
