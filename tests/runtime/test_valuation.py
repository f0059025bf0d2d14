"""Valuations are journaled while every holding has a price, and go on when the market of one has ended."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bot.domain.campaign import Memory, Stance
from bot.domain.codec import decode
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import Quote, Snapshot
from bot.domain.order import Order, OrderState
from bot.domain.portfolio import Account, Balance, Portfolio
from bot.domain.turn.valuation import VALUATION, Valuation
from bot.execution.reconcile import Truth
from bot.execution.unknown_outcomes import UNKNOWN_OUTCOME_STATES
from bot.journal.journal import Journal
from bot.risk import Limits
from bot.runtime.settings.model import load_settings
from bot.runtime.turn import CYCLE, Numbers
from bot.runtime.watch.drawdown import mark_equity
from bot.runtime.watch.valuation import record_valuation
from tests.execution.worlds import make_order

SETTINGS = load_settings([], [])
D = Decimal


async def value(journal: Journal, at_ms: int, priced: set[str], *working: Order) -> Valuation:
    """The newest valuation after a cycle at which these tokens had a price."""
    quotes = {f"{asset}/USDT": Quote(f"{asset}/USDT", D(10), D(10), at_ms) for asset in priced}
    balances = {name: Balance(name, D(size)) for name, size in (("USDT", 1_000), ("UNI", 5), ("AAVE", 2))}
    account = Account(at_ms, "USDT", balances, D(0), D(0), {})
    held = set(balances) - {"USDT"}
    plan: Any = SimpleNamespace(
        inputs=SimpleNamespace(kind=CYCLE, snapshot=Snapshot(at_ms, {}, quotes)),
        portfolio=SimpleNamespace(unpriced=tuple(sorted(held - priced))),
        decision=SimpleNamespace(condition=SimpleNamespace(value="neutral"), stance=Stance.DE_RISK),
    )
    truth = Truth(account, working, is_agreed=True, locked=frozenset())
    numbers = Numbers(SETTINGS.playbook, SETTINGS.universe, Limits())
    await record_valuation(journal, plan, truth, numbers)
    (newest,) = journal.reader.load_facts(VALUATION, limit=1)
    return decode(Valuation, newest.payload)


async def test_a_token_whose_market_has_ended_holds_valuations_back_for_a_day_only(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: 0, threaded=False)
    both = {"UNI", "AAVE"}
    assert (await value(journal, 0, both)).equity == 1_070
    assert (await value(journal, HOUR_MS, {"UNI"})).at_ms == 0, "a price that is missing is no loss"
    assert (await value(journal, DAY_MS - 1, {"UNI"})).at_ms == 0
    ended = await value(journal, DAY_MS, {"UNI"})
    assert (ended.at_ms, ended.equity, ended.unpriced) == (DAY_MS, 1_050, {"AAVE": 2})
    again = await value(journal, DAY_MS + HOUR_MS, {"UNI"})
    assert (again.at_ms, again.unpriced) == (DAY_MS + HOUR_MS, {"AAVE": 2}), "it does not wait for another day"
    back = await value(journal, DAY_MS + 2 * HOUR_MS, both)
    assert (back.equity, back.unpriced) == (1_070, {})
    await journal.close()


async def test_a_valuation_says_what_profit_is_divided_by(tmp_path: Path) -> None:
    """The stance, the neutral shares, and the prices of tokens that are not held: a sector moves without them too."""
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: 0, threaded=False)
    valued = await value(journal, 0, {"UNI", "AAVE", "SOL"})
    await journal.close()
    assert (valued.stance, valued.neutral) == ("de_risk", SETTINGS.playbook.allocation.neutral_spot)
    assert valued.prices == {"SOL": 10}
    assert [valued.price(asset) for asset in ("UNI", "SOL", "ETH")] == [10, 10, None]


async def test_no_valuation_while_the_outcome_of_an_order_is_unknown(tmp_path: Path) -> None:
    """What the order may have bought, and deposits meanwhile, are compared with the books after its outcome only."""
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: 0, threaded=False)
    both = {"UNI", "AAVE"}
    await value(journal, 0, both)
    for state in OrderState:
        order = replace(make_order(1), state=state)
        at_ms = (await value(journal, 0, both)).at_ms + HOUR_MS
        assert ((await value(journal, at_ms, both, order)).at_ms < at_ms) == (state in UNKNOWN_OUTCOME_STATES), state
        await value(journal, at_ms, both)
    await journal.close()


def test_equity_of_an_account_that_cannot_be_read_whole_moves_no_peak_and_begins_no_stop() -> None:
    """A position whose row cannot be read is believed to be at its entry price, without profit."""
    before = Memory(equity_peak=D(100), day_start_equity=D(100), day_start_ms=0)
    for equity in (D(1), D(1_000)):
        for unreadable in ({"perp:UNI/USDT:USDT": "no size"}, {"wallet": "no answer"}):
            account = Account(DAY_MS, "USDT", {}, D(0), D(0), {}, unreadable=unreadable)
            seen = Portfolio(account, equity, D(0), D(0), {})
            assert mark_equity(before, seen, Limits(), DAY_MS) == before
            for harmless in ({}, {"spot:DUST": "no amount"}):
                readable = replace(seen, account=replace(account, unreadable=harmless))
                assert mark_equity(before, readable, Limits(), DAY_MS).day_start_equity == equity
