"""The breakers speak without an intent, say their numbers, and fall silent when their cause is gone."""

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.campaign import Memory
from bot.domain.reason import Reason
from bot.domain.states import OrderState
from bot.risk import Limits, TurnRisk, tripped
from bot.risk.breakers import BREAKERS, fees_unknown
from tests.risk.worlds import NOW, D, buy, context, portfolio, snapshot, working


def unread(key: str, memory: Memory | None = None, **changes: Any) -> TurnRisk:
    """A row of the account cannot be read; what is believed of it counts."""
    seen = portfolio()
    account = replace(seen.account, unreadable={key: "no size"})
    return context(portfolio=replace(seen, account=account, **changes), memory=memory or Memory())


TROUBLES: dict[Reason, TurnRisk] = {
    Reason.DAILY_LOSS: context(memory=Memory(equity_peak=D(111_000), day_start_equity=D(111_000))),
    Reason.DRAWDOWN: context(memory=Memory(equity_peak=D(162_000), day_start_equity=D(105_000))),
    Reason.EQUITY_UNKNOWN: unread("perp:UNI/USDT:USDT"),
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
WITHOUT_LIMIT = (Reason.ACCOUNT_SETTING, Reason.EQUITY_UNKNOWN, Reason.POSITION_UNGUARDED, Reason.LEVERAGE_DIFFERS)


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


@pytest.mark.parametrize("equity", ["1", "60000", "105000", "9000000"])
@pytest.mark.parametrize("key", ["perp:UNI/USDT:USDT", "perp:", "wallet", "spot:", "spot:USDT", "spot:UNI"])
def test_no_loss_is_judged_by_an_equity_that_rests_on_an_unread_row_and_entries_stop(key: str, equity: str) -> None:
    """Whatever the believed number is: it trips nothing, and it hides nothing that has tripped."""
    memory = Memory(equity_peak=D(111_000), day_start_equity=D(111_000))
    (note,) = tripped(unread(key, memory, equity=D(equity)), Limits())
    assert note.reason is Reason.EQUITY_UNKNOWN
    assert f"{key} cannot be read: equity is not known" in note.words


def test_a_row_that_equity_does_not_rest_on_leaves_losses_judged() -> None:
    assert tripped(unread("spot:DUST"), Limits()) == ()
    lost = Memory(equity_peak=D(111_000), day_start_equity=D(111_000))
    assert [note.reason for note in tripped(unread("spot:DUST", lost), Limits())] == [Reason.DAILY_LOSS]


def test_a_row_of_an_asset_that_counts_once_it_is_read_keeps_losses_from_being_judged() -> None:
    lost = Memory(equity_peak=D(111_000), day_start_equity=D(111_000))
    (note,) = tripped(unread("spot:DUST", lost, countable=frozenset({"DUST"})), Limits())
    assert note.reason is Reason.EQUITY_UNKNOWN


def test_a_drawdown_that_has_begun_goes_on_while_equity_is_not_known() -> None:
    memory = Memory(equity_peak=D(106_000), day_start_equity=D(105_000), drawdown_since_ms=NOW - 1)
    found = tripped(unread("perp:UNI/USDT:USDT", memory, equity=D(9_000_000)), Limits())
    assert [note.reason for note in found] == [Reason.DRAWDOWN, Reason.EQUITY_UNKNOWN]
    assert "9000000" not in found[0].words
