"""How WEEX names and describes its markets."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument, Kind, multiplier_of
from bot.domain.money import ONE
from bot.domain.symbol import pair_of
from bot.venues.ccxt.errors import ReadRefused
from bot.venues.ccxt.former import ANY_DIGIT
from bot.venues.ccxt.rows import Row, number, positive

ALL = "weex"
LEAST_VALUE = Decimal(5)
"""Least value of an order, quote. The venue names none; an order below it is not sent."""


_OPEN_LISTS = (("publicGetApiV3ApiTradingSymbols", False), ("contractGetCapiV3MarketApiTradingSymbols", True))


async def mark_closed(connection: Any, markets: Mapping[str, Any]) -> None:
    """Make the markets inactive that the API may not trade: an order there is refused, after its other leg was traded.

    A list that is refused, is none, or has none of the markets says nothing: they stay as they are.
    """
    for method, is_perp in _OPEN_LISTS:
        ours = [market for market in markets.values() if bool(market.get("swap")) is is_perp]
        if not ours:
            continue
        try:
            listed = await connection.read(getattr(connection.exchange, method))
        except ReadRefused:
            continue
        named = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
        if any(market["id"] in named for market in ours):
            for market in ours:
                market["active"] = bool(market.get("active")) and market["id"] in named


class WeexMarkets:
    """Implements `bot.venues.ccxt.profile.MarketRules`."""

    async def fetch_time(self, exchange: Any) -> int:
        return int((await exchange.publicGetApiV3Time())["serverTime"])

    def instrument(self, market: Row, *, venue: str, leverage_max: Decimal = ONE) -> Instrument:
        """An instrument from a ccxt market and the venue's own row in its `info`. Sizes count coins everywhere: what
        the row calls the value of a contract is not used.

        Raises:
            ValueError: the market lacks its price or size grid.
        """
        row = market["info"]
        perp, base = bool(market.get("swap")), str(market["base"])
        step = _grid(row, "quantityPrecision") if perp else number(row["stepSize"])
        tick = _grid(row, "pricePrecision") if perp else number(row["tickSize"])
        if step <= 0 or tick <= 0:
            raise ValueError(f"{market['symbol']}: the venue lists no price or size grid")
        smallest = positive(row.get("minOrderSize" if perp else "minTradeAmount")) or step
        return Instrument(
            venue=venue,
            symbol=str(market["symbol"]),
            kind=Kind.PERP if perp else Kind.SPOT,
            base=base,
            quote=str(market["quote"]),
            price_tick=tick,
            size_step=step,
            size_min=max(step, smallest),
            notional_min=LEAST_VALUE,
            size_max=positive(row.get("maxOrderSize" if perp else "maxTradeAmount")),
            market_size_max=positive(row.get("marketOpenLimitSize")) if perp else None,
            multiplier=multiplier_of(base),
            maker_fee=number(row.get("makerFeeRate") or market.get("maker") or "0"),
            taker_fee=number(row.get("takerFeeRate") or market.get("taker") or "0"),
            leverage_max=min(leverage_max, positive(row.get("maxLeverage")) or ONE) if perp else ONE,
            active=bool(market.get("active")),
            venue_symbol=str(market["id"]),
        )

    def limited_market(self, symbol: str) -> str:
        """One address and one account: all limits are of the venue as a whole."""
        del symbol
        return ALL

    def venue_symbol(self, symbol: str) -> str:
        return pair_of(symbol).replace("/", "")

    def symbol_of(self, venue_symbol: str, kind: Kind, quotes: Sequence[str]) -> str:
        """Named by the longest of `quotes` that it ends with; it is never given a currency it does not name."""
        fitting = [quote for quote in quotes if quote and venue_symbol[1:].endswith(quote)]
        quote = max(fitting, key=len, default="?")
        symbol = f"{venue_symbol.removesuffix(quote)}/{quote}"
        return f"{symbol}:{quote}" if kind is Kind.PERP else symbol

    def check_row(self, row: Any) -> None:
        for name in ("symbol", "baseAsset", "quoteAsset"):
            str.strip(row[name])  # TypeError where it is no text: ccxt makes a name of it all the same

    def names_in(self, row: Mapping[str, Any]) -> tuple[str, str]:
        base, quote = row.get("baseAsset") or row.get("symbol"), row.get("quoteAsset")
        symbol = f"{base}/{quote}" + (f":{row['marginAsset']}" if row.get("marginAsset") else "")
        return symbol, str(row.get("symbol") or "")

    def bare_info(self, venue_symbol: str) -> Mapping[str, Any]:
        digits = len(ANY_DIGIT.partition(".")[2])
        return {
            "symbol": venue_symbol,
            "stepSize": ANY_DIGIT,
            "tickSize": ANY_DIGIT,
            "quantityPrecision": digits,
            "pricePrecision": digits,
        }


def _grid(row: Row, name: str) -> Decimal:
    """The unit of the last digit. Raises ValueError where the row does not say how many there are."""
    digits = int(str(row[name]))
    if not 0 <= digits <= 18:
        raise ValueError(f"{name} is {digits}")
    return Decimal(1).scaleb(-digits)
