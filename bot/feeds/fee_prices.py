"""Prices of the assets that fees were paid in and that are not in the universe, such as a venue's own token."""

from collections.abc import Iterable, Mapping
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

    async def fetch_missing(self, assets: Iterable[str], snapshot: Snapshot, quote: str) -> Mapping[str, Decimal]:
        """Prices in quote by asset; an asset without any is missing."""
        result: dict[str, Decimal] = {}
        for asset in assets:
            symbol = f"{asset}/{quote}"
            price = Decimal(1) if asset == quote else snapshot.price(symbol)
            if price is None:
                price = await self._price(asset, symbol)
            if price is not None:
                result[asset] = price
        return result

    async def _price(self, asset: str, symbol: str) -> Decimal | None:
        now_ms = self._venue.now_ms()
        at_ms, price = self._prices.get(asset, (None, None))
        age_ms = FRESH_MS if at_ms is None else abs(now_ms - at_ms)
        waited_ms = abs(now_ms - self._asked_ms[asset]) if asset in self._asked_ms else ABSENT_MS
        if age_ms >= FRESH_MS and waited_ms >= (FRESH_MS if price is not None else ABSENT_MS):
            self._asked_ms[asset] = now_ms
            try:
                known = await self._venue.fetch_instruments([symbol])
                quotes = await self._venue.fetch_quotes([symbol]) if symbol in known else {}
            except Unavailable:
                self._asked_ms[asset] = now_ms - ABSENT_MS + FRESH_MS  # no answer is not the answer that there is none
                quotes = {}
            if symbol in quotes and quotes[symbol].defect() is None:
                price, age_ms = quotes[symbol].valuation, 0
                self._prices[asset] = (now_ms, price)
        return price if age_ms < KNOWN_MS else None
