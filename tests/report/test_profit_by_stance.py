"""Profit by stance: by hand, adding up whatever happens, and divided at the days of a journal."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.codec import encode
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Side
from bot.domain.money import ZERO, decimal_context
from bot.domain.order import Purpose
from bot.domain.turn.valuation import VALUATION, PerpValue, SpotValue, Valuation
from bot.journal.journal import Journal
from bot.ports import Payment
from bot.report.profit.by_stance import NOT_RECORDED, divide
from bot.report.profit.ledger import OrderOf, ProfitLedger
from bot.report.profit.parts import Period, StanceProfit, Standing
from bot.report.profit.periods import load_profit
from bot.report.profit.views import period_row, profit_parts
from tests.report.test_profit import PERP, SECTORS, Truth, fill

D = Decimal
SECTOR_OF = {"UNI": "defi", "AAVE": "defi", "SOL": "infra"}
HEDGE = OrderOf(Purpose.HEDGE, 1, "defi")


def valued(at_ms: int, cash: str, prices: Mapping[str, str], held: Mapping[str, str], **more: Any) -> Valuation:
    """An account with half of its equity in DeFi when it is neutral."""
    spot = {asset: SpotValue(D(size), D(prices[asset])) for asset, size in held.items()}
    worth = sum((value.size * value.price for value in spot.values()), D(cash))
    rest = {asset: D(price) for asset, price in prices.items() if asset not in held}
    made = Valuation(
        at_ms, "USDT", worth, D(cash), spot=spot, prices=rest, stance="de_risk", neutral={"defi": D("0.5")}
    )
    return replace(made, **more)


def test_a_day_by_hand_is_divided_as_the_back_test_divides_it() -> None:
    """1,000 of equity; 600 of UNI are held where 500 are neutral. UNI rises by 10 %, AAVE, of which there is none, by
    30 %: the sector by 20 %."""
    first = valued(0, "400", {"UNI": "10", "AAVE": "10"}, {"UNI": "60"})
    last = valued(DAY_MS, "400", {"UNI": "11", "AAVE": "13"}, {"UNI": "60"}, stance="neutral")
    ledger = ProfitLedger(first, SECTOR_OF)
    made = divide([(one, ledger.stand(one)) for one in (first, last)], SECTOR_OF)
    assert made == {"de_risk": StanceProfit(DAY_MS, neutral=D(100), timing=D(20), selection=D(-60))}
    assert made["de_risk"].net == 60


def test_costs_hedges_and_the_spot_under_them_have_names_of_their_own() -> None:
    """A third of the spot is hedged; a long on SOL and a token outside the sectors beside them."""
    sol = "SOL/USDT:USDT"
    first = valued(0, "400", {"UNI": "10", "BNB": "5"}, {"UNI": "60", "BNB": "1"}, wallet=D(1_000), equity=D(2_005))
    ledger = ProfitLedger(first, SECTOR_OF)
    begin = ledger.stand(first)
    ledger.add_fill(fill(PERP, Side.SELL, "20", "10", "0.5"), D(200), replace(HEDGE, decided=D("10.1")))
    ledger.add_fill(fill(sol, Side.BUY, "1", "100", "0.1"), D(100), OrderOf(Purpose.TACTICAL, 1, "infra"))
    perps = {PERP: PerpValue(D(-20), D(10), D(10), ZERO), sol: PerpValue(D(1), D(100), D(100), ZERO)}
    hedged = replace(first, at_ms=HOUR_MS, wallet=D("999.4"), equity=D("2004.4"), perps=perps)
    middle = ledger.stand(hedged)
    ledger.add_payment(Payment("1", "funding", "USDT", D(3), PERP, 2 * HOUR_MS))
    ledger.add_payment(Payment("2", "rebate", "USDT", D("0.2"), None, 2 * HOUR_MS))
    fallen = {PERP: PerpValue(D(-20), D(10), D(8), D(40)), sol: PerpValue(D(1), D(100), D(107), D(7))}
    last = valued(2 * HOUR_MS, "400", {"UNI": "8", "BNB": "6"}, {"UNI": "60", "BNB": "1"}, perps=fallen)
    last = replace(last, wallet=D("1002.6"), equity=last.equity + D("1002.6") + 47)
    end = ledger.stand(last)
    opened = divide([(first, begin), (hedged, middle)], SECTOR_OF)["de_risk"]
    assert opened == StanceProfit(HOUR_MS, fees=D("-0.6"), slippage=D(-2), hedges=D(2))
    held = divide([(hedged, middle), (last, end)], SECTOR_OF)["de_risk"]
    assert (held.hedges, held.longs, held.funding) == (D(40), D(7), D(3))
    assert held.other == 1 + D("0.2"), "a token outside the sectors, and what the venue paid for no order"
    assert held.covered == -40
    assert held.net == end.since(middle, "x").total.net == D(-120) + 40 + 7 + 3 + D("1.2")


def lived(seed: int) -> tuple[Period, dict[str, StanceProfit]]:
    """A random life of an account, valued now and then at one stance or another."""
    chance, truth = Random(seed), Truth()

    def mark(number: int) -> tuple[Valuation, Standing]:
        rest = {"AAVE": truth.prices["UNI"] * 3} if chance.random() < 0.7 else {}
        neutral = {"defi": D("0.3"), "infra": D("0.5")} if chance.random() < 0.8 else {}
        stance = chance.choice(["neutral", "de_risk", ""])
        value = replace(truth.valuation(number), prices=rest, stance=stance, neutral=neutral)
        return value, ledger.stand(value)

    ledger = ProfitLedger(truth.valuation(), SECTOR_OF)
    marks = [mark(0)]
    for number in range(1, chance.randrange(2, 60)):
        for name in truth.prices:
            truth.prices[name] *= D(chance.randrange(900, 1100)) / 1000
        token, side = chance.choice(["UNI", "SOL"]), chance.choice(list(Side))
        is_perp = chance.random() < 0.4
        most = 40 if is_perp else int(truth.tokens[token] / 2) if side is Side.SELL else 20
        if chance.random() < 0.6 and most:
            size, price = D(chance.randrange(1, most + 1)), truth.prices["UNI" if is_perp else token]
            made = fill(PERP if is_perp else f"{token}/USDT", side, str(size), str(price), str(size * price / 1000))
            purpose = chance.choice([Purpose.HEDGE, Purpose.TACTICAL, Purpose.SCALP]) if is_perp else Purpose.REDUCE
            truth.book(made)
            ledger.add_fill(made, size * price, OrderOf(purpose, 1, "defi", price * chance.choice([1, D("0.99")])))
        amount = D(chance.randrange(-900, 900)) / 7
        if chance.random() < 0.3:
            kind = chance.choice(["funding", "deposit", "rebate"])
            truth.wallet += amount if kind != "deposit" else ZERO
            truth.cash += amount if kind == "deposit" else ZERO
            ledger.add_payment(Payment(str(number), kind, "USDT", amount, PERP if kind == "funding" else None, number))
        if chance.random() < 0.4:
            marks.append(mark(number))
    marks.append(mark(99))
    return marks[-1][1].since(marks[0][1], "start"), divide(marks, SECTOR_OF)


@given(st.integers(0, 1 << 40))
def test_the_parts_of_all_stances_add_up_to_the_profit_to_the_cent(seed: int) -> None:
    with decimal_context():
        period, made = lived(seed)
        whole = sum(made.values(), StanceProfit())
        total = period.total
        assert abs(whole.net - total.net) < D("0.00000001")
        assert abs(whole.net - (period.change - sum(period.flows.values(), ZERO))) < D("0.01")
        costs = ((whole.funding, total.funding), (whole.fees, -total.fees), (whole.slippage, -total.slippage))
        assert all(abs(one - other) < D("0.00000001") for one, other in costs)
        assert whole.span_ms == period.end_ms - period.begin_ms


async def journaled(folder: Path, values: list[Valuation]) -> Journal:
    clock = [0]
    journal = await Journal.open(folder / "j.db", account="main", now_ms=lambda: clock[0], threaded=False)
    for value in values:
        clock[0] = value.at_ms
        await journal.record_fact(VALUATION, encode(value))
    return journal


async def test_a_period_is_divided_at_its_days_whatever_other_periods_are_asked_for(tmp_path: Path) -> None:
    """UNI rises by ten a day, at noon by more or less: a mark at noon would divide the day otherwise."""
    values = []
    for number, price in enumerate((10, 14, 20, 28, 30, 36)):
        value = valued(number * DAY_MS // 2, "400", {"UNI": str(price), "AAVE": "10"}, {"UNI": "60"})
        values.append(replace(value, stance=("neutral", "de_risk", "de_risk")[number // 2]))
    journal = await journaled(tmp_path, values)
    now_ms, since_ms = values[-1].at_ms + HOUR_MS, values[1].at_ms
    alone = load_profit(journal.reader, SECTORS, now_ms).periods["start"]
    profit = load_profit(journal.reader, SECTORS, now_ms, since_ms=since_ms)
    await journal.close()
    both, since = profit.periods["start"], profit.periods["since"]
    assert both.by_stance == alone.by_stance
    spans = {name: made.span_ms for name, made in both.by_stance.items()}
    assert spans == {"neutral": DAY_MS, "de_risk": 3 * DAY_MS // 2}
    assert since.begin_ms == since_ms
    nets = {name: round(made.net, 9) for name, made in since.by_stance.items()}
    assert nets == {"neutral": D(60 * 6), "de_risk": D(60 * 16)}
    for period in profit.periods.values():
        assert abs(sum(made.net for made in period.by_stance.values()) - period.total.net) < D("0.00000001")


async def test_valuations_of_earlier_versions_are_not_divided_and_say_so(tmp_path: Path) -> None:
    values = [valued(day * DAY_MS, "400", {"UNI": str(10 + day)}, {"UNI": "60"}) for day in range(3)]
    values[:2] = [replace(value, stance="", neutral={}, prices={}) for value in values[:2]]
    journal = await journaled(tmp_path, values)
    period = load_profit(journal.reader, SECTORS, 3 * DAY_MS).periods["start"]
    await journal.close()
    assert period.by_stance == {NOT_RECORDED: StanceProfit(2 * DAY_MS, selection=D(120))}


def test_a_person_reads_what_each_stance_made_and_the_sum() -> None:
    made = StanceProfit(2 * DAY_MS, D(100), D(20), D(-60), D(5), D(6), D(7), D(8), D(-2), D(-1), D(-15))
    period = Period("start", 0, 3 * DAY_MS, D(1_000), D(1_083))
    row = period_row(replace(period, by_stance={"de_risk": made, "neutral": StanceProfit(DAY_MS, timing=D(4))}))
    assert row["by_stance"]["de_risk"]["net_quote"] == "83"
    parts = profit_parts({"quote": "USDT", "periods": {"start": row}}, DAY_MS)
    table: Any = next(part for part in parts if str(getattr(part, "title", "")).startswith("By stance"))
    titles = [column.title for column in table.columns]
    assert dict(zip(titles, table.rows[0], strict=True))["timing"] == "+20.00"
    total = dict(zip(titles, table.rows[-1], strict=True))
    assert (total["stance"], total["days"], total["timing"], total["net"]) == ("total", "3.0", "+24.00", "+87.00")
    assert total["spot under hedges"] == "-15.00"
