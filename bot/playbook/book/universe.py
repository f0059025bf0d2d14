"""Which tokens are members of a sector now, where the list is chosen by liquidity (docs/universe.md).

Only candles that had closed before the month began decide, so that membership is known on its first day and does not
change within it. A delisted token is a member until it stops trading; one that is listed later is none before.
"""

from bisect import bisect_left
from datetime import UTC, datetime

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS
from bot.domain.market import Snapshot
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.policy.membership import Sectors, Selection
from bot.playbook.policy.renames import day_ms

WINDOW_DAYS, TRADED_DAYS_MIN = 30, 20


def sectors_at(sectors: Sectors, snapshot: Snapshot, cache: SignalCache) -> Sectors:
    """The sectors with their members of this month; themselves where the list is fixed, or without candles."""
    if sectors.selection is not Selection.LIQUID or not snapshot.candles:
        return sectors
    month_ms = month_start_ms(snapshot.at_ms)
    seen = (sectors, *snapshot.candles.values())
    paused = cache.latest(
        "paused tokens", seen, (*snapshot.candles, month_ms), lambda: _paused(sectors, snapshot, month_ms)
    )
    return cache.latest("sectors", (sectors,), paused, lambda: sectors.model_copy(update={"paused": paused}))


def month_start_ms(at_ms: int) -> int:
    """00:00 UTC of the first day of the month."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp()) * 1000


def _paused(sectors: Sectors, snapshot: Snapshot, month_ms: int) -> frozenset[str]:
    """The tokens that are no members this month."""
    result: set[str] = set()
    for name in sectors.sectors:
        candidates = sectors.candidates(name)
        traded = {
            token: volume
            for token in candidates
            if sectors.since.get(token) is None or day_ms(sectors.since[token]) <= month_ms
            if (volume := traded_volume(snapshot.candles.get(sectors.spot(token)), month_ms)) is not None
        }
        ranked = sorted(traded, key=lambda token: (-traded[token], candidates.index(token)))
        result |= set(candidates) - set(ranked[: sectors.per_sector])
    return frozenset(result)


def traded_volume(series: CandleSeries | None, month_ms: int) -> float | None:
    """Quote value traded in the window before the month, for ranking only; None of a token with fewer than
    `TRADED_DAYS_MIN` days of candles in it."""
    if series is None:
        return None
    first = bisect_left(series.starts_ms, month_ms - WINDOW_DAYS * DAY_MS)
    last = bisect_left(series.starts_ms, month_ms - series.timeframe_ms + 1)
    days = {start // DAY_MS for start in series.starts_ms[first:last]}
    return sum(series.volumes_quote[first:last]) if len(days) >= TRADED_DAYS_MIN else None
