"""Binance USDⓈ-M statistics and one-line reads that clients ask at their start."""

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

from bot.domain.durations import MINUTE_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import ONE, ZERO
from bot.simex.dialects.binance.common import (
    INTERVALS_MS,
    SATOSHI,
    ApiError,
    Call,
    Route,
    fixed,
    public,
    times,
    venue_symbol,
)
from bot.simex.dialects.binance.spot_market import sides
from bot.simex.dialects.binance.usdm_market import margin_assets

_PERIODS_MS = {name: INTERVALS_MS[name] for name in ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")}
_PLACES = Decimal("0.0001")
_ADL_MS = 30 * MINUTE_MS


def _points(call: Call, name: str) -> tuple[Instrument, list[int], int]:
    """The instrument that the parameter `name` names, the ends of past periods, and the length of a period."""
    instrument = call.desk.instrument(Kind.PERP, call.params.text(name))
    period_ms = call.params.choice("period", _PERIODS_MS, -1130, "Data sent for parameter 'period' is not valid.")
    start_ms, end_ms = times(call)
    limit = call.params.limit(30, 500)
    last_ms = min(end_ms, call.now_ms) // period_ms * period_ms
    first_ms = max(last_ms - (limit - 1) * period_ms, call.exchange.listed_ms(instrument.symbol))
    if start_ms is not None:
        first_ms = max(first_ms, start_ms)
    first_ms = -(-first_ms // period_ms) * period_ms
    return instrument, list(range(first_ms, last_ms + 1, period_ms)), period_ms


def _share(symbol: str, kind: str, at_ms: int) -> Decimal:
    """A made-up share between 0.4 and 0.6, the same whenever it is asked for."""
    drawn = int.from_bytes(sha256(f"{symbol}/{kind}/{at_ms}".encode()).digest()[:4], "big")
    return Decimal("0.4") + Decimal(drawn % 2001) / 10_000


def _ratio(kind: str, long_name: str, short_name: str, ratio_name: str) -> Any:
    def act(call: Call) -> list[Mapping[str, Any]]:
        instrument, points, _ = _points(call, "symbol")
        rows: list[Mapping[str, Any]] = []
        for at_ms in points:
            share = _share(instrument.symbol, kind, at_ms)
            rows.append(
                {
                    "symbol": venue_symbol(instrument),
                    ratio_name: fixed(share / (ONE - share), _PLACES),
                    long_name: fixed(share, _PLACES),
                    short_name: fixed(ONE - share, _PLACES),
                    "timestamp": at_ms,
                }
            )
        return rows

    return act


def taker_volume(call: Call) -> list[Mapping[str, Any]]:
    instrument, points, period_ms = _points(call, "symbol")
    rows: list[Mapping[str, Any]] = []
    if not points:
        return rows
    series = call.exchange.candles(instrument.symbol, period_ms, max(1, points[0]), points[-1], len(points))
    for at_ms, close, quote in zip(series.starts_ms, series.closes, series.volumes_quote, strict=True):
        size = Decimal(repr(quote / close)) if close else ZERO
        share = _share(instrument.symbol, "taker", at_ms)
        rows.append(
            {
                "buySellRatio": fixed(share / (ONE - share), _PLACES),
                "buyVol": fixed(size * share, _PLACES),
                "sellVol": fixed(size * (ONE - share), _PLACES),
                "timestamp": at_ms,
            }
        )
    return rows


def basis(call: Call) -> list[Mapping[str, Any]]:
    """How far the last price is above the index, one row for each period.

    Raises:
        ApiError: the contract is not a perpetual one.
    """
    if call.params.text("contractType") != "PERPETUAL":
        raise ApiError(-1130, "Data sent for parameter 'contractType' is not valid.")
    instrument, points, period_ms = _points(call, "pair")
    if not points:
        return []
    first_ms, last_ms, count = max(1, points[0]), points[-1], len(points)
    lasts = call.exchange.candles(instrument.symbol, period_ms, first_ms, last_ms, count)
    indexes = call.exchange.candles(instrument.symbol, period_ms, first_ms, last_ms, count, "index")
    return [
        {
            "indexPrice": fixed(Decimal(repr(index))),
            "contractType": "PERPETUAL",
            "basisRate": fixed(Decimal(repr(last / index - 1)), _PLACES),
            "futuresPrice": fixed(Decimal(repr(last))),
            "annualizedBasisRate": "",
            "basis": fixed(Decimal(repr(last - index))),
            "pair": venue_symbol(instrument),
            "timestamp": at_ms,
        }
        for at_ms, last, index in zip(lasts.starts_ms, lasts.opens, indexes.opens, strict=False)
    ]


def asset_index(call: Call) -> Any:
    """Prices in dollars of the assets that may be margin.

    Raises:
        ApiError: the symbol that is named is none of them.
    """
    chosen = call.params.maybe_text("symbol")
    rows = []
    for asset in margin_assets(()):
        price = call.exchange.quote(f"{asset}/USDT").mid if call.exchange.is_listed(f"{asset}/USDT") else ONE
        buffer = ZERO if price == ONE else Decimal("0.05")
        bid, ask = fixed(price * (ONE - buffer)), fixed(price * (ONE + buffer))
        rows.append(
            {
                "symbol": f"{asset}USD",
                "time": call.now_ms,
                "index": fixed(price),
                **dict.fromkeys(("bidBuffer", "askBuffer"), fixed(buffer)),
                **dict.fromkeys(("bidRate", "autoExchangeBidRate"), bid),
                **dict.fromkeys(("askRate", "autoExchangeAskRate"), ask),
                **dict.fromkeys(("autoExchangeBidBuffer", "autoExchangeAskBuffer"), fixed(buffer)),
            }
        )
    if chosen is None:
        return rows
    result = [row for row in rows if row["symbol"] == chosen]
    if not result:
        raise ApiError(-1121, "Invalid symbol.")
    return result[0]


def no_indexes(call: Call) -> list[Any]:
    """No contract here follows an index of several tokens."""
    return []


def constituents(call: Call) -> Mapping[str, Any]:
    instrument = call.instrument()
    quote = call.exchange.quote(instrument.symbol)
    part = {
        "exchange": "binance",
        "symbol": venue_symbol(instrument),
        "price": fixed(quote.index or quote.mid),
        "weight": fixed(ONE, SATOSHI),
    }
    return {"symbol": venue_symbol(instrument), "time": call.now_ms, "constituents": [part]}


def adl_risk(call: Call) -> Any:
    """Nobody is deleveraged here but by the hand of a test; it is computed every half hour, as on the venue."""
    chosen = call.maybe_instrument()
    updated_ms = call.now_ms // _ADL_MS * _ADL_MS
    rows = [
        {"symbol": venue_symbol(instrument), "adlRisk": "low", "updateTime": updated_ms}
        for instrument in ((chosen,) if chosen else call.desk.instruments(Kind.PERP))
    ]
    return rows[0] if chosen else rows


def trading_schedule(call: Call) -> Mapping[str, Any]:
    """No contract here follows a market with hours."""
    return {"updateTime": call.now_ms, "marketSchedules": {}}


def no_deliveries(call: Call) -> list[Any]:
    """Every contract here is perpetual."""
    call.desk.instrument(Kind.PERP, call.params.text("pair"))
    return []


def rpi_depth(call: Call) -> Mapping[str, Any]:
    """The book with the orders that only people meet, of which there are none.

    Raises:
        ApiError: another depth than 1000 is asked for.
    """
    instrument, limit = call.instrument(), call.params.maybe_integer("limit")
    if limit not in (None, 1000):
        raise ApiError(-4021, "Invalid depth limit. Valid limits: [1000]")
    book = call.exchange.book(instrument.symbol, 1000)
    stamps = {"lastUpdateId": call.now_ms, "E": call.now_ms, "T": call.now_ms}
    return {**stamps, **sides(instrument, book.bids, book.asks)}


def insurance(call: Call) -> Mapping[str, Any]:
    """The fund of this exchange begins with a million."""
    chosen = call.maybe_instrument()
    names = [venue_symbol(i) for i in ((chosen,) if chosen else call.desk.instruments(Kind.PERP))]
    asset = {"asset": "USDT", "marginBalance": "1000000.00000000", "updateTime": call.now_ms}
    return {"symbols": names, "assets": [asset]}


_LS = ("longAccount", "shortAccount", "longShortRatio")
FUTURES_DATA_ROUTES: tuple[Route, ...] = (
    public("/futures/data/globalLongShortAccountRatio", _ratio("all", *_LS), 0),
    public("/futures/data/topLongShortAccountRatio", _ratio("top", *_LS), 0),
    public("/futures/data/topLongShortPositionRatio", _ratio("top positions", *_LS), 0),
    public("/futures/data/takerlongshortRatio", taker_volume, 0),
    public("/futures/data/basis", basis, 0),
    public("/fapi/v1/assetIndex", asset_index, 10),
    public("/fapi/v1/indexInfo", no_indexes),
    public("/fapi/v1/constituents", constituents, 2),
    public("/fapi/v1/insuranceBalance", insurance),
    public("/fapi/v1/symbolAdlRisk", adl_risk),
    public("/fapi/v1/tradingSchedule", trading_schedule, 5),
    public("/fapi/v1/rpiDepth", rpi_depth, 20),
    public("/futures/data/delivery-price", no_deliveries, 0),
)
