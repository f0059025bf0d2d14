"""Which tokens are members of a sector now, where the list is chosen by liquidity (docs/universe.md).

Only candles that had closed before the month began decide, so that membership is known on its first day and does not
change within it. A delisted token is a member until it stops trading; one that is listed later is none before. While
candles of a candidate cannot be read, what is held of such stays a member, and no campaign starts (`Sectors.unread`).
One whose candles have failed for `UNREAD_MAX_MS` is given up, unless most of its sector fail: what is held of it stays
a member, what is not held joins none, and nothing else waits for it (`Sectors.given_up`).
"""

from bisect import bisect_left
from collections.abc import Collection
from datetime import UTC, datetime

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import Snapshot
from bot.domain.reason import Note, Reason
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.policy.membership import Sectors, Selection
from bot.playbook.policy.renames import day_ms

WINDOW_DAYS, TRADED_DAYS_MIN = 30, 20
UNREAD_MAX_MS = 6 * HOUR_MS


def sectors_at(sectors: Sectors, snapshot: Snapshot, cache: SignalCache, held: Collection[str] = ()) -> Sectors:
    """The sectors with their members of this month; themselves where the list is fixed, or where no candles were asked
    for, as in a guard. `held`: assets of which the account has anything."""
    if sectors.selection is not Selection.LIQUID:
        return sectors
    month_ms = month_start_ms(snapshot.at_ms)
    absent = _unread(sectors, snapshot, month_ms)
    if not snapshot.candles and not absent:
        return sectors
    given_up = _given_up(sectors, snapshot, absent)
    unread, kept = absent - given_up, frozenset(held) & sectors.tokens.keys() if absent else frozenset()
    seen = (sectors, *snapshot.candles.values())
    paused = cache.latest(
        "paused tokens",
        seen,
        (*snapshot.candles, month_ms, absent, kept),
        lambda: _paused(sectors, snapshot, month_ms, absent, kept),
    )
    update = {"paused": paused, "unread": unread, "given_up": given_up}
    return cache.latest("sectors", (sectors,), (paused, unread, given_up), lambda: sectors.model_copy(update=update))


def notes_of(sectors: Sectors) -> tuple[Note, ...]:
    """A note for each candidate that has been given up."""
    hours = UNREAD_MAX_MS // HOUR_MS
    return tuple(
        Note(
            Reason.SIGNAL_MISSING,
            f"{token}: its candles have failed for {hours} h: it joins its sector once they come; campaigns go on",
            token,
        )
        for token in sorted(sectors.given_up)
    )


def month_start_ms(at_ms: int) -> int:
    """00:00 UTC of the first day of the month."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp()) * 1000


def _unread(sectors: Sectors, snapshot: Snapshot, month_ms: int) -> frozenset[str]:
    """Candidates whose candles were asked for and did not come, though they trade: a delisted token has none, and one
    whose candles ended or never began has been answered."""
    absent = {one.what for one in snapshot.missing if not one.is_answered}
    if not absent:
        return frozenset()
    elsewhere = snapshot.signal_market
    result = set()
    for token in sectors.tokens:
        symbol = sectors.spot(token)
        if symbol in snapshot.candles or f"candles {symbol}" not in absent or not _may_join(token, sectors, month_ms):
            continue
        instrument = snapshot.instruments.get(symbol)
        is_traded = instrument is not None and instrument.active
        if is_traded and (elsewhere is None or symbol in elsewhere.prices):
            result.add(token)
    return frozenset(result)


def _given_up(sectors: Sectors, snapshot: Snapshot, absent: frozenset[str]) -> frozenset[str]:
    """Those of the absent that have failed for long; none where most of a sector fail, which is an outage."""
    since = {one.what: one.since_ms for one in snapshot.missing if one.since_ms}
    late = {
        token
        for token in absent
        if snapshot.at_ms - since.get(f"candles {sectors.spot(token)}", snapshot.at_ms) >= UNREAD_MAX_MS
    }
    dark = {
        token
        for name in sectors.sectors
        if 2 * len(absent & set(candidates := sectors.candidates(name))) > len(candidates)
        for token in candidates
    }
    return frozenset(late - dark)


def _may_join(token: str, sectors: Sectors, month_ms: int) -> bool:
    since = sectors.since.get(token)
    return since is None or day_ms(since) <= month_ms


def _paused(
    sectors: Sectors, snapshot: Snapshot, month_ms: int, unread: Collection[str], held: Collection[str]
) -> frozenset[str]:
    """The tokens that are no members this month.

    What is held and `unread` stays a member. It takes a seat from what would be bought, from nothing that is held."""
    result: set[str] = set()
    for name in sectors.sectors:
        candidates = sectors.candidates(name)
        traded = {
            token: volume
            for token in candidates
            if _may_join(token, sectors, month_ms)
            if (volume := traded_volume(snapshot.candles.get(sectors.spot(token)), month_ms)) is not None
        }
        ranked = sorted(traded, key=lambda token: (-traded[token], candidates.index(token)))[: sectors.per_sector]
        kept = {token for token in candidates if token in unread and token in held}
        seats = max(0, sectors.per_sector - len(kept))
        members = kept | {token for place, token in enumerate(ranked) if place < seats or token in held}
        result |= set(candidates) - members
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
