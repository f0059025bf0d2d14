"""Binance's public trades. The market has no tape: each second of its path is one trade, numbered by its time.

So ids rise without gaps, are the same whenever they are asked for, and `fromId` and times name the same trades.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import floor_to
from bot.simex.dialects.binance.common import ApiError, Call, Route, Security, fixed, public, times, venue_symbol
from bot.simex.dialects.binance.spot_market import price_text, size_text

EVERY_MS = 1_000


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """One trade of the tape."""

    id: int
    price: Decimal
    size: Decimal
    at_ms: int
    is_buyer_maker: bool


def tape(call: Call, instrument: Instrument, first_ms: int, last_ms: int, limit: int) -> Iterator[PublicTrade]:
    """Trades of [first, last], oldest first, at most `limit`."""
    listed_ms = call.exchange.listed_ms(instrument.symbol)
    start_ms = -(-max(first_ms, listed_ms, EVERY_MS) // EVERY_MS) * EVERY_MS
    last_ms = min(last_ms, call.now_ms)
    if start_ms > last_ms:
        return
    series = call.exchange.candles(instrument.symbol, EVERY_MS, start_ms, last_ms, limit)
    tick, step = instrument.price_tick, instrument.size_step
    before = series.opens[0] if series.opens else 0.0
    for at_ms, price, quote in zip(series.starts_ms, series.opens, series.volumes_quote, strict=True):
        on_tick = max(tick, round(Decimal(repr(price)) / tick) * tick)
        size = max(step, floor_to(Decimal(repr(quote)) / (on_tick * instrument.contract_size), step))
        yield PublicTrade(at_ms // EVERY_MS, on_tick, size, at_ms, price < before)
        before = price


def latest(call: Call, instrument: Instrument, limit: int) -> list[PublicTrade]:
    """The newest trades up to now, oldest first."""
    return list(tape(call, instrument, call.now_ms - limit * EVERY_MS + 1, call.now_ms, limit))


def trades(call: Call) -> list[Mapping[str, Any]]:
    instrument = call.instrument()
    return [trade_row(instrument, trade) for trade in latest(call, instrument, call.params.limit(500, 1000))]


def historical_trades(call: Call) -> list[Mapping[str, Any]]:
    """From `fromId` up, or the latest."""
    instrument, limit = call.instrument(), call.params.limit(100 if call.kind is Kind.PERP else 500, 1000)
    first = call.params.maybe_integer("fromId")
    if first is None:
        return [trade_row(instrument, trade) for trade in latest(call, instrument, limit)]
    return [trade_row(instrument, t) for t in tape(call, instrument, _ms_of(first), call.now_ms, limit)]


def agg_trades(call: Call) -> list[Mapping[str, Any]]:
    """From `fromId` up, or between the times, or the latest.

    Raises:
        ApiError: both a number and a time to begin with were sent.
    """
    instrument, limit = call.instrument(), call.params.limit(500, 1000)
    first = call.params.maybe_integer("fromId")
    start_ms, end_ms = times(call, HOUR_MS if call.kind is Kind.PERP else None)
    if first is not None:
        if start_ms is not None or "endTime" in call.params:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        result = list(tape(call, instrument, _ms_of(first), call.now_ms, limit))
    elif start_ms is not None:
        result = list(tape(call, instrument, start_ms, end_ms, limit))
    else:
        last_ms = min(end_ms, call.now_ms)
        result = list(tape(call, instrument, last_ms - limit * EVERY_MS + 1, last_ms, limit))
    return [agg_row(instrument, trade) for trade in result]


def _ms_of(number: int) -> int:
    return min(number, 10**13) * EVERY_MS


def trade_row(instrument: Instrument, trade: PublicTrade) -> dict[str, Any]:
    """A public trade."""
    quote = instrument.notional(trade.size, trade.price)
    own: dict[str, Any] = {"isBestMatch": True} if instrument.kind is Kind.SPOT else {"isRPITrade": False}
    return {
        "id": trade.id,
        "price": price_text(instrument, trade.price),
        "qty": size_text(instrument, trade.size),
        "quoteQty": fixed(quote) if instrument.kind is Kind.SPOT else fixed(quote, Decimal("0.01")),
        "time": trade.at_ms,
        "isBuyerMaker": trade.is_buyer_maker,
        **own,
    }


def agg_row(instrument: Instrument, trade: PublicTrade) -> dict[str, Any]:
    """A public trade as an aggregated one: each is of one trade."""
    own: dict[str, Any] = {"M": True} if instrument.kind is Kind.SPOT else {"nq": size_text(instrument, trade.size)}
    return {
        "a": trade.id,
        "p": price_text(instrument, trade.price),
        "q": size_text(instrument, trade.size),
        "f": trade.id,
        "l": trade.id,
        "T": trade.at_ms,
        "m": trade.is_buyer_maker,
        **own,
    }


def name_of(instrument: Instrument) -> str:
    """The stream's name of a symbol."""
    return venue_symbol(instrument).lower()


TRADE_ROUTES_SPOT: tuple[Route, ...] = (
    public("/api/v3/trades", trades, 25),
    public("/api/v3/historicalTrades", historical_trades, 25),
    public("/api/v3/aggTrades", agg_trades, 4),
)
TRADE_ROUTES_USDM: tuple[Route, ...] = (
    public("/fapi/v1/trades", trades, 5),
    Route("GET", "/fapi/v1/historicalTrades", historical_trades, Security.KEY, 20),
    public("/fapi/v1/aggTrades", agg_trades, 20),
)
