"""How Bybit names and describes its markets, and which of its rate limits they count against."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument, Kind, multiplier_of
from bot.domain.money import ONE
from bot.domain.symbol import base_of, is_perp, pair_of, settle_of
from bot.venues.ccxt.former import ANY_DIGIT
from bot.venues.ccxt.rows import Row, number, positive

V5 = "v5"
SPOT, LINEAR = "spot", "linear"
_SUFFIX_MULTIPLIER = re.compile(r"[A-Z]+(1000+)")
_DATED = re.compile(r"([A-Z0-9]+)-(\d{1,2}[A-Z]{3}\d{2})")


def category_of(symbol: str) -> str:
    """The venue's word for the kind of market that a symbol is."""
    return LINEAR if is_perp(symbol) else SPOT


class BybitMarkets:
    """Implements `bot.venues.ccxt.profile.MarketRules`."""

    async def fetch_time(self, exchange: Any) -> int:
        return int((await exchange.publicGetV5MarketTime())["time"])

    def instrument(self, market: Row, *, venue: str, leverage_max: Decimal = ONE) -> Instrument:
        """An instrument from a ccxt market and the venue's own filters in its `info`.

        Raises:
            ValueError: the market lacks its price or size grid.
        """
        row = market["info"]
        lot, price = row["lotSizeFilter"], row["priceFilter"]
        perp, base = bool(market.get("swap")), str(market["base"])
        step = number(lot["qtyStep" if perp else "basePrecision"])
        tick = number(price["tickSize"])
        if step <= 0 or tick <= 0:
            raise ValueError(f"{market['symbol']}: the venue lists no price or size grid")
        return Instrument(
            venue=venue,
            symbol=str(market["symbol"]),
            kind=Kind.PERP if perp else Kind.SPOT,
            base=base,
            quote=str(market["quote"]),
            price_tick=tick,
            size_step=step,
            size_min=number(lot["minOrderQty"]),
            notional_min=number(lot.get("minNotionalValue" if perp else "minOrderAmt") or "0"),
            size_max=positive(lot.get("maxLimitOrderQty") or lot.get("maxOrderQty")),
            market_size_max=positive(lot.get("maxMktOrderQty" if perp else "maxMarketOrderQty")),
            multiplier=_multiplier_of(base),
            maker_fee=number(market.get("maker") or "0"),
            taker_fee=number(market.get("taker") or "0"),
            leverage_max=leverage_max if perp else ONE,
            active=bool(market.get("active")),
            venue_symbol=str(market["id"]),
        )

    def limited_market(self, symbol: str) -> str:
        """One address and one account: all limits are of the venue as a whole."""
        del symbol
        return V5

    def venue_symbol(self, symbol: str) -> str:
        if settle_of(symbol) == "USDC":
            return f"{base_of(symbol)}PERP"
        return pair_of(symbol).replace("/", "")

    def symbol_of(self, venue_symbol: str, kind: Kind, quotes: Sequence[str]) -> str:
        """Named by the longest of `quotes` that it ends with; it is never given a currency it does not name."""
        dated = _DATED.fullmatch(venue_symbol)
        pair = dated.group(1) if dated else venue_symbol
        fitting = [quote for quote in quotes if quote and pair[1:].endswith(quote)]
        quote = max(fitting, key=len, default="?")
        base = pair.removesuffix(quote)
        if kind is Kind.PERP and pair.endswith("PERP"):
            base, quote = pair.removesuffix("PERP"), "USDC"
        symbol = f"{base}/{quote}"
        if kind is not Kind.PERP:
            return symbol
        return f"{symbol}:{quote}" + (f"-{_expiry(dated.group(2))}" if dated else "")

    def check_row(self, row: Any) -> None:
        for name in ("symbol", "baseCoin", "quoteCoin"):
            str.strip(row[name])  # TypeError where it is no text: ccxt makes a name of it all the same

    def names_in(self, row: Mapping[str, Any]) -> tuple[str, str]:
        base, quote = row.get("baseCoin") or row.get("symbol"), row.get("quoteCoin")
        symbol = f"{base}/{quote}" + (f":{row['settleCoin']}" if row.get("settleCoin") else "")
        return symbol, str(row.get("symbol") or "")

    def bare_info(self, venue_symbol: str) -> Mapping[str, Any]:
        return {
            "symbol": venue_symbol,
            "priceFilter": {"tickSize": ANY_DIGIT},
            "lotSizeFilter": {"qtyStep": ANY_DIGIT, "basePrecision": ANY_DIGIT, "minOrderQty": ANY_DIGIT},
        }


def _multiplier_of(base: str) -> Decimal:
    """Tokens per base unit: the venue writes the number before the token's name, and behind it for a few."""
    behind = _SUFFIX_MULTIPLIER.fullmatch(base)
    return multiplier_of(base) if behind is None else Decimal(behind.group(1))


def _expiry(text: str) -> str:
    """The day of a dated future as unified symbols write it: 250926 for 26SEP25."""
    return datetime.strptime(text.title(), "%d%b%y").strftime("%y%m%d")  # noqa: DTZ007 - a date, no moment
