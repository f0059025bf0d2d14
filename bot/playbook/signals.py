"""What the market says: each signal a pure function of a snapshot, with its value, its score and the reason in words
(PLAYBOOK §3).

A score is in [-1, 1]: positive speaks for risk and for the risk-on sector. Only closed candles that the snapshot holds
are read, so nothing looks ahead. A missing input gives no signal and a note.
"""

import bisect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from bot.domain.campaign import Phase
from bot.domain.candles import CandleSeries
from bot.domain.market import OpenInterest, Snapshot
from bot.domain.reason import Note, Reason
from bot.playbook import indicators
from bot.playbook.membership import Sectors
from bot.playbook.policy import DAY_MS, MINUTE_MS, Policy

_YEAR_DAYS = 365.0
_RANKED_MIN = 8
Z_SCORE, PERCENTILE, SHARE = "z", "percentile", "share"


@dataclass(frozen=True, slots=True)
class Signal:
    """One reading. `rank` is its z-score or percentile where it has one, `rank_is` says which of them; `age_ms` is the
    age of its newest input."""

    name: str
    value: float
    score: float
    words: str
    age_ms: int
    rank: float | None = None
    rank_is: str = ""


@dataclass(frozen=True, slots=True)
class _View:
    """The snapshot as aligned series: the newest candles that all symbols of a line share. `is_fresh`: they are of now,
    so that a token's own candles may be read too."""

    snapshot: Snapshot
    policy: Policy
    sectors: Sectors
    is_fresh: bool
    ratio: tuple[float, ...]
    market: tuple[float, ...]
    age_ms: int


Index = tuple[tuple[int, ...], tuple[float, ...]]
Reader = Callable[[_View], Signal | str]


def read_signals(snapshot: Snapshot, policy: Policy, sectors: Sectors) -> tuple[tuple[Signal, ...], tuple[Note, ...]]:
    """Every signal that can be read, and a note for each that cannot."""
    return _read(_view(snapshot, policy, sectors))


def read_market(
    snapshot: Snapshot, policy: Policy, sectors: Sectors
) -> tuple[tuple[Signal, ...], Mapping[str, Phase], tuple[Note, ...]]:
    """Signals, phases and notes from one view of the snapshot, which is most of the work."""
    view = _view(snapshot, policy, sectors)
    signals, notes = _read(view)
    return signals, _phases(view), notes


def _read(view: _View) -> tuple[tuple[Signal, ...], tuple[Note, ...]]:
    found, notes = [], []
    for name, reader in READERS.items():
        answer = reader(view)
        if isinstance(answer, Signal):
            found.append(answer)
        else:
            notes.append(Note(Reason.SIGNAL_MISSING, f"{name}: {answer}", name))
    return tuple(found), tuple(notes)


def read_phases(snapshot: Snapshot, policy: Policy, sectors: Sectors) -> Mapping[str, Phase]:
    """Where each sector stands in its cycle: who led over the range, and which way relative strength turns now.

    An underperformer that turns up accumulates; an outperformer that turns down, loses TVL or is crowded distributes
    (PLAYBOOK §3).
    """
    return _phases(_view(snapshot, policy, sectors))


def _phases(view: _View) -> Mapping[str, Phase]:
    ratio, policy, sectors = view.ratio, view.policy, view.sectors
    long, short = policy.candles_in(policy.range_days), policy.candles_in(max(1, policy.momentum_days // 2))
    phases = dict.fromkeys(sectors.sectors, Phase.UNKNOWN)
    if len(ratio) < long + 1 or policy.risk_on not in phases or policy.risk_off not in phases:
        return phases
    past, turn = math.log(ratio[-1 - short] / ratio[-1 - long]), math.log(ratio[-1] / ratio[-1 - short])
    for name, sign in ((policy.risk_on, 1), (policy.risk_off, -1)):
        phases[name] = _phase(sign * past, sign * turn, is_spent=_is_spent(name, view))
    return phases


def _is_spent(sector: str, view: _View) -> bool:
    """Whether TVL or funding of a sector turns against it, by the threshold of the exit signs."""
    bound, policy = float(view.policy.exit_sign), view.policy
    growth, rates = _tvl_change(view, sector), _funding_rates(view, view.sectors.perps_of(sector))
    falls = growth is not None and growth <= -bound * float(policy.tvl_full)
    return falls or (bool(rates) and indicators.mean(rates) >= bound * float(policy.funding_full))


def _phase(past: float, turn: float, *, is_spent: bool) -> Phase:
    if past >= 0:
        return Phase.LEADING if turn >= 0 and not is_spent else Phase.DISTRIBUTING
    return Phase.ACCUMULATING if turn >= 0 else Phase.LAGGING


def volatile_first(tokens: Sequence[str], snapshot: Snapshot, sectors: Sectors, policy: Policy) -> tuple[str, ...]:
    """Tokens by realised volatility, highest first; those without candles keep their order at the end."""
    count = policy.candles_in(policy.volatility_days) + 1

    def volatility(token: str) -> float:
        series = snapshot.candles.get(sectors.spot(token))
        found = indicators.realised_volatility(series.closes[-count:], 1.0) if series else None
        return -1.0 if found is None else found

    return tuple(sorted(tokens, key=lambda token: -volatility(token)))


def liquid_first(tokens: Sequence[str], snapshot: Snapshot, sectors: Sectors, policy: Policy) -> tuple[str, ...]:
    """Tokens by traded volume, highest first."""
    count = policy.candles_in(policy.range_days)

    def volume(token: str) -> float:
        series = snapshot.candles.get(sectors.spot(token))
        return indicators.mean(series.volumes_quote[-count:]) if series else 0.0

    return tuple(sorted(tokens, key=lambda token: -volume(token)))


def sector_index(snapshot: Snapshot, sectors: Sectors, weights: Mapping[str, float]) -> Index:
    """A sector's index over the candle times its tokens share: weighted closes, each rebased to 1 at the start.

    Tokens with less than half of the longest history are left out, so that a new listing does not shorten the index.
    """
    symbols = {token: sectors.spot(token) for token in weights}
    series = {token: snapshot.candles[symbol] for token, symbol in symbols.items() if symbol in snapshot.candles}
    longest = max((len(found) for found in series.values()), default=0)
    series = {token: found for token, found in series.items() if len(found) > 0 and 2 * len(found) >= longest}
    if not series:
        return (), ()
    shared, columns = _aligned(tuple(series.values()))
    total = math.fsum(weights[token] for token in series)
    if not shared or total <= 0 or any(column[0] <= 0 for column in columns):
        return (), ()
    parts = [weights[token] / column[0] / total for token, column in zip(series, columns, strict=True)]
    weighted = [map(part.__mul__, column) for part, column in zip(parts, columns, strict=True)]
    return shared, tuple(map(math.fsum, zip(*weighted, strict=True)))


def _aligned(series: Sequence[CandleSeries]) -> tuple[tuple[int, ...], Sequence[tuple[float, ...]]]:
    """Candle times that all series share, and the closes of each at them."""
    starts = series[0].starts_ms
    if all(found.starts_ms == starts for found in series):
        return starts, [found.closes for found in series]
    closes = [dict(zip(found.starts_ms, found.closes, strict=True)) for found in series]
    shared = tuple(sorted(set.intersection(*map(set, closes))))
    return shared, [tuple(column[at] for at in shared) for column in closes]


def _view(snapshot: Snapshot, policy: Policy, sectors: Sectors) -> _View:
    shared, on, off = _shared(*(_index_of(snapshot, sectors, name) for name in (policy.risk_on, policy.risk_off)))
    ratio = tuple(level / other for level, other in zip(on, off, strict=True) if other > 0)
    market = snapshot.candles.get(policy.market_symbol)
    newest = max(shared[-1] + policy.candle_ms if shared else 0, market.end_ms if market else 0)
    age = max(0, snapshot.at_ms - newest) if newest else 0
    if age > policy.signal_age_max_minutes * MINUTE_MS:
        return _View(snapshot, policy, sectors, False, (), (), age)
    return _View(snapshot, policy, sectors, bool(sectors.sectors), ratio, market.closes if market else (), age)


def _index_of(snapshot: Snapshot, sectors: Sectors, name: str) -> Index:
    if name not in sectors.sectors:
        return (), ()
    return sector_index(snapshot, sectors, {t: float(sectors.membership(t, name)) for t in sectors.members(name)})


def _shared(one: Index, other: Index) -> tuple[tuple[int, ...], Sequence[float], Sequence[float]]:
    """Times that two indexes share, and the levels of each at them."""
    if one[0] == other[0]:
        return one[0], one[1], other[1]
    levels, others = dict(zip(*one, strict=True)), dict(zip(*other, strict=True))
    times = tuple(sorted(levels.keys() & others.keys()))
    return times, [levels[at] for at in times], [others[at] for at in times]


def _ranked(rank: float | None, kind: str) -> tuple[float | None, str]:
    return rank, kind if rank is not None else ""


def _relative_strength(view: _View) -> Signal | str:
    window = view.policy.candles_in(view.policy.momentum_days)
    if len(view.ratio) < 2 * window + 2:
        return f"the ratio of the sectors has {len(view.ratio)} candles, {2 * window + 2} are needed"
    moves = [math.log(after / before) for before, after in zip(view.ratio, view.ratio[window:], strict=False)]
    spread = math.sqrt(indicators.mean([move * move for move in moves]))
    rank = moves[-1] / spread if spread > 0 else 0.0
    pair, days = f"{view.policy.risk_on} against {view.policy.risk_off}", view.policy.momentum_days
    words = f"{pair}: {math.expm1(moves[-1]):+.1%} in {days} days"
    return Signal("relative_strength", moves[-1], indicators.clip(rank / 1.5), words, view.age_ms, rank, Z_SCORE)


def _ratio_breakout(view: _View) -> Signal | str:
    window = view.policy.candles_in(view.policy.range_days)
    place = indicators.range_position(view.ratio, window)
    if place is None:
        return f"the ratio of the sectors has no range of {view.policy.range_days} days"
    score = 1.0 if place > 1 else -1.0 if place < 0 else indicators.clip(place - 0.5)
    where = "above" if place > 1 else "below" if place < 0 else f"at {place:.0%} of"
    words = f"the ratio of the sectors is {where} its {view.policy.range_days}-day range"
    return Signal("ratio_breakout", place, score, words, view.age_ms, indicators.clip(place, 0.0, 1.0), PERCENTILE)


def _trend(view: _View) -> Signal | str:
    averages = indicators.emas(view.market, view.policy.candles_in(view.policy.trend_days))
    if not averages or averages[-1] <= 0:
        return f"{view.policy.market_symbol} has fewer candles than its {view.policy.trend_days}-day average needs"
    closes = view.market[-len(averages) :]
    distances = [close / average - 1.0 for close, average in zip(closes, averages, strict=True) if average > 0]
    distance, rank = distances[-1], indicators.zscore(distances[-1], distances)
    words = f"{view.policy.market_symbol} is {distance:+.1%} from its {view.policy.trend_days}-day average"
    return Signal("trend", distance, indicators.clip(distance / 0.10), words, view.age_ms, *_ranked(rank, Z_SCORE))


def _drawdown(view: _View) -> Signal | str:
    fall = indicators.drawdown(view.market[-view.policy.candles_in(view.policy.drawdown_days) :])
    if fall is None:
        return f"{view.policy.market_symbol} has no candles"
    full = float(view.policy.drawdown_full) or 1.0
    falls = [1.0 - close / high for close, high in zip(view.market, accumulate(view.market, max), strict=True) if high]
    rank = indicators.percentile(fall, falls)
    words = f"{view.policy.market_symbol} is {fall:.1%} below its {view.policy.drawdown_days}-day high"
    return Signal("drawdown", fall, indicators.clip(-fall / full), words, view.age_ms, *_ranked(rank, PERCENTILE))


def _breadth(view: _View) -> Signal | str:
    period = view.policy.candles_in(view.policy.breadth_days)
    above = counted = 0
    for symbol in view.sectors.spot_symbols:
        series = view.snapshot.candles.get(symbol)
        average = indicators.sma(series.closes, period) if series and view.is_fresh else None
        if series is not None and average is not None:
            counted += 1
            above += series.closes[-1] > average
    if 2 * counted < len(view.sectors.spot_symbols) or not counted:
        total = len(view.sectors.spot_symbols)
        return f"only {counted} of {total} tokens have a {view.policy.breadth_days}-day average"
    share = above / counted
    words = f"{above} of {counted} tokens are above their {view.policy.breadth_days}-day average"
    return Signal("breadth", share, indicators.clip(2 * share - 1), words, view.age_ms, share, SHARE)


def _volatility(view: _View) -> Signal | str:
    window = view.policy.candles_in(view.policy.volatility_days)
    count, per_year = len(view.market), _YEAR_DAYS * DAY_MS / view.policy.candle_ms
    history = [
        found
        for end in range(count, window + 1, -max(1, window // 8))
        if (found := indicators.realised_volatility_of(view.market[end - window - 1 : end], per_year)) is not None
    ]
    if len(history) < 8:
        return f"{view.policy.market_symbol} has too few candles to rank its volatility"
    rank = indicators.percentile(history[0], history[1:]) or 0.0
    words = f"volatility {history[0]:.0%} a year, higher than {rank:.0%} of its history"
    return Signal("volatility", history[0], indicators.clip(1 - 2 * rank), words, view.age_ms, rank, PERCENTILE)


def _volume(view: _View) -> Signal | str:
    recent, usual = view.policy.candles_in(view.policy.volume_days), view.policy.candles_in(view.policy.range_days)
    ratios = []
    for token in view.sectors.members(view.policy.risk_on):
        series = view.snapshot.candles.get(view.sectors.spot(token))
        if series and len(series) >= usual and view.is_fresh:
            base = indicators.mean(series.volumes_quote[-usual:])
            if base > 0:
                ratios.append(indicators.mean(series.volumes_quote[-recent:]) / base)
    if not ratios:
        return f"no token of {view.policy.risk_on} has {view.policy.range_days} days of volume"
    value = sorted(ratios)[len(ratios) // 2]
    words = f"{view.policy.risk_on} trades {value:.0%} of its usual volume"
    return Signal("volume", value, indicators.clip((value - 1) / 0.5), words, view.age_ms)


def _liquidity(view: _View) -> Signal | str:
    """How far prices travel for the money that is traded (Amihud 2002): the median of all tokens, against its history.

    Score +1 in a market that has never moved less per quote traded, −1 in one that has never moved more.
    """
    window = view.policy.candles_in(view.policy.volume_days)
    newest = view.snapshot.at_ms - view.policy.signal_age_max_minutes * MINUTE_MS
    traded = [view.snapshot.candles.get(symbol) for symbol in view.sectors.spot_symbols]
    fresh = [series for series in traded if series is not None and series.end_ms >= newest and len(series) > window]
    if 2 * len(fresh) < len(traded) or not fresh:
        return f"only {len(fresh)} of {len(traded)} tokens have {view.policy.volume_days} days of fresh candles"
    steps = (max(map(len, fresh)) - 1) // window
    history = []
    for step in range(steps):
        impacts = [found for series in fresh if (found := _impact(series, window, step)) is not None]
        if 2 * len(impacts) >= len(fresh):
            history.append(sorted(impacts)[len(impacts) // 2])
    if len(history) < 8:
        return f"{len(history)} periods of {view.policy.volume_days} days are too few to rank liquidity"
    rank = indicators.percentile(history[0], history[1:]) or 0.0
    words = f"a million of quote moves a token by {history[0] * 1e4:,.1f} bps, more than {rank:.0%} of its history"
    return Signal("liquidity", history[0], indicators.clip(1 - 2 * rank), words, view.age_ms, rank, PERCENTILE)


def _impact(series: CandleSeries, window: int, step: int) -> float | None:
    """Path of the closes as a share of the price, per million of quote traded, in the window `step` windows ago."""
    end = len(series) - step * window
    closes = series.closes[max(0, end - window - 1) : end]
    traded = sum(series.volumes_quote[max(0, end - window) : end])
    if end <= window or traded <= 0 or closes[-1] <= 0:
        return None
    path: float = sum(map(abs, map(operator.sub, closes[1:], closes)))
    return path / closes[-1] / traded * 1e6


def _funding_rates(view: _View, perps: Sequence[str]) -> list[float]:
    """What longs of these perps pay, as shares per year; unknown ones are left out."""
    found = (view.snapshot.funding.get(symbol) for symbol in perps)
    return [float(f.rate) * 24 / f.interval_hours * _YEAR_DAYS for f in found if f is not None and f.interval_hours > 0]


def _crowding(view: _View) -> Signal | str:
    rates = _funding_rates(view, view.sectors.perp_symbols)
    if not rates:
        return "no funding rate of any leader"
    known = [view.snapshot.funding[symbol] for symbol in view.sectors.perp_symbols if symbol in view.snapshot.funding]
    known = [found for found in known if found.interval_hours > 0]
    past = [float(rate) * 24 / found.interval_hours * _YEAR_DAYS for found in known for _, rate in found.earlier]
    age = max(0, *(view.snapshot.at_ms - found.at_ms for found in known))
    value = indicators.mean(rates)
    words = f"leaders' longs {'pay' if value >= 0 else 'receive'} {abs(value):.1%} a year in funding"
    rank = indicators.percentile(value, past) if len(past) >= _RANKED_MIN else None
    score = indicators.clip(-value / float(view.policy.funding_full))
    return Signal("crowding", value, score, words, age, *_ranked(rank, PERCENTILE))


def _open_interest(view: _View) -> Signal | str:
    """Growth of open interest beyond that of the price, mean of the leaders: new positions, not dearer ones. Crowded
    when it is high (PLAYBOOK §§3, 7)."""
    days, at_ms = view.policy.interest_days, view.snapshot.at_ms
    oldest = at_ms - view.policy.signal_age_max_minutes * MINUTE_MS
    lines, age = [], 0
    for symbol in view.sectors.perp_symbols:
        found = view.snapshot.open_interest.get(symbol)
        if found is not None and found.at_ms >= oldest:
            lines.append(_contracts(found, view.snapshot.candles.get(view.sectors.spot_of(symbol)), at_ms))
            age = max(age, at_ms - found.at_ms)
    times = sorted({at for line_times, _ in lines for at in line_times} | {at_ms})
    past = [growth for at in times[::-3] if (growth := _mean_growth(lines, at, days * DAY_MS)) is not None]
    now = _mean_growth(lines, at_ms, days * DAY_MS)
    if now is None:
        return f"no leader's open interest has been watched for {days} days"
    rank = indicators.zscore(now, past) if len(past) >= _RANKED_MIN else None
    words = f"leaders' open interest {math.expm1(now):+.1%} in {days} days, prices taken out"
    score = indicators.clip(-math.expm1(now) / float(view.policy.interest_full))
    return Signal("open_interest", math.expm1(now), score, words, max(0, age), *_ranked(rank, Z_SCORE))


def _contracts(found: OpenInterest, series: CandleSeries | None, at_ms: int) -> tuple[Sequence[int], Sequence[float]]:
    """Times and logarithms of open interest over the price of its time, oldest first; without a price of that time a
    reading is left out."""
    times: list[int] = []
    levels: list[float] = []
    for at, value in (*found.earlier, (min(found.at_ms, at_ms), found.value_quote)):
        place = bisect.bisect_right(series.starts_ms, at - series.timeframe_ms) - 1 if series is not None else -1
        if series is not None and place >= 0 and value > 0 and series.closes[place] > 0:
            times.append(at)
            levels.append(math.log(float(value)) - math.log(series.closes[place]))
    return times, levels


def _mean_growth(lines: Sequence[tuple[Sequence[int], Sequence[float]]], at_ms: int, span_ms: int) -> float | None:
    """Mean growth over a span that ends at a time, of the lines that reach back so far; a reading stands for a day."""
    growths = []
    for times, levels in lines:
        now, then = bisect.bisect_right(times, at_ms) - 1, bisect.bisect_right(times, at_ms - span_ms) - 1
        if then >= 0 and at_ms - times[now] <= DAY_MS and at_ms - span_ms - times[then] <= DAY_MS:
            growths.append(levels[now] - levels[then])
    return indicators.mean(growths) if growths else None


def _basis(view: _View) -> Signal | str:
    premiums = []
    for symbol in view.sectors.perp_symbols:
        quote = view.snapshot.quotes.get(symbol)
        if quote is not None and quote.mark is not None and quote.index is not None and not quote.defect():
            premiums.append(float(quote.mark / quote.index) - 1.0)
    if not premiums:
        return "no leader has a mark and an index"
    value = indicators.mean(premiums) * _YEAR_DAYS * 3
    words = f"perps stand {indicators.mean(premiums):+.3%} from spot ({'contango' if value >= 0 else 'backwardation'})"
    return Signal("basis", value, indicators.clip(-value / float(view.policy.funding_full)), words, 0)


def _tvl_growth(view: _View) -> Signal | str:
    found = view.snapshot.tvl.get(view.policy.risk_on) or view.snapshot.tvl.get("total")
    if found is None or len(found.at_ms) < 2:
        return f"no TVL of {view.policy.risk_on}"
    value = _tvl_change(view, found.name)
    if value is None:
        return f"TVL of {found.name} does not reach back {view.policy.tvl_days} days"
    others = {name: _tvl_change(view, name) for name in sorted(view.snapshot.tvl) if name != found.name}
    beside = ", ".join(f"{name} {change:+.1%}" for name, change in others.items() if change is not None)
    words = f"TVL of {found.name} {value:+.1%} in {view.policy.tvl_days} days" + (f" ({beside})" if beside else "")
    score = indicators.clip(value / (float(view.policy.tvl_full) or 1.0))
    pairs = zip(found.values_quote, found.values_quote[view.policy.tvl_days :], strict=False)
    growths = [float(after / before) - 1.0 for before, after in pairs if before > 0]
    rank = indicators.zscore(value, growths) if len(growths) >= _RANKED_MIN else None
    age = max(0, view.snapshot.at_ms - found.at_ms[-1])
    return Signal("tvl_growth", value, score, words, age, *_ranked(rank, Z_SCORE))


def _tvl_change(view: _View, name: str) -> float | None:
    """Growth of a TVL over `tvl_days`; None when it is not known for so long."""
    found = view.snapshot.tvl.get(name)
    if found is None or len(found.at_ms) < 2:
        return None
    since = found.at_ms[-1] - view.policy.tvl_days * DAY_MS
    start = next((v for at, v in zip(found.at_ms, found.values_quote, strict=True) if at >= since), None)
    if start is None or start <= 0 or found.at_ms[0] > since + DAY_MS:
        return None
    return float(found.values_quote[-1] / start) - 1.0


def _calendar(view: _View) -> Signal | str:
    active = [e for e in view.snapshot.events if e.start_ms <= view.snapshot.at_ms < e.end_ms and e.kind != "upgrade"]
    if not view.snapshot.events:
        return "the operator's calendar is empty"
    value = math.fsum(float(event.weight) for event in active)
    words = ", ".join(f"{event.name} ({event.kind})" for event in active) or "nothing on the calendar now"
    return Signal("calendar", value, indicators.clip(value), words, 0)


READERS: Mapping[str, Reader] = {
    "relative_strength": _relative_strength,
    "ratio_breakout": _ratio_breakout,
    "trend": _trend,
    "drawdown": _drawdown,
    "breadth": _breadth,
    "volatility": _volatility,
    "volume": _volume,
    "liquidity": _liquidity,
    "crowding": _crowding,
    "open_interest": _open_interest,
    "basis": _basis,
    "tvl_growth": _tvl_growth,
    "calendar": _calendar,
}


def exit_signs(signals: Sequence[Signal], policy: Policy) -> tuple[str, ...]:
    """The rotation's own exit signs that show: TVL falls, excessive crowding, a macro turn (PLAYBOOK §7)."""
    bound = -float(policy.exit_sign)
    groups = {
        "TVL falls": ("tvl_growth",),
        "crowding": ("crowding", "basis", "open_interest"),
        "macro turns": ("calendar", "trend"),
    }
    scores = {signal.name: signal.score for signal in signals}
    return tuple(words for words, names in groups.items() if any(scores.get(name, 0.0) <= bound for name in names))
