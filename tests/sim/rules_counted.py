"""Trades that stay out of the books because somebody had accepted what they moved: they are judged by the exchange."""

from decimal import Decimal
from typing import Any

from bot.domain.money import ZERO
from bot.domain.symbol import base_of, holding_of, is_perp
from bot.execution.another_writer import UNKNOWN_OUTCOME_STATES
from bot.execution.books.agreed import BASELINE, CONVERSION
from bot.execution.books.unexplained import ADJUSTMENT, COUNTED
from bot.journal.facts import Fact
from bot.journal.reader import JournalReader
from bot.ports import FLOWS
from bot.simex.engine.types import ExchangeEvent, SimTrade
from tests.sim.hooks import Rule
from tests.sim.wire import ACCOUNT, engine_number
from tests.sim.world import Life

ALL = 1_000_000
RULE = "a counted trade was accepted"
PART = 10_000  # of a holding: what counts as rounding


class CountedTradesWereAccepted(Rule):
    """A trade that an adjustment counts executed at the exchange before the account was read that was compared; every
    adjustment has the time of such an account; and in the turn that counts a trade, the books without it say what the
    exchange holds.

    The last is not asked of a perp that was held on both sides: an account at the port shows the larger one as the
    whole, so that is what was accepted. At the wire such a perp is unreadable, and no difference of it is compared.

    Nor is it asked in a turn that could not read the holding: the bot believes the books there, locks the instrument
    and cannot know what came or went meanwhile. The trade is judged in the next turn that has read it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._read_ms: dict[int, int] = {}  # the exchange's time of the account that an adjustment takes, by its event
        self._account_ms = 0  # the exchange's time when the account was read last
        self._told_ms: set[int] = set()  # the times that the accounts say themselves
        self._judged_seq = 0
        self._unjudged: list[tuple[str, SimTrade]] = []  # with its holding, which no account has shown since
        self._held: list[tuple[int, str, Decimal]] = []  # what the exchange held in this turn: time, holding, amount

    def at_start_of_life(self, life: Life) -> None:
        cycle: Any = life.app.cycle
        accept, venue = cycle.accept, life.app.venue
        fetch = venue.fetch_account

        async def fetched() -> Any:
            account = await fetch()
            self._account_ms = self.world.now_ms()
            self._told_ms.add(account.at_ms)
            return account

        setattr(venue, "fetch_account", fetched)  # noqa: B010

        async def accepted(**words: str) -> Any:
            try:
                return await accept(**words)
            finally:
                self._note_adjustments()

        cycle.accept = accepted

    def journal_replaced(self) -> None:
        self._read_ms.clear()
        self._judged_seq = 0
        self._unjudged.clear()

    def before_turn(self, life: Life, kind: str) -> None:
        self._note_adjustments()
        self._held = [self._now(symbol) for symbol in self.world.exchange.instruments]

    def on_event(self, event: ExchangeEvent) -> None:
        if event.trade is not None:
            self._held.append(self._now(event.trade.symbol))

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        self._note_adjustments()
        if result is None:
            return
        reader = self.checkers._reader
        for fact in reader.load_facts_after(COUNTED, self._judged_seq):
            self._judged_seq = fact.seq
            if (trade := self._judge_time(fact)) is not None:
                self._unjudged.append((fact.payload["key"], trade))
        account = result.truth.account
        waiting, self._unjudged = self._unjudged, []
        for key, trade in waiting:
            if account.unreadable.keys() & {key, f"{key.partition(':')[0]}:"}:
                self._unjudged.append((key, trade))
                continue
            doubtful = [order for order in reader.load_working() if order.state in UNKNOWN_OUTCOME_STATES]
            moving = {holding_of(order.symbol) for order in (*doubtful, *reader.load_unfilled_reports(0))}
            is_settled = key not in account.unexplained and key not in moving
            is_whole = trade.symbol not in self.world.held_on_both_sides
            if is_whole and is_settled and not reader.load_facts(CONVERSION, 1):
                self._judge_books(key, trade, reader)

    def _judge_time(self, fact: Fact) -> SimTrade | None:
        symbol, number = fact.payload["symbol"], fact.payload["trade_id"]
        trade = self.checkers._trades.get((symbol, engine_number(number)))
        if trade is None:
            self.world.violate(RULE, f"{number} of {symbol} is no trade of the exchange's")
        elif (late_ms := trade.at_ms - self._read_ms[fact.payload["adjustment"]]) > 0:
            self.world.violate(RULE, f"{number} of {symbol} executed {late_ms} ms after it")
        return trade

    def _judge_books(self, key: str, trade: SimTrade, reader: JournalReader) -> None:
        """The books are those of some moment of this turn, after the trade."""
        books = books_of(key, reader)
        self._held.append(self._now(trade.symbol))
        held = [amount for at_ms, name, amount in self._held if name == key and at_ms >= trade.at_ms]
        if all(abs(books - amount) > max(abs(books), abs(amount)) / PART for amount in held):
            self.world.violate(RULE, f"{trade.id} of {trade.symbol}: the books say {books}, the exchange {held[-1]}")

    def _note_adjustments(self) -> None:
        for fact in self.checkers._reader.load_facts_after(ADJUSTMENT, max(self._read_ms, default=0)):
            self._read_ms[fact.seq] = self._account_ms
            if fact.payload["venue_ms"] not in self._told_ms:
                self.world.violate(RULE, f"no account is of the time of adjustment {fact.seq}: {fact.payload}")

    def _now(self, symbol: str) -> tuple[int, str, Decimal]:
        """In hedge mode both sides of a perp: trades of either are in the books."""
        state = self.world.exchange._state
        account = state.account(ACCOUNT)
        if is_perp(symbol):
            held = sum((position.size for _, position in account.sides_of(symbol)), ZERO)
        else:
            held = state.ledger.held(account.spot, base_of(symbol))
        return self.world.now_ms(), holding_of(symbol), held


def books_of(key: str, reader: JournalReader) -> Decimal:
    """What a journal says is held of a token or a perp, by everything since its oldest baseline."""
    first = reader.load_facts(BASELINE, ALL)[-1]
    origin_ms, upto_seq = first.payload["origin_ms"], first.payload["upto_seq"]
    counted = {(one.payload["symbol"], one.payload["trade_id"]) for one in reader.load_facts(COUNTED, ALL)}
    result = Decimal(first.payload["amounts"].get(key, "0"))
    for fill, _ in reader.load_fills_after(upto_seq, origin_ms):
        if (fill.symbol, fill.trade_id) in counted:
            continue
        if holding_of(fill.symbol) == key:
            result += fill.size * fill.side.sign
        if key == f"spot:{fill.fee_asset}":
            result -= fill.fee
    for fact in reader.load_facts_after(ADJUSTMENT, upto_seq):
        result += Decimal(fact.payload["amount"]) if fact.payload["key"] == key else ZERO
    for payment, _ in reader.load_payments_after(upto_seq):
        is_flow = payment.kind in FLOWS and payment.at_ms > origin_ms
        result += payment.amount if is_flow and key == f"spot:{payment.asset}" else ZERO
    return result


RULES = (CountedTradesWereAccepted,)
