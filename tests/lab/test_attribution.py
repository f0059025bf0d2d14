"""Where the money came from adds up to the money there is."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import Purpose
from bot.domain.order_ids import DIRECTIONAL_KINDS, ClientOrderId, read_place
from bot.lab.backtest.attribution import LONG, SCALP, SHORT, SPECULATIVE, Ending, attribute, covered
from bot.simex.engine.types import Income, IncomeKind, SimTrade

D = Decimal
SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"


def trade(number: int, symbol: str, signed: int, price: int, fee: str, fee_asset: str = "USDT") -> SimTrade:
    size = D(abs(signed))
    return SimTrade(
        number,
        number,
        "",
        symbol,
        Side.of(D(signed)),
        D(price),
        size,
        size * price,
        D(fee),
        fee_asset,
        False,
        number * 1_000,
    )


def test_a_short_that_is_turned_into_a_long_gives_each_side_its_own() -> None:
    trades = [trade(1, PERP, -10, 100, "1"), trade(2, PERP, 15, 90, "3")]
    paid = [
        Income(1, IncomeKind.FUNDING_FEE, "USDT", D(2), PERP, 1_500),
        Income(2, IncomeKind.FUNDING_FEE, "USDT", D(-1), PERP, 2_500),
    ]
    parts = attribute(trades, [D(100), D(89)], paid, Ending({PERP: D(5)}, {PERP: D(95)}), {}, "USDT")
    assert parts[SHORT].price_quote == 100
    assert parts[SHORT].fees_quote == 1 + D(2)
    assert (parts[SHORT].funding_quote, parts[LONG].funding_quote) == (D(2), D(-1))
    assert parts[LONG].price_quote == 25
    assert parts[SHORT].slippage_quote == 10
    assert parts[LONG].slippage_quote == 5


def test_a_fee_taken_in_the_token_is_a_fee_and_not_a_loss_as_well() -> None:
    trades = [trade(1, SPOT, 100, 10, "0.1", "UNI"), trade(2, SPOT, -50, 12, "0.6")]
    parts = attribute(trades, [D(10), D(12)], [], Ending({}, {SPOT: D(12)}), {SPOT: "defi"}, "USDT")
    spot = parts["spot defi"]
    cash = D(-1000) + D("599.4")
    assert spot.net_quote == cash + (D("99.9") - 50) * 12
    assert spot.fees_quote == D("1.6")
    assert spot.traded_quote == 1600


@given(
    st.lists(st.tuples(st.booleans(), st.integers(-50, 50).filter(bool), st.integers(1, 500)), min_size=1, max_size=40)
)
def test_the_parts_add_up_to_the_change_of_equity(moves: list[tuple[bool, int, int]]) -> None:
    trades = [
        trade(n, PERP if is_perp else SPOT, size, price, "0.5") for n, (is_perp, size, price) in enumerate(moves, 1)
    ]
    held = {symbol: sum((t.size * t.side.sign for t in trades if t.symbol == symbol), ZERO) for symbol in (SPOT, PERP)}
    prices = {SPOT: D(77), PERP: D(78)}
    cash = sum((-t.side.sign * t.size * t.price - t.fee for t in trades), ZERO)
    parts = attribute(trades, [t.price for t in trades], [], Ending(held, prices), {SPOT: "defi"}, "USDT")
    gap = sum(part.net_quote for part in parts.values()) - cash - sum(held[s] * prices[s] for s in held)
    assert abs(gap) < D("1e-18"), "a fee split between two sides has a last digit"


@pytest.mark.parametrize("purpose", list(DIRECTIONAL_KINDS))
def test_a_wager_is_named_by_the_order_that_opened_it_until_it_is_flat(purpose: Purpose) -> None:
    opening = ClientOrderId("main", 0, DIRECTIONAL_KINDS[purpose].number, 1, 1, 1).text
    hedging, sign = ClientOrderId("main", 3, 1, 1, 1, 1).text, 1 if purpose is Purpose.TACTICAL else -1
    trades = [
        replace(trade(1, PERP, 10 * sign, 100, "1"), client_id=opening),
        trade(2, PERP, -4 * sign, 100 + 10 * sign, "1"),
        trade(3, PERP, -6 * sign, 100 + 20 * sign, "1"),
        replace(trade(4, PERP, -10, 70, "1"), client_id=hedging),
    ]
    paid = [Income(1, IncomeKind.FUNDING_FEE, "USDT", D(2), PERP, 1_500)]
    parts = attribute(trades, [t.price for t in trades], paid, Ending({PERP: D(-10)}, {PERP: D(70)}), {}, "USDT")
    name = {Purpose.TACTICAL_SHORT: SPECULATIVE, Purpose.SCALP: SCALP, Purpose.TACTICAL: LONG}[purpose]
    assert (parts[name].price_quote, parts[name].funding_quote, parts[name].trades) == (D(160), D(2), 3)
    assert (parts[SHORT].price_quote, parts[SHORT].trades) == (D(0), 1)


def test_only_ids_of_ours_name_a_place() -> None:
    assert read_place(ClientOrderId("main", 35, 9, 1, 1, 1).text) == (35, 9)
    assert read_place("") is None
    assert read_place("tsb" + "!" * 17) is None


def test_a_hedge_is_of_the_sector_that_its_order_names_and_stands_with_its_spot() -> None:
    trades = [trade(1, PERP, -10, 100, "1"), trade(2, PERP, 10, 90, "1"), trade(3, SPOT, 10, 100, "0")]
    trades[0] = replace(trades[0], client_id="opened")
    ending = Ending({SPOT: D(10)}, {SPOT: D(85)})
    mids = [t.price for t in trades]
    parts = attribute(trades, mids, [], ending, {SPOT: "defi"}, "USDT", {"opened": "defi"})
    assert parts[f"{SHORT} of defi"].net_quote == 98
    assert SHORT not in parts
    assert covered(parts)["defi"].net_quote == 98 - 150
    assert covered({"spot defi": parts["spot defi"]}) == {}
