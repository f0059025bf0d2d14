"""Prices of the assets that fees were paid in and that are not in the universe, such as a venue's own token."""

from collections.abc import Collection, Mapping
from decimal import Decimal

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import Snapshot
from bot.ports import MarketData, Unavailable

FRESH_MS, KNOWN_MS, ABSENT_MS = 600_000, DAY_MS, HOUR_MS


class FeePrices:
    """Asks the venue's market of an asset against the quote, at most every ten minutes. A price counts for a day, which
    is as long as the budget it is used for; an asset without a market is asked for again after an hour."""

    def __init__(self, venue: MarketData) -> None:
        self._venue = venue
        self._prices: dict[str, tuple[int, Decimal]] = {}
        self._asked_ms: dict[str, int] = {}

    async def fetch_missing(self, assets: Collection[str], snapshot: Snapshot, quote: str) -> Mapping[str, Decimal]:
        """Prices in quote by asset; an asset without any is missing."""
        for asset in assets:
            if asset != quote and snapshot.price(f"{asset}/{quote}") is None:
                await self._ask_if_due(asset, f"{asset}/{quote}")
        return self.known(assets, snapshot, quote)

    def known(self, assets: Collection[str], snapshot: Snapshot, quote: str) -> Mapping[str, Decimal]:
        """The same without a question: the prices of the snapshot, and those of earlier answers."""
        result: dict[str, Decimal] = {}
        for asset in assets:
            price = Decimal(1) if asset == quote else snapshot.price(f"{asset}/{quote}")
            if price is None and asset in self._prices:
                at_ms, answered = self._prices[asset]
                price = answered if abs(self._venue.now_ms() - at_ms) < KNOWN_MS else None
            if price is not None:
                result[asset] = price
        return result

    async def _ask_if_due(self, asset: str, symbol: str) -> None:
        now_ms = self._venue.now_ms()
        at_ms, price = self._prices.get(asset, (None, None))
        age_ms = FRESH_MS if at_ms is None else abs(now_ms - at_ms)
        waited_ms = abs(now_ms - self._asked_ms[asset]) if asset in self._asked_ms else ABSENT_MS
        if age_ms < FRESH_MS or waited_ms < (FRESH_MS if price is not None else ABSENT_MS):
            return
        self._asked_ms[asset] = now_ms
        try:
            known = await self._venue.fetch_instruments([symbol])
            quotes = await self._venue.fetch_quotes([symbol]) if symbol in known else {}
        except Unavailable:
            self._asked_ms[asset] = now_ms - ABSENT_MS + FRESH_MS  # no answer is not the answer that there is none
            quotes = {}
        if symbol in quotes and quotes[symbol].defect() is None:
            self._prices[asset] = (now_ms, quotes[symbol].valuation)
