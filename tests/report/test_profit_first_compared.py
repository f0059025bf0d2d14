"""Profit where a token is first compared after the books began: what had moved before counts once."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.codec import encode
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import Fill
from bot.domain.turn.valuation import VALUATION, SpotValue, Valuation
from bot.execution.books.unexplained import FIRST_COMPARED
from bot.journal.journal import Journal
from bot.ports import DEPOSIT, Payment
from bot.report.profit.ledger import ADJUSTED, WITHOUT_PRICE
from bot.report.profit.parts import Period
from bot.report.profit.periods import load_profit
from bot.runtime.settings.model import load_settings

D = Decimal
SECTORS = load_settings([], []).universe


class Book:
    """A journal whose account holds 1,000 USDT and SOL; its own books began with ten of that, which they compare where
    `watched` has it."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.at_ms, self.cash = journal, 0, D(1_000)

    async def begin(self, *watched: str) -> None:
        amounts = {"spot:USDT": "1000", "spot:SOL": "10"}
        baseline = {"amounts": amounts, "entries": {}, "origin_ms": 0, "agreed_ms": 0, "upto_seq": 0}
        await self.journal.record_fact("baseline", baseline | {"watched": list(watched)})

    async def value(self, size: str, price: str | None, after_ms: int = DAY_MS, uni: str = "0") -> None:
        """The account, by default a day later, so that `pnl` stands at each of its valuations; UNI costs 10."""
        self.at_ms += after_ms
        spot = {} if price is None else {"SOL": SpotValue(D(size), D(price))}
        spot |= {"UNI": SpotValue(D(uni), D(10))} if D(uni) else {}
        unpriced = {"SOL": D(size)} if price is None else {}
        equity = self.cash + D(size) * D(price or 0) + D(uni) * 10
        value = Valuation(self.at_ms, "USDT", equity, self.cash, spot=spot, unpriced=unpriced)
        await self.journal.record_fact(VALUATION, encode(value))

    async def sell(self, size: str, price: str) -> None:
        self.cash += D(size) * D(price)
        sold = Fill("x", "1", "SOL/USDT", "web", "v", Side.SELL, D(price), D(size), D(0), "USDT", False, self.at_ms + 1)
        await self.journal.record_fills([sold])

    async def accept(self, key: str, amount: str) -> None:
        """What the reconciler journals where an operator says that the account is right."""
        payload = {"key": key, "amount": amount, "by": "operator", "reason": "mine"}
        await self.journal.record_fact("adjustment", payload)

    async def compare(self, amount: str) -> int:
        """What the reconciler journals where it first compares SOL; the number of the adjustment."""
        payload = {"key": "spot:SOL", "amount": amount, "by": "bot", "reason": FIRST_COMPARED}
        await self.journal.record_fact("adjustment", payload)
        await self.journal.record_fact("watched", {"assets": ["SOL"]})
        return self.journal.reader.load_facts("adjustment", 1)[0].seq

    def period(self) -> Period:
        return load_profit(self.journal.reader, SECTORS, self.at_ms).periods["start"]


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[Book]:
    made: list[Book] = []
    journal = await Journal.open(
        tmp_path / "j.db", account="main", now_ms=lambda: made[0].at_ms + 1 if made else 0, threaded=False
    )
    made.append(Book(journal))
    yield made[0]
    await journal.close()


async def test_what_the_first_valuation_holds_counts_once_when_it_is_first_compared(book: Book) -> None:
    """Found by the simulator (heavy seed 1400095): the market could not be read when the books of profit began, and
    three units that had come before were taken for a flow when it could be read again."""
    await book.begin()
    await book.value("13", None)
    await book.sell("2", "100")
    await book.compare("3")
    await book.value("11", "110")
    period = book.period()
    assert (period.total.net, period.unexplained) == (D(110), D(0)), "eleven units from 100 to 110"
    assert dict(period.flows) == {WITHOUT_PRICE: D(1_300)}


async def test_what_comes_before_the_first_comparison_is_a_flow_at_its_valuation(book: Book) -> None:
    await book.begin()
    await book.value("10", "100")
    await book.value("13", "100")
    await book.compare("4")
    await book.value("14", "120")
    period = book.period()
    assert dict(period.flows) == {ADJUSTED: D(3 * 100 + 120)}
    assert (period.total.net, period.unexplained) == (D(13 * 20), D(0))


@pytest.mark.parametrize(("has_valuation_between", "is_dated_late"), [(False, False), (True, False), (True, True)])
async def test_a_deposit_listed_after_the_first_comparison_counts_once(
    book: Book, has_valuation_between: bool, is_dated_late: bool
) -> None:
    """Its time may be later than that of the money, and than the valuation that has it already."""
    await book.begin()
    await book.value("10", "100")
    adjusted = await book.compare("3")
    came_ms = book.at_ms + 1
    if has_valuation_between:
        await book.value("13", "100")
    paid = Payment("p", DEPOSIT, "SOL", D(3), None, book.at_ms + 1 if is_dated_late else came_ms)
    await book.journal.record_payments([paid])
    undone = {"key": "spot:SOL", "amount": "-3", "by": "bot", "replaces": adjusted, "reason": "the venue lists it now"}
    await book.journal.record_fact("adjustment", undone)
    await book.value("13", "100")
    period = book.period()
    assert dict(period.flows) == {DEPOSIT: D(300)}
    assert (period.total.net, period.unexplained) == (D(0), D(0))


@pytest.mark.parametrize("is_first_later", [False, True])
async def test_what_differs_of_a_token_that_is_compared_stays_unexplained(book: Book, is_first_later: bool) -> None:
    """From the beginning, or since the valuation after its first comparison, which names what moved before."""
    await book.begin(*(() if is_first_later else ("SOL",)))
    await book.value("10", "100")
    if is_first_later:
        await book.compare("2")
        await book.value("12", "100", HOUR_MS)
    await book.value("13", "100", HOUR_MS)
    unexplained, flows = (D(100), {ADJUSTED: D(200)}) if is_first_later else (D(300), {})
    assert (book.period().unexplained, dict(book.period().flows)) == (unexplained, flows)


async def test_what_differed_while_a_token_was_compared_stays_unexplained_when_it_is_compared_anew(book: Book) -> None:
    """So it is where a paper account begins anew while the market cannot be read."""
    await book.begin("SOL")
    await book.value("10", "100")
    await book.value("12", "100")
    await book.compare("2")
    await book.value("12", "100")
    assert (book.period().unexplained, dict(book.period().flows)) == (D(200), {})


async def test_what_an_operator_accepted_is_a_flow_whatever_the_reason_says(book: Book) -> None:
    await book.begin("SOL")
    await book.value("10", "100")
    payload = {"key": "spot:SOL", "amount": "2", "by": "operator", "reason": FIRST_COMPARED}
    await book.journal.record_fact("adjustment", payload)
    await book.value("12", "100")
    assert (book.period().unexplained, dict(book.period().flows)) == (D(0), {ADJUSTED: D(200)})


async def test_a_first_comparison_and_an_acceptance_each_count_what_the_first_valuation_lacks(book: Book) -> None:
    """The first valuation has three units of SOL that its books lack, and one of UNI. By the next one there is another
    of each. The comparison counts by the sizes of the valuations, the acceptance by what it adds to the first one."""
    await book.begin("UNI")
    await book.value("13", "100", uni="1")
    await book.compare("4")
    await book.accept("spot:UNI", "2")
    await book.value("14", "110", uni="2")
    period = book.period()
    assert dict(period.flows) == {ADJUSTED: D(110 + 10)}
    assert (period.total.net, period.unexplained) == (D(13 * 10), D(0))


@pytest.mark.parametrize("listed", ["never", "of before", "of after"])
async def test_what_is_accepted_of_a_token_after_its_first_comparison_counts_whole(book: Book, listed: str) -> None:
    """Whether the venue lists the deposit of three units later, of before the first valuation or of after it, or never:
    what an operator then accepts of the same token is another matter."""
    await book.begin()
    await book.value("10" if listed == "of after" else "13", "100")
    came_ms = book.at_ms + 1 if listed == "of after" else book.at_ms - HOUR_MS
    adjusted = await book.compare("3")
    await book.value("13", "100")
    if listed != "never":
        await book.journal.record_payments([Payment("p", DEPOSIT, "SOL", D(3), None, came_ms)])
        undone = {"key": "spot:SOL", "amount": "-3", "by": "bot", "replaces": adjusted, "reason": "it is listed now"}
        await book.journal.record_fact("adjustment", undone)
        await book.value("13", "100")
    await book.accept("spot:SOL", "-1")
    await book.value("12", "100")
    period = book.period()
    assert dict(period.flows) == {ADJUSTED: D(-100)} | ({DEPOSIT: D(300)} if listed == "of after" else {})
    assert (period.total.net, period.unexplained) == (D(0), D(0))
