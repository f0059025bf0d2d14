"""Point-in-time filter: removes what a snapshot holds of times after its own (PLAYBOOK §3).

A venue's clock, a replay or a source that stamps a day at its end can put a candle or a value of the future into a
snapshot. Prices are not cut: they are asked for after the snapshot's time was taken, and are of the present.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from bot.domain.candles import CandleSeries
from bot.domain.market import Funding, Macro, OpenInterest, Premium, Snapshot, Tvl

Watched = TypeVar("Watched", Funding, OpenInterest, Premium)


def as_of(snapshot: Snapshot) -> Snapshot:
    """The snapshot without candles that had not closed, TVL and macro values that were not known and past readings
    that were not past; itself when there are none."""
    at_ms, candles, tvl = snapshot.at_ms, snapshot.candles, snapshot.tvl
    if any(series.end_ms > at_ms for series in candles.values()):
        candles = {symbol: _closed(series, at_ms) for symbol, series in candles.items()}
    if any(series.at_ms and series.at_ms[-1] > at_ms for series in tvl.values()):
        tvl = {name: _known(series, at_ms) for name, series in tvl.items()}
    funding, interest = _past(snapshot.funding, at_ms), _past(snapshot.open_interest, at_ms)
    premiums = _past(snapshot.premiums, at_ms)
    macro = snapshot.macro
    if any(series.at_ms and series.at_ms[-1] > at_ms for series in macro.values()):
        macro = {name: _as_known_at(series, at_ms) for name, series in macro.items()}
    market = snapshot.signal_market
    if market is not None:
        paid, apart = _past(market.funding, at_ms), _past(market.premiums, at_ms)
        if paid is not market.funding or apart is not market.premiums:
            market = replace(market, funding=paid, premiums=apart)
    kept = (candles, tvl, funding, interest, premiums, macro, market)
    if all(new is old for new, old in zip(kept, _histories(snapshot), strict=True)):
        return snapshot
    return replace(
        snapshot,
        candles=candles,
        tvl=tvl,
        funding=funding,
        open_interest=interest,
        premiums=premiums,
        macro=macro,
        signal_market=market,
    )


def as_signals_see(snapshot: Snapshot) -> Snapshot:
    """The snapshot with funding and premiums of the market that signals are read from, where that is another one. What
    a position costs is always read from the market that it is held in."""
    market = snapshot.signal_market
    return snapshot if market is None else replace(snapshot, funding=market.funding, premiums=market.premiums)


def _histories(snapshot: Snapshot) -> Sequence[object]:
    return (
        snapshot.candles,
        snapshot.tvl,
        snapshot.funding,
        snapshot.open_interest,
        snapshot.premiums,
        snapshot.macro,
        snapshot.signal_market,
    )


def _closed(series: CandleSeries, at_ms: int) -> CandleSeries:
    count = sum(1 for start in series.starts_ms if start + series.timeframe_ms <= at_ms)
    if count == len(series):
        return series
    return CandleSeries(
        series.symbol,
        series.timeframe_ms,
        series.starts_ms[:count],
        series.opens[:count],
        series.highs[:count],
        series.lows[:count],
        series.closes[:count],
        series.volumes_quote[:count],
    )


def _known(series: Tvl, at_ms: int) -> Tvl:
    count = sum(1 for at in series.at_ms if at <= at_ms)
    values, native, rest = (one[:count] for one in (series.values_quote, series.native_quote, series.rest_quote))
    return Tvl(series.name, series.at_ms[:count], values, native, rest)


def _as_known_at(series: Macro, at_ms: int) -> Macro:
    count = sum(1 for at in series.at_ms if at <= at_ms)
    return replace(series, at_ms=series.at_ms[:count], values=series.values[:count])


def _past(found: Mapping[str, Watched], at_ms: int) -> Mapping[str, Watched]:
    if not any(reading.earlier and reading.earlier[-1][0] > at_ms for reading in found.values()):
        return found
    return {
        symbol: replace(reading, earlier=tuple(point for point in reading.earlier if point[0] <= at_ms))
        for symbol, reading in found.items()
    }
