"""What a liquidation costs beside its loss: the symbol's own share of what it closes, out of what is left."""

import pytest

from bot.simex.engine.rules import Rules
from bot.simex.engine.types import IncomeKind
from bot.simex.market.catalogue import default_instruments, recorded_liquidation_fees
from tests.simex.engine.floor import BUY, HOUR, PERP, D, exchange, isolated, market


@pytest.mark.parametrize("fee", ["0.0001", "0.0002"])
def test_the_symbols_own_fee_is_taken_and_stated(fee: str) -> None:
    rules = Rules(liquidation_fees={PERP: D(fee)}, liquidation_fee=D("0.9"))
    venue = exchange([(0, 10.0), (HOUR, 8.0)], rules=rules)
    isolated(venue, 10)
    venue.place("a", market(PERP, BUY, "100"))
    before = venue.wallet("a").balance
    venue.advance(HOUR)
    closing = venue.orders("a", PERP)[-1]
    (clear,) = venue.income("a", kind=IncomeKind.INSURANCE_CLEAR)
    assert clear.amount == -closing.filled_quote * D(fee)
    assert (clear.symbol, clear.asset) == (PERP, "USDT")
    profit = sum(trade.realised_pnl for trade in venue.trades("a", PERP))
    assert venue.wallet("a").balance == before + profit + clear.amount
    venue.audit()


def test_a_fee_takes_no_more_than_the_margin_that_is_left() -> None:
    venue = exchange([(0, 10.0), (HOUR, 8.0)], rules=Rules(liquidation_fees={PERP: D("0.5")}))
    isolated(venue, 10)
    venue.place("a", market(PERP, BUY, "100"))
    free = venue.wallet("a").cross_balance
    venue.advance(HOUR)
    assert venue.wallet("a").balance == free
    venue.audit()


def test_an_audit_finds_a_fee_that_is_too_high() -> None:
    venue = exchange([(0, 10.0), (HOUR, 8.0)], rules=Rules(liquidation_fees={PERP: D("0.0001")}))
    isolated(venue, 10)
    venue.place("a", market(PERP, BUY, "100"))
    venue.advance(HOUR)
    venue._settlement.clear(venue._state.account("a"), PERP, D("-1"))
    with pytest.raises(AssertionError, match="liquidation fees"):
        venue.audit()


def test_recorded_fees_are_those_of_the_symbols() -> None:
    fees = recorded_liquidation_fees(default_instruments(("BTC", "UNI", "BAL", "NOBODY")))
    assert fees == {"BTC/USDT:USDT": D("0.0125"), "UNI/USDT:USDT": D("0.015"), "BAL/USDT:USDT": D("0.02")}
