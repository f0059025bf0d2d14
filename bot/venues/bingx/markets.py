"""How BingX names and describes its markets, and which of its rate limits they count against."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument, Kind, multiplier_of
from bot.domain.money import ONE
from bot.domain.symbol import base_of, quote_of
from bot.venues.ccxt.former import ANY_DIGIT
from bot.venues.ccxt.rows import Row, number, positive

ALL = "bingx"
RENAMED: Mapping[str, str] = {
    "SNOW": "Snowman",
    "OMNI": "OmniCat",
    "NAP": "$NAP",
    "TRUMP": "TRUMPMAGA",
    "TRUMPSOL": "TRUMP",
}
"""Names under which the venue lists another token than has the name elsewhere, and what ccxt calls that token."""
_OWN_NAMES = {ours: theirs for theirs, ours in RENAMED.items()}


def asset_of(venue_name: str) -> str:
    """The asset that a venue's name stands for."""
    return RENAMED.get(venue_name, venue_name)


class BingxMarkets:
    """Implements `bot.venues.ccxt.profile.MarketRules`."""

    async def fetch_time(self, exchange: Any) -> int:
        return int((await exchange.swapV2PublicGetServerTime())["data"]["serverTime"])

    def instrument(self, market: Row, *, venue: str, leverage_max: Decimal = ONE) -> Instrument:
        """An instrument from a ccxt market and the venue's own row in its `info`. Orders and positions of perps count
        coins; the contracts in which its books and fills can count are not used.

        Raises:
            ValueError: the market lacks its price or size grid.
        """
        row = market["info"]
        perp, base = bool(market.get("swap")), str(market["base"])
        step = _grid(row, "quantityPrecision") if perp else number(row["stepSize"])
        tick = _grid(row, "pricePrecision") if perp else number(row["tickSize"])
        if step <= 0 or tick <= 0:
            raise ValueError(f"{market['symbol']}: the venue lists no price or size grid")
        smallest = positive(row.get("tradeMinQuantity" if perp else "minQty")) or step
        return Instrument(
            venue=venue,
            symbol=str(market["symbol"]),
            kind=Kind.PERP if perp else Kind.SPOT,
            base=base,
            quote=str(market["quote"]),
            price_tick=tick,
            size_step=step,
            size_min=max(step, smallest),
            notional_min=number(row.get("tradeMinUSDT" if perp else "minNotional") or "0"),
            size_max=None if perp else positive(row.get("maxQty")),
            multiplier=multiplier_of(base),
            maker_fee=number(market.get("maker") or "0"),
            taker_fee=number(market.get("taker") or "0"),
            leverage_max=_leverage(row, leverage_max) if perp else ONE,
            active=bool(market.get("active")),
            venue_symbol=str(market["id"]),
        )

    def limited_market(self, symbol: str) -> str:
        """One address and one account: all limits are of the venue as a whole."""
        del symbol
        return ALL

    def venue_symbol(self, symbol: str) -> str:
        """The name that the venue would have for it; one that the venue has given to another token names none."""
        base = base_of(symbol)
        own = _OWN_NAMES.get(base) or (f"?{base}" if base in RENAMED else base)
        return f"{own}-{quote_of(symbol)}"

    def symbol_of(self, venue_symbol: str, kind: Kind, quotes: Sequence[str]) -> str:
        """Named by its two parts; it is never given a currency it does not name."""
        base, _, named = venue_symbol.rpartition("-")
        quote = named if named in quotes else "?"
        symbol = f"{asset_of(base or named)}/{quote}"
        return f"{symbol}:{quote}" if kind is Kind.PERP else symbol

    def check_row(self, row: Any) -> None:
        base, quote = str.split(row["symbol"], "-")  # ValueError where it does not name two
        if not base or not quote:
            raise ValueError(f"{row['symbol']!r} names no market")

    def names_in(self, row: Mapping[str, Any]) -> tuple[str, str]:
        name = str(row.get("symbol") or "")
        settled = f":{row['currency']}" if row.get("currency") else ""
        return name.replace("-", "/") + settled, name

    def bare_info(self, venue_symbol: str) -> Mapping[str, Any]:
        digits = len(ANY_DIGIT.partition(".")[2])
        return {
            "symbol": venue_symbol,
            "stepSize": ANY_DIGIT,
            "tickSize": ANY_DIGIT,
            "quantityPrecision": digits,
            "pricePrecision": digits,
        }


def _leverage(row: Row, fallback: Decimal) -> Decimal:
    """What a perp allows on either side."""
    sides = [positive(row.get(name)) for name in ("maxLongLeverage", "maxShortLeverage")]
    return min((one for one in sides if one is not None), default=fallback)


def _grid(row: Row, name: str) -> Decimal:
    """The unit of the last digit. Raises ValueError where the row does not say how many there are."""
    digits = int(str(row[name]))
    if not 0 <= digits <= 18:
        raise ValueError(f"{name} is {digits}")
    return Decimal(1).scaleb(-digits)
