"""The ids of orders outside of a rotation: what stands in old journals and at venues must never change."""

import pytest

from bot.domain.order import PHASES, TRANCHE_PHASES, Purpose
from bot.domain.order_ids import (
    DIRECTIONAL_KINDS,
    STOP_KINDS,
    ClientOrderId,
    OrderKind,
    instrument_number,
    is_of_campaign,
    kind_of_intent,
    kind_of_order,
    leg_id,
)

UNI = "UNI/USDT:USDT"
# kind, intent id of today, intent id of an earlier version, client order id of today, without its epoch
IDS = [
    (OrderKind.FLATTEN, "flatten.UNI/USDT:USDT", "flatten.2", "z7300en00101"),
    (OrderKind.CLOSE, "x1.UNI/USDT:USDT", "x1.4", "z7301en00101"),
    (OrderKind.TARGET, "x2.UNI/USDT:USDT", "x2.4", "z7302en00101"),
    (OrderKind.STOP, "x3.UNI/USDT:USDT", "x3.4", "z7303en00101"),
    (OrderKind.HEDGE_OVER_SPOT, "x4.UNI/USDT:USDT", "x4.4", "z7304en00101"),
    (OrderKind.LIQUIDATION, "x5.UNI/USDT:USDT", "x5.4", "z7305en00101"),
    (OrderKind.NEXT_STOP, "x6.UNI/USDT:USDT", "x6.4", "z7306en00101"),
    (OrderKind.OPEN_HEDGE, "h7.UNI/USDT:USDT", "h7.0", "z7307en00101"),
    (OrderKind.REDUCE_HEDGE, "h8.UNI/USDT:USDT", "h8.0", "z7308en00101"),
    (OrderKind.TACTICAL_SHORT, "v9.UNI/USDT:USDT", "v9.1", "z7309en00101"),
    (OrderKind.SCALP, "v10.UNI/USDT:USDT", "v10.1", "z730aen00101"),
    (OrderKind.LATE_LONG, "v11.UNI/USDT:USDT", "v11.1", "z730ben00101"),
]


def client_id(kind: OrderKind) -> str:
    return ClientOrderId("main", 0, kind.number, instrument_number(UNI), 1, 1, epoch=1).text


@pytest.mark.parametrize(("kind", "today", "earlier", "rest"), IDS, ids=[kind.name for kind, *_ in IDS])
def test_the_ids_of_a_kind_are_what_they_were(kind: OrderKind, today: str, earlier: str, rest: str) -> None:
    assert kind.intent_id(UNI) == today
    assert kind_of_intent(today) is kind_of_intent(earlier) is kind
    assert client_id(kind) == "tsbne3" + "000001" + rest
    shorter = "tsbne3" + "01" + rest  # of the versions whose epoch had two digits
    assert kind_of_order(client_id(kind)) is kind_of_order(shorter) is kind


def test_every_kind_is_in_the_table() -> None:
    assert [kind for kind, *_ in IDS] == list(OrderKind)
    assert len({kind.number for kind in OrderKind}) == len({kind.prefix for kind in OrderKind}) == len(OrderKind)


@pytest.mark.parametrize("text", ["", "foreign", "12.3.4", "unknown", "x", "x12", "tsb"])
def test_other_intents_are_of_no_kind(text: str) -> None:
    assert kind_of_intent(text) is None


def test_orders_of_a_rotation_and_of_others_are_of_no_kind() -> None:
    assert kind_of_order(ClientOrderId("main", 7, 3, 1, 1, 1, epoch=1).text) is None
    assert kind_of_order("somebody else's") is None


def test_legs_belong_to_their_campaign_alone() -> None:
    assert leg_id(12, 3, 4) == "12.3.4"
    assert is_of_campaign("12.3.4", 12)
    assert not is_of_campaign("12.3.4", 1)
    assert not is_of_campaign(OrderKind.STOP.intent_id(UNI), 0)


def test_directional_positions_and_stops_have_their_kinds() -> None:
    assert set(DIRECTIONAL_KINDS) == {purpose for purpose in Purpose if purpose.is_directional}
    assert {kind.purpose for kind in STOP_KINDS} == {Purpose.EXIT}


def test_exits_come_before_everything_but_flatten() -> None:
    assert set(PHASES) == set(Purpose)
    assert PHASES[:2] == (Purpose.FLATTEN, Purpose.EXIT)
    assert TRANCHE_PHASES[0] is Purpose.EXIT
    assert TRANCHE_PHASES[-1] is Purpose.RELEASE
    assert [p for p in PHASES if p in TRANCHE_PHASES[:-1]] == list(TRANCHE_PHASES[:-1])
