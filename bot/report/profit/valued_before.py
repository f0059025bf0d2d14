"""What adjustments of the books add to the first valuation.

An adjustment makes the books say what the account holds. Where they differed from it already when the account was
valued first, or where a trade or payment of before that is recorded later, the valuation has the account as it was: the
adjustment changes the books back to it, and nothing came in or went out.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from bot.domain.codec import decode
from bot.domain.money import ZERO
from bot.domain.order import Fill
from bot.domain.turn.valuation import Valuation
from bot.execution.books.agreed import BASELINE, CONVERSION
from bot.execution.books.ledger import WALLET, Baseline, Booked, conversion_moves, expected_books
from bot.execution.books.unexplained import ADJUSTMENT, booked_after, counted_trades
from bot.journal.facts import Fact
from bot.journal.reader import JournalReader


def amounts_added(reader: JournalReader, first_seq: int, first: Valuation) -> dict[int, Decimal]:
    """The amount of each adjustment after the first valuation, by its event, less what that valuation shows already.

    Perps are left out: their size and entry are those of each valuation.
    """
    facts = [fact for fact in reader.load_facts_after(ADJUSTMENT, first_seq) if _is_of_balance(fact)]
    baselines = reader.load_facts_after(BASELINE, 0) if facts else ()
    before = [fact for fact in baselines if fact.seq < first_seq]
    if not before:
        return {}
    base = decode(Baseline, before[-1].payload)
    shown = _ShownBefore(first, base, _BooksThen(reader, first_seq, first, base))
    later = [fact for fact in baselines if fact.seq > first_seq]
    result: dict[int, Decimal] = {}
    for fact in sorted((*facts, *later), key=lambda fact: fact.seq):
        if fact.kind == BASELINE:
            shown.begin_anew(decode(Baseline, fact.payload))
        else:
            result[fact.seq] = shown.take_out(fact)
    return result


def _is_of_balance(fact: Fact) -> bool:
    return "entry" not in fact.payload and not fact.payload["key"].startswith("perp:")


class _ShownBefore:
    """By how much the first valuation differs from the books of its moment, less what adjustments have taken of it."""

    def __init__(self, first: Valuation, base: Baseline, books: "_BooksThen") -> None:
        held = {**first.unpriced, **{asset: value.size for asset, value in first.spot.items()}}
        self._cash = f"spot:{first.quote}"
        self._valued = {f"spot:{asset}": size for asset, size in held.items()} | {self._cash: first.cash}
        if not first.is_unified:
            self._valued[WALLET] = first.wallet
        self._keys = {*self._valued, *(f"spot:{asset}" for asset in base.watched)}
        self._books, self._origin_ms = books, base.origin_ms
        self._taken: dict[str, Decimal] = {}

    def take_out(self, fact: Fact) -> Decimal:
        """What an adjustment adds to the valuation. It makes all of its holding agree, but for one that takes another
        back because the venue lists the payment now: that has the amount of the payment."""
        key, amount = fact.payload["key"], Decimal(fact.payload["amount"])
        if key not in self._keys:  # nobody had compared it, nor valued it
            return amount
        shown = self._difference(key, fact.seq)
        if "replaces" in fact.payload:
            shown = ZERO if shown * amount < 0 else min(shown, amount, key=abs)
        self._taken[key] = self._taken.get(key, ZERO) + shown
        return amount - shown

    def begin_anew(self, baseline: Baseline) -> None:
        """Books that begin again, or are rolled forward, have the account's own holdings of what is compared."""
        is_new, self._origin_ms = baseline.origin_ms != self._origin_ms, baseline.origin_ms
        compared = {WALLET, self._cash, *(f"spot:{asset}" for asset in baseline.watched)}
        for key in self._keys if is_new else self._keys & compared:
            self._taken[key] = self._taken.get(key, ZERO) + self._difference(key, baseline.upto_seq)

    def _difference(self, key: str, seq: int) -> Decimal:
        books = self._books.by(seq)
        return self._valued.get(key, ZERO) - books.get(key, ZERO) - self._taken.get(key, ZERO)


class _BooksThen:
    """The books of the first valuation's moment, as later records of trades and payments before it change them."""

    def __init__(self, reader: JournalReader, first_seq: int, first: Valuation, base: Baseline) -> None:
        self._first, self._base = first, base
        counted = counted_trades(reader, 0)
        self._late_fills = [
            (seq, (fill, value))
            for seq, fill, value, order in reader.load_booked_fills()
            if seq > first_seq
            and fill.at_ms <= first.at_ms
            and (order is not None or fill.at_ms > base.origin_ms)
            and (fill.symbol, fill.trade_id) not in counted
        ]
        payments = [(seq, payment) for payment, seq in reader.load_payments_after(base.upto_seq)]
        self._payments = [payment for seq, payment in payments if seq < first_seq]
        self._late_payments = [(seq, one) for seq, one in payments if seq > first_seq and one.at_ms <= first.at_ms]
        self._fills, adjustments = booked_after(reader, base.upto_seq, base.origin_ms, first_seq)
        conversions = (fact for fact in reader.load_facts_after(CONVERSION, base.upto_seq) if fact.seq < first_seq)
        self._adjustments = [*adjustments, *(move for one in conversions for move in conversion_moves(one.payload))]
        self._known: dict[tuple[int, int], Mapping[str, Decimal]] = {}

    def by(self, seq: int) -> Mapping[str, Decimal]:
        """The holdings by all that is recorded up to an event."""
        fills = [booked for recorded, booked in self._late_fills if recorded <= seq]
        payments = [payment for recorded, payment in self._late_payments if recorded <= seq]
        number = len(fills), len(payments)
        if number not in self._known:
            self._known[number] = expected_books(
                self._base,
                _by_time(self._fills, fills),
                [*self._payments, *payments],
                self._adjustments,
                quote=self._first.quote,
                is_unified=self._first.is_unified,
            ).amounts
        return self._known[number]


def _by_time(known: tuple[Booked, ...], late: Iterable[tuple[Fill, Decimal]]) -> list[Booked]:
    """Late trades among those after the last position that was restated: it has all that was before it."""
    restated = max((number for number, booked in enumerate(known, 1) if isinstance(booked, Mapping)), default=0)
    trades = [booked for booked in known[restated:] if not isinstance(booked, Mapping)]
    return [*known[:restated], *sorted((*trades, *late), key=lambda booked: booked[0].at_ms)]
