"""Profit and loss: its parts by source, sums that are the change of equity, and periods read from a journal."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.codec import encode
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Side
from bot.domain.money import ZERO, decimal_context
from bot.domain.order import Fill, Purpose
from bot.domain.turn.valuation import VALUATION, PerpValue, SpotValue, Valuation
from bot.journal.journal import Journal
from bot.ports import Payment
from bot.report.profit.ledger import (
    ADJUSTED,
    MOVED_OUTSIDE,
    PAID_OUTSIDE,
    RESTARTED,
    WITHOUT_PRICE,
    OrderOf,
    ProfitLedger,
)
from bot.report.profit.parts import Period, ProfitParts, Source
from bot.report.profit.periods import Profit, load_profit
from bot.report.profit.views import earned_text, period_row, profit_document, profit_line, profit_parts
from bot.runtime.settings.model import load_settings

D = Decimal
PERP = "UNI/USDT:USDT"
SECTORS = load_settings([], []).universe


def fill(symbol: str, side: Side, size: str, price: str, fee: str = "0", asset: str = "USDT", **more: Any) -> Fill:
    made = Fill("x", "1", symbol, "c", "v", side, D(price), D(size), D(fee), asset, False, 1)
    return replace(made, **more)


@dataclass
class Truth:
    """An account beside the ledger: it moves by the venue's rules, in the plainest arithmetic."""

    cash: Decimal = Decimal(10_000)
    wallet: Decimal = Decimal(5_000)
    tokens: dict[str, Decimal] = field(default_factory=lambda: {"UNI": D(100), "SOL": D(10), "BNB": D(5)})
    prices: dict[str, Decimal] = field(default_factory=lambda: {"UNI": D(8), "SOL": D(100), "BNB": D(500)})
    size: Decimal = Decimal(-20)
    entry: Decimal = Decimal("8.5")

    def valuation(self, at_ms: int = 0) -> Valuation:
        spot = {name: SpotValue(size, self.prices[name]) for name, size in self.tokens.items() if size}
        unrealised = self.size * (self.prices["UNI"] - self.entry)
        perps = {PERP: PerpValue(self.size, self.entry, self.prices["UNI"], unrealised)} if self.size else {}
        worth = sum((value.size * value.price for value in spot.values()), ZERO)
        equity = self.cash + self.wallet + worth + unrealised
        return Valuation(at_ms, "USDT", equity, self.cash, self.wallet, spot, perps, "neutral")

    def book(self, one: Fill) -> None:
        signed = one.size * one.side.sign
        if one.symbol == PERP:
            closed = min(abs(self.size), one.size) if self.size * signed < 0 else ZERO
            self.wallet += closed * (one.price - self.entry) * (1 if self.size > 0 else -1) - one.fee
            rest = one.size - closed
            kept = abs(self.size) - closed
            self.entry = (self.entry * kept + one.price * rest) / (kept + rest) if rest else self.entry
            self.size += signed
            return
        self.tokens[one.symbol.partition("/")[0]] += signed
        self.cash -= signed * one.price
        if one.fee_asset == "USDT":
            self.cash -= one.fee
        else:
            self.tokens[one.fee_asset] -= one.fee


def run(seed: int) -> tuple[Period, Mapping[str, Decimal]]:
    """A random life of an account; its period, and what the venue paid and took."""
    chance, truth = Random(seed), Truth()
    ledger = ProfitLedger(truth.valuation(), {"UNI": "defi", "SOL": "infra"})
    before = ledger.stand(truth.valuation())
    booked = {"funding": ZERO, "deposit": ZERO, "lost": ZERO}
    for number in range(chance.randrange(1, 60)):
        for name in truth.prices:
            truth.prices[name] *= D(chance.randrange(900, 1100)) / 1000
        what = chance.random()
        if what < 0.6:
            token = chance.choice(["UNI", "SOL"])
            is_perp = chance.random() < 0.4
            side = chance.choice(list(Side))
            most = 40 if is_perp else int(truth.tokens[token] / 2) if side is Side.SELL else 20
            if most < 1:
                continue
            size, price = D(chance.randrange(1, most + 1)), truth.prices["UNI" if is_perp else token]
            asset = "USDT" if is_perp else chance.choice(["USDT", token, "BNB"])
            fee = size * price / 1000 / (truth.prices.get(asset, D(1)) if asset != token else price)
            made = fill(PERP if is_perp else f"{token}/USDT", side, str(size), str(price), str(round(fee, 8)), asset)
            purpose = chance.choice([Purpose.HEDGE, Purpose.TACTICAL, Purpose.SCALP]) if is_perp else Purpose.REDUCE
            truth.book(made)
            ledger.add_fill(made, made.size * made.price, OrderOf(purpose, chance.randrange(3)))
        elif what < 0.8:
            amount = D(chance.randrange(-500, 500)) / 100
            truth.wallet += amount
            booked["funding"] += amount
            ledger.add_payment(Payment(str(number), "funding", "USDT", amount, PERP, number))
        elif what < 0.9:
            amount = D(chance.randrange(-900, 900))
            truth.cash += amount
            booked["deposit"] += amount
            ledger.add_payment(Payment(str(number), "deposit", "USDT", amount, None, number))
        else:
            amount = D(chance.randrange(1, 100))
            truth.cash -= amount
            booked["lost"] += amount
            ledger.add_adjustment({"key": "spot:USDT", "amount": str(-amount), "lost": str(amount)})
        if chance.random() < 0.2:
            ledger.stand(truth.valuation())
    return ledger.stand(truth.valuation(1)).since(before, "start"), booked


@given(st.integers(0, 1 << 40))
def test_every_part_adds_up_to_the_change_of_equity(seed: int) -> None:
    with decimal_context():
        period, booked = run(seed)
    assert abs(period.unexplained) < D("0.01")
    assert period.total.funding == booked["funding"]
    assert period.total.other == -booked["lost"]
    assert period.flows.get("deposit", ZERO) == booked["deposit"]
    for groups in (period.by_sleeve, period.by_token, period.by_campaign):
        assert abs(sum((parts.net for parts in groups.values()), ZERO) - period.total.net) < D("0.00000001")


def test_a_perp_belongs_to_the_order_that_opened_it_until_it_is_flat() -> None:
    truth = replace(Truth(), size=ZERO)
    ledger = ProfitLedger(truth.valuation(), {})
    hedge, tactical = OrderOf(Purpose.HEDGE, 3), OrderOf(Purpose.TACTICAL, 4)
    ledger.add_fill(fill(PERP, Side.SELL, "10", "8", "0.1"), D(80), hedge)
    ledger.add_payment(Payment("1", "funding", "USDT", D("0.5"), PERP, 2))
    ledger.add_fill(fill(PERP, Side.BUY, "30", "7", "0.3"), D(210), tactical)  # closes 10, opens 20
    ledger.add_payment(Payment("2", "funding", "USDT", D("-0.2"), PERP, 3))
    after = replace(truth, size=D(20), entry=D(7), wallet=truth.wallet + 10 - D("0.4") + D("0.3"))
    period = ledger.stand(after.valuation()).since(ProfitLedger(truth.valuation()).stand(truth.valuation()), "start")
    assert period.parts[Source("hedge", 3, "UNI")] == ProfitParts(realised=D(10), funding=D("0.5"), fees=D("0.2"))
    assert period.parts[Source("tactical", 4, "UNI")] == ProfitParts(unrealised=D(20), funding=D("-0.2"), fees=D("0.2"))
    assert period.unexplained == 0


def test_a_hedge_is_shown_with_the_spot_that_it_covered() -> None:
    truth = replace(Truth(), size=ZERO)
    ledger = ProfitLedger(truth.valuation(), {"UNI": "defi"})
    begin = ledger.stand(truth.valuation())
    ledger.add_fill(fill(PERP, Side.SELL, "10", "8", "0.1"), D(80), OrderOf(Purpose.HEDGE, 3, "defi"))
    ledger.add_fill(fill(PERP, Side.BUY, "10", "7", "0.1"), D(70), OrderOf(Purpose.RELEASE, 3, "defi"))
    after = replace(truth, wallet=truth.wallet + 10 - D("0.2"))
    period = ledger.stand(after.valuation()).since(begin, "start")
    assert period.by_sleeve["defi.hedge"].net == D("9.8")
    period = replace(period, parts={**period.parts, Source("defi.spot", 0, "UNI"): ProfitParts(unrealised=D(-30))})
    assert period.covered["defi"].net == D("-20.2")
    row = period_row(period)
    assert row["covered"]["defi"]["net_quote"] == "-20.2"
    shown = str(profit_parts({"quote": "USDT", "periods": {"start": row}}, DAY_MS)[-1])
    assert "defi: hedges +9.80, the spot they covered -30.00, together -20.20 USDT" in shown


def test_slippage_is_the_share_of_prices_that_orders_have_lost_to_the_price_they_were_decided_at() -> None:
    """By campaign and sleeve, for both sides, and for both halves of a fill through zero; profit stays what it is."""
    truth = Truth()
    ledger = ProfitLedger(truth.valuation(), {"UNI": "defi"})
    begin = ledger.stand(truth.valuation())
    made = [
        (fill("UNI/USDT", Side.BUY, "10", "8"), OrderOf(Purpose.INCREASE, 7, "defi", D("7.9"))),  # 1.0 worse
        (fill("UNI/USDT", Side.SELL, "10", "8"), OrderOf(Purpose.REDUCE, 8, "defi", D("7.8"))),  # 2.0 better
        (fill("UNI/USDT", Side.SELL, "1", "8"), OrderOf(Purpose.REDUCE, 8, "defi")),  # of a journal of before
        (fill(PERP, Side.SELL, "10", "8"), OrderOf(Purpose.HEDGE, 7, "defi", D("8.1"))),  # 1.0 worse
        (fill(PERP, Side.BUY, "40", "8"), OrderOf(Purpose.TACTICAL, 9, "", D("7.9"))),  # 4.0 worse, 30 of it close
    ]
    for one, order in made:
        truth.book(one)
        ledger.add_fill(one, one.size * one.price, order)
    period = ledger.stand(truth.valuation()).since(begin, "start")
    assert {number: parts.slippage for number, parts in period.by_campaign.items() if parts.slippage} == {
        0: 1 + 3,  # the short that the books began with
        7: 1,
        8: -2,
        9: 1,
    }
    assert period.by_sleeve["hedge"].slippage == 4
    assert (period.total.slippage, round(period.total.net, 12), round(period.unexplained, 12)) == (4, 0, 0)
    row = period_row(period)
    assert (row["slippage_quote"], row["by_campaign"]["9"]["slippage_quote"]) == ("4", "1")
    text = earned_text(Profit("USDT", {"start": period}), "start")
    assert "prices 0.00 (-4.00 of it slippage)" in text


def test_a_fee_in_kind_counts_at_the_price_of_its_fill_and_once() -> None:
    truth = Truth()
    ledger = ProfitLedger(truth.valuation(), {"UNI": "defi"})
    begin = ledger.stand(truth.valuation())
    bought = fill("UNI/USDT", Side.BUY, "50", "8", "0.05", "UNI")
    truth.book(bought)
    ledger.add_fill(bought, D(400), OrderOf(Purpose.INCREASE, 7))
    period = ledger.stand(truth.valuation()).since(begin, "start")
    assert period.parts == {Source("defi.spot", 7, "UNI"): ProfitParts(fees=D("0.4"))}
    assert (period.change, period.unexplained) == (D("-0.4"), D(0))


def test_a_fee_from_assets_outside_of_equity_is_a_cost_that_equity_does_not_show() -> None:
    truth = Truth()
    ledger = ProfitLedger(truth.valuation(), {})
    begin = ledger.stand(truth.valuation())
    ledger.add_fill(fill(PERP, Side.SELL, "5", "8", "0.0001", "BNB"), D(40), OrderOf(Purpose.HEDGE, 0))
    ledger.add_fill(fill("SOL/USDT", Side.BUY, "1", "100", "0.2", "XYZ"), D(100), None)
    truth.book(fill(PERP, Side.SELL, "5", "8"))
    truth.book(fill("SOL/USDT", Side.BUY, "1", "100"))
    period = ledger.stand(truth.valuation()).since(begin, "start")
    assert (period.total.fees, dict(period.flows)) == (D("0.05"), {PAID_OUTSIDE: D("0.05")})
    assert (period.change, period.unexplained, period.unpriced_fees) == (D(0), D(0), {"XYZ": D("0.2")})


def test_what_comes_in_is_no_profit_and_is_named() -> None:
    truth = Truth()
    ledger = ProfitLedger(truth.valuation(), {})
    begin = ledger.stand(truth.valuation())
    ledger.add_payment(Payment("1", "withdrawal", "SOL", D(-2), None, 1))
    ledger.add_payment(Payment("2", "transfer", "USDT", D(700), None, 1))  # between the account's own wallets
    ledger.add_adjustment({"key": "spot:USDT", "amount": "25"})
    truth.tokens["SOL"] -= 2
    truth.cash += 25 - 700
    truth.wallet += 700
    period = ledger.stand(truth.valuation()).since(begin, "start")
    assert dict(period.flows) == {"withdrawal": D(-200), ADJUSTED: D(25)}
    assert (period.total, period.unexplained) == (ProfitParts(), D(0))


def test_a_conversion_takes_the_cost_along() -> None:
    truth = Truth()
    ledger = ProfitLedger(truth.valuation(), {})
    begin = ledger.stand(truth.valuation())
    ledger.add_conversion({"was": "UNI", "becomes": "NEW", "taken": "100", "given": "1000"})
    truth.tokens |= {"UNI": ZERO, "NEW": D(1000)}
    truth.prices["NEW"] = D("0.9")
    period = ledger.stand(truth.valuation()).since(begin, "start")
    assert (period.by_token["NEW"], period.unexplained) == (ProfitParts(unrealised=D(100)), D(0))


def test_a_deposit_of_a_token_that_was_never_held_is_no_profit() -> None:
    """It has no price in the books when it comes in; it counts at the first one that is known."""
    truth = Truth()
    ledger = ProfitLedger(truth.valuation(), {"NEW": "defi", "ODD": "defi"})
    begin = ledger.stand(truth.valuation())
    ledger.add_payment(Payment("1", "deposit", "NEW", D(10), None, 1))
    ledger.add_adjustment({"key": "spot:ODD", "amount": "4"})
    ledger.add_fill(fill("ODD/USDT", Side.SELL, "1", "20"), D(20), OrderOf(Purpose.REDUCE, 1))
    truth.tokens |= {"NEW": D(10), "ODD": D(3)}
    truth.prices |= {"NEW": D(5), "ODD": D(21)}
    truth.cash += 20
    period = ledger.stand(truth.valuation()).since(begin, "start")
    assert dict(period.flows) == {"deposit": D(50), ADJUSTED: D(80)}
    assert (period.total, period.unexplained) == (ProfitParts(unrealised=D(3)), D(0))


def test_tokens_outside_the_sectors_that_move_without_a_record_are_named() -> None:
    truth = Truth()
    ledger = ProfitLedger(truth.valuation(), {"UNI": "defi", "SOL": "infra"})
    begin = ledger.stand(truth.valuation())
    truth.tokens |= {"BNB": D(3), "XYZ": D(7)}
    truth.prices |= {"BNB": D(510), "XYZ": D(2)}
    truth.tokens["UNI"] += 1  # one of a sector is compared at every settlement: until then it is unexplained
    period = ledger.stand(truth.valuation()).since(begin, "start")
    assert dict(period.flows) == {MOVED_OUTSIDE: D(-2 * 510 + 7 * 2)}
    assert (period.total, period.unexplained) == (ProfitParts(unrealised=D(50)), D(8))


def test_a_token_whose_market_has_ended_is_no_loss_until_somebody_says_so() -> None:
    """Equity is without it; its profit stays as it was at its last price, and goes on when it has one again."""
    truth = Truth()
    ledger = ProfitLedger(truth.valuation(), {"UNI": "defi", "SOL": "infra"})
    begin = ledger.stand(truth.valuation())
    truth.prices["SOL"] = D(110)
    ledger.stand(truth.valuation())
    gone = replace(truth.valuation(), equity=truth.valuation().equity - 1_100, unpriced={"SOL": D(10)})
    gone = replace(gone, spot={name: value for name, value in gone.spot.items() if name != "SOL"})
    period = ledger.stand(gone).since(begin, "start")
    assert dict(period.flows) == {WITHOUT_PRICE: D(-1_100)}
    assert (period.total, period.unexplained) == (ProfitParts(unrealised=D(100)), D(0))
    truth.prices["SOL"] = D(90)
    period = ledger.stand(truth.valuation()).since(begin, "start")
    assert (dict(period.flows), period.total) == ({}, ProfitParts(unrealised=D(-100)))
    assert period.unexplained == 0


def test_what_moves_of_a_token_whose_market_has_ended_is_named() -> None:
    """Found by the simulator (heavy seed 1300390): nobody compares it any more, and its worth stayed unexplained."""
    truth = Truth()
    ledger = ProfitLedger(truth.valuation(), {"UNI": "defi", "SOL": "infra"})
    begin = ledger.stand(truth.valuation())
    gone = replace(truth.valuation(), equity=truth.valuation().equity - 1_000, unpriced={"SOL": D(4)})
    gone = replace(gone, spot={name: value for name, value in gone.spot.items() if name != "SOL"})
    period = ledger.stand(gone).since(begin, "start")
    assert (dict(period.flows), period.total, period.unexplained) == ({WITHOUT_PRICE: D(-1_000)}, ProfitParts(), D(0))


def test_a_token_without_a_price_when_the_books_begin_is_no_profit_when_it_gets_one() -> None:
    truth = Truth()
    whole = truth.valuation()
    spot = {name: value for name, value in whole.spot.items() if name != "SOL"}
    first = replace(whole, equity=whole.equity - 1_000, spot=spot, unpriced={"SOL": D(10)})
    ledger = ProfitLedger(first, {"UNI": "defi", "SOL": "infra"})
    begin = ledger.stand(first)
    period = ledger.stand(whole).since(begin, "start")
    assert (dict(period.flows), period.total, period.unexplained) == ({WITHOUT_PRICE: D(1_000)}, ProfitParts(), D(0))


def test_both_sides_of_a_perp_add_up_where_the_venue_keeps_an_entry_for_each() -> None:
    """Found by the simulator (seed 900007): the books net both sides, and the venue's entry is that of the side that is
    left."""
    truth = replace(Truth(), size=ZERO)
    ledger = ProfitLedger(truth.valuation(), {"UNI": "defi"})
    begin = ledger.stand(truth.valuation())
    for side, size, price in ((Side.BUY, "15", "8"), (Side.SELL, "7", "7.9"), (Side.BUY, "7", "8.2")):
        ledger.add_fill(fill(PERP, side, size, price), D(size) * D(price), None)
    truth.size, truth.entry, truth.prices["UNI"] = D(15), D(8), D(9)  # the short of seven is closed at a loss
    truth.wallet += 7 * (D("7.9") - D("8.2"))
    period = ledger.stand(truth.valuation()).since(begin, "start")
    assert (period.by_sleeve["tactical"].net, period.unexplained) == (D("12.9"), D(0))


@pytest.mark.parametrize("is_flat", [True, False])
def test_a_position_that_was_accepted_earns_from_its_entry_on(is_flat: bool) -> None:
    truth = replace(Truth(), size=ZERO)
    ledger = ProfitLedger(truth.valuation(), {"UNI": "defi"})
    begin = ledger.stand(truth.valuation())
    ledger.add_adjustment({"key": f"perp:{PERP}", "amount": "15", "entry": "7"})
    truth.size, truth.entry, truth.prices["UNI"] = D(15), D(7), D(9)
    if is_flat:
        ledger.add_fill(fill(PERP, Side.SELL, "15", "9"), D(135), None)
        truth.size, truth.wallet = ZERO, truth.wallet + 30
    period = ledger.stand(truth.valuation()).since(begin, "start")
    assert (period.by_sleeve["tactical"].net, period.unexplained, period.flows) == (D(30), D(0), {})


def test_an_entry_that_is_restated_is_counted_once() -> None:
    """What the side that is gone has lost is in the cash; it is neither a flow nor counted by the next valuation."""
    truth = replace(Truth(), size=D(15), entry=D(8))
    ledger = ProfitLedger(truth.valuation(), {"UNI": "defi"})
    begin = ledger.stand(truth.valuation())
    ledger.add_adjustment({"key": f"perp:{PERP}", "amount": "0", "entry": "7.5"})
    truth.entry, truth.wallet = D("7.5"), truth.wallet - D("7.5")
    period = ledger.stand(truth.valuation()).since(begin, "start")
    assert (period.total.net, period.unexplained, period.flows) == (D(0), D(0), {})


def test_a_position_that_a_restarted_paper_account_has_forgotten_keeps_what_it_had_earned() -> None:
    truth = Truth()
    ledger = ProfitLedger(truth.valuation(), {"UNI": "defi", "SOL": "infra"})
    begin = ledger.stand(truth.valuation())
    truth.prices["UNI"] = D(7)
    ledger.stand(truth.valuation())
    ledger.restart({"spot:USDT": D(9_000), "wallet": D(1_000), "spot:UNI": D(100)}, {})
    truth.cash, truth.wallet, truth.size = D(9_000), D(1_000), ZERO
    truth.tokens = {"UNI": D(100)}
    period = ledger.stand(truth.valuation()).since(begin, "start")
    assert period.by_sleeve["hedge"].net == 20, "twenty short from 8 to 7"
    assert period.by_sleeve["defi.spot"].net == -100
    assert period.unexplained == 0
    assert sum(period.flows.values()) == period.flows[RESTARTED] == -5_000 - 10 * 100 - 5 * 500 - 30


async def journaled(folder: Path, days: int) -> Journal:
    """A journal with a valuation every six hours whose equity rises by one each time."""
    clock = [0]
    journal = await Journal.open(folder / "j.db", account="main", now_ms=lambda: clock[0], threaded=False)
    for number in range(days * 4):
        clock[0] = number * 6 * HOUR_MS
        value = Valuation(clock[0], "USDT", D(1000 + number), D(1000 + number), condition="neutral")
        await journal.record_fact(VALUATION, encode(value))
    return journal


async def test_periods_begin_at_their_moments_and_end_with_the_last_valuation(tmp_path: Path) -> None:
    journal = await journaled(tmp_path, 40)
    now_ms = 39 * DAY_MS + 19 * HOUR_MS
    profit = load_profit(journal.reader, SECTORS, now_ms, since_ms=now_ms - 2 * HOUR_MS)
    begins = {name: period.begin_ms for name, period in profit.periods.items()}
    assert begins == {
        "start": 0,
        "today": 39 * DAY_MS,
        "7 d": 32 * DAY_MS + 24 * HOUR_MS,  # the valuation before that moment is an hour old: too old to stand for it
        "30 d": 9 * DAY_MS + 24 * HOUR_MS,
        "since": 39 * DAY_MS + 18 * HOUR_MS,
    }
    assert {period.end_ms for period in profit.periods.values()} == {39 * DAY_MS + 18 * HOUR_MS}
    assert profit.periods["today"].unexplained == 3
    await journal.close()


async def test_a_restarted_papers_position_is_counted_once(tmp_path: Path) -> None:
    """Older versions journaled the engine's own entry of a position that a restart takes over as a fill."""
    journal = await journaled(tmp_path, 1)
    held = {"amounts": {}, "entries": {}, "origin_ms": DAY_MS, "agreed_ms": DAY_MS, "upto_seq": 1, "watched": []}
    await journal.record_fact("baseline", held | {"origin_ms": 1, "agreed_ms": 1})
    await journal.record_fact("baseline", held | {"amounts": {"spot:USDT": "1003"}})
    await journal.record_fills([fill(PERP, Side.SELL, "10", "8", "0", client_id="sx01", at_ms=DAY_MS - 1)])
    value = Valuation(DAY_MS + 1, "USDT", D(1003), D(1003))
    await journal.record_fact(VALUATION, encode(value))
    period = load_profit(journal.reader, SECTORS, 2 * DAY_MS).periods["start"]
    assert period.by_sleeve == {}
    assert sum(period.flows.values()) == 3
    assert period.unexplained == 0
    await journal.close()


async def test_an_execution_of_before_the_first_valuation_is_no_part_of_a_period(tmp_path: Path) -> None:
    """Found by the simulator (heavy seed 730552): its fee was counted although the first valuation had paid it."""
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: DAY_MS, threaded=False)
    await journal.record_fact(VALUATION, encode(Valuation(HOUR_MS, "USDT", D(1003), D(1003))))
    await journal.record_fills([fill(PERP, Side.BUY, "1", "100", "0.05", client_id="theirs", at_ms=HOUR_MS)])
    await journal.record_fact(VALUATION, encode(Valuation(DAY_MS, "USDT", D(1003), D(1003))))
    period = load_profit(journal.reader, SECTORS, 2 * DAY_MS).periods["start"]
    assert period.total == ProfitParts()
    await journal.close()


async def test_an_adjustment_adds_nothing_that_the_first_valuation_shows(tmp_path: Path) -> None:
    """Found by the simulator (heavy seed 1400685): the owner had sold SOL before the first valuation, as many had come
    in, and the trade was recorded after it. That an operator accepts the account is no profit of the price since, and
    the cash of the sale no flow; what really went meanwhile is one."""
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: DAY_MS, threaded=False)
    held = {"spot:SOL": "100", "spot:USDT": "1300", "wallet": "50"}
    await journal.record_fact(
        "baseline",
        {"amounts": held, "entries": {}, "origin_ms": 1, "agreed_ms": 1, "upto_seq": 1, "watched": ["SOL"]},
    )
    price, later = D(140), D(150)
    first = Valuation(HOUR_MS, "USDT", D(15_350), D(1300), D(50), {"SOL": SpotValue(D(100), price)})
    await journal.record_fact(VALUATION, encode(first))
    sale = fill("SOL/USDT", Side.SELL, "2", "160", "1", client_id="theirs", at_ms=HOUR_MS - 1)
    await journal.record_fills([sale])
    for key, amount in (("spot:SOL", "2"), ("spot:USDT", "-349")):  # 319 of the sale, and 30 that went
        await journal.record_fact("adjustment", {"key": key, "amount": amount, "by": "operator", "reason": "seen"})
    last = Valuation(DAY_MS, "USDT", D(16_320), D(1270), D(50), {"SOL": SpotValue(D(100), later)})
    await journal.record_fact(VALUATION, encode(last))
    period = load_profit(journal.reader, SECTORS, 2 * DAY_MS).periods["start"]
    assert period.total == ProfitParts(unrealised=D(1000))
    assert period.flows == {ADJUSTED: -30}
    assert period.unexplained == 0
    await journal.close()


@pytest.mark.parametrize("is_rolled", [False, True])
async def test_what_differed_when_the_account_was_valued_first_comes_in_no_second_time(
    tmp_path: Path, is_rolled: bool
) -> None:
    """The valuation has 5 SOL more than the books. The trade behind 2 of them is recorded; an operator accepts the
    others, or the books are rolled forward with them. 3 more that are accepted afterwards are a flow."""
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: DAY_MS, threaded=False)
    amounts = {"spot:SOL": "100", "spot:USDT": "1300", "wallet": "0"}
    books = {"amounts": amounts, "entries": {}, "origin_ms": 1, "agreed_ms": 1, "upto_seq": 1, "watched": ["SOL"]}
    await journal.record_fact("baseline", books)
    first = Valuation(HOUR_MS, "USDT", D(15_800), D(1100), spot={"SOL": SpotValue(D(105), D(140))})
    await journal.record_fact(VALUATION, encode(first))
    bought = fill("SOL/USDT", Side.BUY, "2", "100", client_id="theirs", at_ms=HOUR_MS - 1)
    await journal.record_fills([bought])
    if is_rolled:
        rolled = {"amounts": amounts | {"spot:SOL": "105", "spot:USDT": "1100"}, "agreed_ms": HOUR_MS}
        await journal.record_fact("baseline", books | rolled | {"upto_seq": journal.reader.count_events()})
    else:
        await journal.record_fact("adjustment", {"key": "spot:SOL", "amount": "3", "by": "operator", "reason": "seen"})
    await journal.record_fact("adjustment", {"key": "spot:SOL", "amount": "3", "by": "operator", "reason": "more"})
    last = Valuation(DAY_MS, "USDT", D(17_300), D(1100), spot={"SOL": SpotValue(D(108), D(150))})
    await journal.record_fact(VALUATION, encode(last))
    period = load_profit(journal.reader, SECTORS, 2 * DAY_MS).periods["start"]
    assert period.flows == {ADJUSTED: 3 * 140}
    assert period.total == ProfitParts(unrealised=D(105 * 10 + 3 * 10))
    assert period.unexplained == 0
    await journal.close()


async def test_an_empty_journal_says_so_and_nothing_else(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: 0, threaded=False)
    document = profit_document(load_profit(journal.reader, SECTORS, DAY_MS))
    await journal.close()
    assert json.dumps(document["periods"]) == "{}"
    assert "the next full cycle" in profit_line(document["periods"], "USDT")
    assert "holds no valuation" in str(profit_parts(document, DAY_MS)[0])


def test_a_bot_of_yesterday_shows_no_week() -> None:
    parts = {Source("hedge", 0, "UNI"): ProfitParts(realised=D(10))}
    month = Period("start", 0, 40 * DAY_MS, D(100), D(110), parts)
    rows = {"start": period_row(month), "7 d": period_row(replace(month, begin_ms=33 * DAY_MS))}
    assert profit_line(rows, "USDT") == "7 d +10.00 (10.00 %), since start +10.00 (10.00 %) USDT"
    assert profit_line(rows | {"7 d": rows["start"]}, "USDT") == "since start +10.00 (10.00 %) USDT"
