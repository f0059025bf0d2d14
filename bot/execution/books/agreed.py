"""The baseline of the books: written when account and journal agree, and rolled forward once a day."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from bot.domain.codec import decode, encode
from bot.domain.durations import DAY_MS
from bot.domain.money import ZERO
from bot.domain.portfolio import Account
from bot.execution.books.ledger import Baseline, Books, conversion_moves, expected_books, holdings
from bot.execution.books.unexplained import ADJUSTMENT, COUNTED, booked_after
from bot.journal.answers import ORDERS, PAYMENTS
from bot.journal.journal import Journal

BASELINE, CONVERSION, WATCHED = "baseline", "conversion", "watched"
BASELINE_AGE_MS = DAY_MS


class AgreedBooks:
    """The newest baseline, which assets are compared, and what the books expect since.

    Only this object writes either of them; both are read many times in a settlement, and rarely change.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known_baseline: Baseline | None = None
        self._known_watched: tuple[str, ...] | None = None
        self._known_books: tuple[Any, Books] | None = None

    def baseline(self) -> Baseline | None:
        """The newest one; None in a journal that has none yet."""
        if self._known_baseline is None:
            facts = self._journal.reader.load_facts(BASELINE, limit=1)
            self._known_baseline = decode(Baseline, facts[0].payload) if facts else None
        return self._known_baseline

    def watched(self, baseline: Baseline) -> tuple[str, ...]:
        """Spot assets that are compared: those of the baseline and those added since."""
        if self._known_watched is None:
            facts = self._journal.reader.load_facts_after(WATCHED, baseline.upto_seq)
            assets = (asset for fact in facts for asset in fact.payload["assets"])
            self._known_watched = (*baseline.watched, *assets)
        return self._known_watched

    def expected(self, baseline: Baseline, account: Account) -> tuple[Books, int]:
        """(books, number of the newest event that is in them)."""
        reader, seq = self._journal.reader, baseline.upto_seq
        upto = reader.count_events()
        state = reader.state(*ORDERS, *PAYMENTS, ADJUSTMENT, COUNTED, CONVERSION, BASELINE)
        requested = (state, seq, account.quote, account.is_unified)
        if state is not None and self._known_books is not None and self._known_books[0] == requested:
            return self._known_books[1], upto
        fills, adjustments = booked_after(reader, seq, baseline.origin_ms)
        books = expected_books(
            baseline,
            fills,
            [payment for payment, _ in reader.load_payments_after(seq)],
            [
                *adjustments,
                *(move for fact in reader.load_facts_after(CONVERSION, seq) for move in conversion_moves(fact.payload)),
            ],
            quote=account.quote,
            is_unified=account.is_unified,
        )
        self._known_books = requested, books
        return books, upto

    async def record_watched(self, assets: Sequence[str]) -> None:
        """Compare these spot assets as well from now on."""
        try:
            await self._journal.record_fact(WATCHED, {"assets": assets})
        finally:  # a deadline may end the wait, and it is written all the same
            self._known_watched = None

    def is_due(self, account: Account, baseline: Baseline) -> bool:
        """Whether the books may start afresh: once a day, while no order works and every row can be read."""
        if account.at_ms - baseline.agreed_ms < BASELINE_AGE_MS:
            return False
        return not account.unreadable and not self._journal.reader.load_working()

    async def roll(self, account: Account, baseline: Baseline) -> None:
        """Start the books afresh from a moment of agreement; rounding ends here, where it is bounded."""
        books, upto = self.expected(baseline, account)
        actual = holdings(account)
        compared = {key for key in {*books.amounts, *actual} if _is_compared(key, self.watched(baseline), account)}
        keys = {*books.amounts, *actual}
        amounts = {key: (actual if key in compared else books.amounts).get(key, ZERO) for key in keys}
        entries = {s: e for s, e in books.entries.items() if amounts.get(f"perp:{s}", ZERO) != 0}
        await self.write(amounts, account, baseline.origin_ms, upto, self.watched(baseline), entries)

    async def write(
        self,
        amounts: dict[str, Decimal],
        account: Account,
        origin_ms: int,
        upto_seq: int,
        watched: tuple[str, ...],
        entries: dict[str, Decimal] | None = None,
    ) -> None:
        """Record a baseline.

        Args:
            entries: entry price of each perp by the books; None takes those of the account.
        """
        if entries is None:
            entries = {symbol: position.entry_price for symbol, position in account.positions.items()}
        baseline = Baseline(amounts, entries, origin_ms, account.at_ms, upto_seq, watched)
        try:
            await self._journal.record_fact(BASELINE, encode(baseline))
        finally:
            self._known_baseline = self._known_watched = None


def _is_compared(key: str, watched: Sequence[str], account: Account) -> bool:
    return not key.startswith("spot:") or key.removeprefix("spot:") in (account.quote, *watched)
