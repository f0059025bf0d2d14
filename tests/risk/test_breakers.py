"""The breakers speak without an intent, say their numbers, and fall silent when their cause is gone."""

from dataclasses import replace

import pytest

from bot.domain.campaign import Memory
from bot.domain.reason import Reason
from bot.domain.states import OrderState
from bot.risk import Limits, TurnRisk, tripped
from bot.risk.breakers import BREAKERS, fees_unknown
from tests.risk.worlds import NOW, D, buy, context, portfolio, snapshot, working

TROUBLES: dict[Reason, TurnRisk] = {
    Reason.DAILY_LOSS: context(memory=Memory(equity_peak=D(111_000), day_start_equity=D(111_000))),
    Reason.DRAWDOWN: context(memory=Memory(equity_peak=D(162_000), day_start_equity=D(105_000))),
    Reason.REPEATED_EXECUTION: context(recent_fills=201),
    Reason.REJECT_RATE: context(rejections=11),
    Reason.VENUE_SLOW: context(latency_ms=5_001),
    Reason.READINGS_LOST: context(snapshot=snapshot(quotes={})),
    Reason.ACCOUNT_SETTING: context(account_problems=("hedge mode: switch it off",)),
    Reason.FEES_UNKNOWN: context(fees_unknown=11),
    Reason.POSITION_UNGUARDED: context(memory=Memory(unguarded={"UNI/USDT:USDT": "UNI/USDT:USDT: no stop"})),
    Reason.LEVERAGE_DIFFERS: context(memory=Memory(leverage_wrong={"UNI/USDT:USDT": "UNI/USDT:USDT: 20, 3 was set"})),
    Reason.DOUBT_OLD: context(working=(working(buy(), OrderState.IN_DOUBT, sent_ms=NOW - 300_001),)),
}
WITHOUT_LIMIT = (Reason.ACCOUNT_SETTING, Reason.POSITION_UNGUARDED, Reason.LEVERAGE_DIFFERS)


def test_nothing_has_tripped_in_an_ordinary_world() -> None:
    assert tripped(context(), Limits()) == ()


@pytest.mark.parametrize("reason", TROUBLES)
def test_a_breaker_speaks_without_any_intent_and_says_its_numbers(reason: Reason) -> None:
    (note,) = tripped(TROUBLES[reason], Limits())
    assert note.reason is reason
    assert any(name.startswith("limit") for name in note.numbers) or reason in WITHOUT_LIMIT


def test_every_breaker_is_tripped_by_some_trouble() -> None:
    assert {breaker for breaker in BREAKERS for world in TROUBLES.values() if breaker(world, Limits())} == set(BREAKERS)


def test_several_breakers_are_all_told() -> None:
    world = replace(TROUBLES[Reason.DAILY_LOSS], rejections=11, latency_ms=9_000)
    assert [note.reason for note in tripped(world, Limits())] == [
        Reason.DAILY_LOSS,
        Reason.REJECT_RATE,
        Reason.VENUE_SLOW,
    ]


def test_an_account_that_cannot_be_priced_whole_stops_entries_and_the_words_say_why() -> None:
    world = context(portfolio=replace(portfolio(), equity=D(60_000), unpriced=("UNI",)))
    note = tripped(world, Limits())[0]
    assert note.reason is Reason.DAILY_LOSS
    assert "UNI without a price: equity is not known" in note.words


def test_a_halted_instrument_is_no_lost_reading() -> None:
    base = snapshot()
    halted = {s: replace(i, active=not s.startswith(("ETH", "SOL"))) for s, i in base.instruments.items()}
    quotes = {s: q for s, q in base.quotes.items() if halted[s].active}
    assert tripped(context(snapshot=replace(base, instruments=halted, quotes=quotes)), Limits()) == ()


def test_an_order_that_works_may_be_as_old_as_it_likes() -> None:
    assert tripped(context(working=(working(buy(), OrderState.OPEN, sent_ms=0),)), Limits()) == ()


def test_the_assets_of_fees_without_a_price_are_named() -> None:
    found = fees_unknown(context(fees_unknown=11, fees_unknown_in=("BNB", "XYZ")), Limits())
    assert found is not None
    assert "(BNB, XYZ)" in found.words


def test_an_account_that_cannot_be_read_whole_stops_entries_and_the_words_say_why() -> None:
    seen = portfolio()
    account = replace(seen.account, unreadable={"perp:UNI/USDT:USDT": "no size"})
    note = tripped(context(portfolio=replace(seen, equity=D(60_000), account=account)), Limits())[0]
    assert note.reason is Reason.DAILY_LOSS
    assert "perp:UNI/USDT:USDT cannot be read: equity is not known" in note.words
