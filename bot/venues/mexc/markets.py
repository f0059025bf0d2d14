"""How MEXC names and describes its markets, and which of its rate limits they count against.

Perps count contracts at the venue: of BTC 0.0001 coins, of PEPE ten million. Here their sizes are coins: whatever is
sent or read is converted by `contract_of` in this folder and nowhere else.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument, Kind, multiplier_of
from bot.domain.money import ONE, ZERO
from bot.domain.symbol import base_of, is_perp, quote_of
from bot.venues.ccxt.errors import ReadRefused
from bot.venues.ccxt.former import ANY_DIGIT
from bot.venues.ccxt.rows import Row, number, positive

SPOT, PERP = "spot", "perp"
RENAMED: Mapping[str, str] = {
    "BEYONDPROTOCOL": "BEYOND",
    "BIFI": "BIFIF",
    "BYN": "BEYONDFI",
    "COFI": "COFIX",
    "DFI": "DFISTARTER",
    "DFT": "DFUTURE",
    "EGC": "EGORASCREDIT",
    "FLUX1": "FLUX",
    "FLUX": "FLUX1",
    "FREE": "FREEROSSDAO",
    "GAS": "GASDAO",
    "GASNEO": "GAS",
    "GMT": "GMTTOKEN",
    "STEPN": "GMT",
    "HERO": "STEPHERO",
    "MIMO": "MIMOSA",
    "PROS": "PROSFINANCE",
    "SIN": "SINCITYTOKEN",
    "SOUL": "SOULSWAP",
}
"""Names under which the venue lists another token than has the name elsewhere, and what ccxt calls that token."""
UNBOUND = "isUnbound"  # in a pair's row, where the API key may not trade it; the file of instruments keeps it
_OWN_NAMES = {ours: theirs for theirs, ours in RENAMED.items()}


def asset_of(venue_name: str) -> str:
    """The asset that a venue's name stands for."""
    return RENAMED.get(venue_name, venue_name)


def contract_of(market: Row) -> Decimal:
    """Coins in a contract of a perp.

    Raises:
        ValueError: the market does not say it.
    """
    found = positive(market["info"].get("contractSize"))
    if found is None:
        raise ValueError(f"{market['symbol']}: the venue lists no contract size")
    return found


async def mark_closed(connection: Any, markets: Mapping[str, Any]) -> None:
    """Make the spot pairs inactive that the API key may not trade: an order there is refused, after its other leg was
    traded.

    Without a key nothing is asked. A list that is refused, is none, or has none of the pairs says nothing.
    """
    pairs = [market for market in markets.values() if not market.get("swap")]
    if not pairs or not connection.has_keys or Kind.SPOT not in connection.environment.kinds:
        return
    try:
        answer = await connection.read(connection.exchange.spotPrivateGetSelfSymbols)
    except ReadRefused:
        return
    listed = answer.get("data") if isinstance(answer, Mapping) else None
    bound = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
    if not any(market["id"] in bound for market in pairs):
        return
    for market in pairs:
        if market["id"] not in bound:
            market["active"] = False
            market["info"][UNBOUND] = True


def why_unbound(market: Any) -> str:
    """Why the API key may not trade a pair, as a sentence; empty where nothing speaks against it."""
    if not isinstance(market, Mapping) or not market["info"].get(UNBOUND):
        return ""
    return (
        f"the API key may not trade {market['symbol']}: add {market['id']} to the key's pairs at mexc.com, API "
        "management, or take the token out of the sectors"
    )


class MexcMarkets:
    """Implements `bot.venues.ccxt.profile.MarketRules`."""

    async def fetch_time(self, exchange: Any) -> int:
        return int((await exchange.spotPublicGetTime())["serverTime"])

    def instrument(self, market: Row, *, venue: str, leverage_max: Decimal = ONE) -> Instrument:
        """An instrument from a ccxt market and the venue's own row in its `info`; sizes of perps in coins.

        Raises:
            ValueError: the market lacks its price or size grid.
        """
        row = market["info"]
        perp, base = bool(market.get("swap")), str(market["base"])
        grid = _perp_grid(market) if perp else _spot_grid(row)
        tick, step, smallest, least, largest = grid
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
            size_min=max(step, smallest),
            notional_min=least,
            size_max=largest,
            multiplier=multiplier_of(base),
            maker_fee=number(market.get("maker") or "0"),
            taker_fee=number(market.get("taker") or "0"),
            leverage_max=(positive(row.get("maxLeverage")) or leverage_max) if perp else ONE,
            active=bool(market.get("active"))
            and (row.get("apiAllowed") is True if perp else _takes_market_orders(row)),
            venue_symbol=str(market["id"]),
        )

    def limited_market(self, symbol: str) -> str:
        """Each endpoint has a limit of its own; spot and perps share none."""
        return PERP if is_perp(symbol) else SPOT

    def venue_symbol(self, symbol: str) -> str:
        """The name that the venue would have for it; one that the venue has given to another token names none."""
        base = base_of(symbol)
        own = _OWN_NAMES.get(base) or (f"?{base}" if base in RENAMED else base)
        return f"{own}{'_' if is_perp(symbol) else ''}{quote_of(symbol)}"

    def symbol_of(self, venue_symbol: str, kind: Kind, quotes: Sequence[str]) -> str:
        """Named by its two parts; it is never given a currency it does not name."""
        if kind is Kind.PERP:
            base, _, named = venue_symbol.rpartition("_")
            quote = named if named in quotes else "?"
            return f"{asset_of(base or named)}/{quote}:{quote}"
        quote = max((q for q in quotes if q and venue_symbol.endswith(q)), key=len, default="?")
        base = venue_symbol.removesuffix(quote)
        return f"{asset_of(base) if base else venue_symbol}/{quote}"

    def check_row(self, row: Any) -> None:
        names = ("symbol", "baseCoin", "quoteCoin") if "baseCoin" in row else ("symbol", "baseAsset", "quoteAsset")
        for name in names:
            if not isinstance(row[name], str) or not row[name]:
                raise TypeError(f"{name} is {row[name]!r}")

    def names_in(self, row: Mapping[str, Any]) -> tuple[str, str]:
        base, quote = (row.get(f"{part}Coin") or row.get(f"{part}Asset") or "" for part in ("base", "quote"))
        settled = f":{row['settleCoin']}" if row.get("settleCoin") else ""
        return f"{asset_of(str(base))}/{quote}{settled}", str(row.get("symbol") or "")

    def bare_info(self, venue_symbol: str) -> Mapping[str, Any]:
        digits = len(ANY_DIGIT.partition(".")[2])
        return {
            "symbol": venue_symbol,
            "baseSizePrecision": ANY_DIGIT,
            "baseAssetPrecision": digits,
            "quotePrecision": digits,
            "priceUnit": ANY_DIGIT,
            "isBare": True,
        }


_Grid = tuple[Decimal, Decimal, Decimal, Decimal, Decimal | None]
"""Price tick, size step, least size, least value, largest size."""


def _spot_grid(row: Row) -> _Grid:
    """The step is at least the last digit that the base asset has: `baseSizePrecision` may be 0."""
    step = max(number(row["baseSizePrecision"]), _unit(row, "baseAssetPrecision"))
    values = (row.get("quoteAmountPrecision"), row.get("quoteAmountPrecisionMarket"))
    least = max((found for value in values if (found := positive(value)) is not None), default=ZERO)
    return _unit(row, "quotePrecision"), step, step, least, None


def _perp_grid(market: Row) -> _Grid:
    """In coins. The venue states no least value of a perp's order."""
    row = market["info"]
    if row.get("isBare"):  # nothing is known of it: what would be sent or read of it cannot be counted (`contract_of`)
        return Decimal(ANY_DIGIT), Decimal(ANY_DIGIT), Decimal(ANY_DIGIT), ZERO, None
    contract = contract_of(market)
    step = contract * (positive(row.get("volUnit")) or ONE)
    smallest = contract * (positive(row.get("minVol")) or ONE)
    largest = positive(row.get("maxVol"))
    return number(row["priceUnit"]), step, smallest, ZERO, None if largest is None else largest * contract


def _takes_market_orders(row: Row) -> bool:
    """Whether a pair takes orders without a price. A row that does not list its types is not held against the pair."""
    types = row.get("orderTypes")
    return not isinstance(types, Sequence) or "MARKET" in types


def _unit(row: Row, name: str) -> Decimal:
    """The unit of the last digit. Raises ValueError where the row does not say how many there are."""
    digits = int(str(row[name]))
    if not 0 <= digits <= 18:
        raise ValueError(f"{name} is {digits}")
    return Decimal(1).scaleb(-digits)
