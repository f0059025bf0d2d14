"""How Binance names and describes its markets, and which of its rate limits they count against."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument, Kind, multiplier_of
from bot.domain.money import ONE
from bot.domain.symbol import expiry_of, is_perp, pair_of
from bot.venues.ccxt.former import ANY_DIGIT
from bot.venues.ccxt.rows import Row, number, positive

SPOT, USDM = "spot", "usdm"


class BinanceMarkets:
    """Implements `bot.venues.ccxt.profile.MarketRules`."""

    async def fetch_time(self, exchange: Any) -> int:
        return int((await exchange.publicGetTime())["serverTime"])

    def instrument(self, market: Row, *, venue: str, leverage_max: Decimal = ONE) -> Instrument:
        """An instrument from a ccxt market and the venue's own filters in its `info`.

        Raises:
            ValueError: when the market lacks its price or size grid.
        """
        filters = {row["filterType"]: row for row in market["info"].get("filters", ())}
        if "PRICE_FILTER" not in filters or "LOT_SIZE" not in filters:
            raise ValueError(f"{market['symbol']}: the venue lists no price or size grid")
        lot, notional = filters["LOT_SIZE"], filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
        perp = bool(market.get("swap"))
        base = str(market["base"])
        return Instrument(
            venue=venue,
            symbol=str(market["symbol"]),
            kind=Kind.PERP if perp else Kind.SPOT,
            base=base,
            quote=str(market["quote"]),
            price_tick=number(filters["PRICE_FILTER"]["tickSize"]),
            size_step=number(lot["stepSize"]),
            size_min=number(lot["minQty"]),
            notional_min=number(notional.get("minNotional", notional.get("notional", "0"))),
            size_max=positive(lot.get("maxQty")),
            market_size_max=positive(filters.get("MARKET_LOT_SIZE", {}).get("maxQty")),
            contract_size=number(market.get("contractSize") or "1"),
            multiplier=multiplier_of(base),
            maker_fee=number(market.get("maker") or "0"),
            taker_fee=number(market.get("taker") or "0"),
            leverage_max=leverage_max if perp else ONE,
            active=bool(market.get("active")),
            venue_symbol=str(market["id"]),
        )

    def limited_market(self, symbol: str) -> str:
        return USDM if is_perp(symbol) else SPOT

    def venue_symbol(self, symbol: str) -> str:
        expiry = expiry_of(symbol)
        return pair_of(symbol).replace("/", "") + (f"_{expiry}" if expiry else "")

    def symbol_of(self, venue_symbol: str, kind: Kind, quotes: Sequence[str]) -> str:
        """Named by the longest of `quotes` that it ends with; it is never given a currency it does not name."""
        pair, _, expiry = venue_symbol.partition("_")
        fitting = [quote for quote in quotes if quote and pair[1:].endswith(quote)]
        quote = max(fitting, key=len, default="?")
        symbol = f"{pair.removesuffix(quote)}/{quote}"
        if kind is not Kind.PERP:
            return symbol
        return f"{symbol}:{quote}-{expiry}" if expiry else f"{symbol}:{quote}"

    def check_row(self, row: Any) -> None:
        for name in ("symbol", "baseAsset", "quoteAsset"):
            str.strip(row[name])  # TypeError where it is no text: ccxt makes a name of it all the same

    def names_in(self, row: Mapping[str, Any]) -> tuple[str, str]:
        base, quote = row.get("baseAsset") or row.get("symbol"), row.get("quoteAsset")
        symbol = f"{base}/{quote}" + (f":{row['marginAsset']}" if row.get("marginAsset") else "")
        return symbol, str(row.get("symbol") or "")

    def bare_info(self, venue_symbol: str) -> Mapping[str, Any]:
        return {
            "symbol": venue_symbol,
            "orderTypes": ["LIMIT", "MARKET", "STOP_MARKET", "TAKE_PROFIT_MARKET"],
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": ANY_DIGIT},
                {"filterType": "LOT_SIZE", "stepSize": ANY_DIGIT, "minQty": ANY_DIGIT},
            ],
        }
