"""All signals: each is a pure function of a snapshot, with its value, its score and an explanation (PLAYBOOK §3).

A score is in [-1, 1]: positive speaks for risk and for the risk-on sector, of `resilience` and `usage` for the risk-off
sector. A missing input gives no signal and a note. An input that nobody has set up gives neither and is no part of the
evidence.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.domain.campaign import Phase
from bot.domain.market import Snapshot
from bot.domain.reason import Note, Reason
from bot.domain.turn.decision import Signal
from bot.playbook.market import derivative_signals, flow_signals, indicators, price_signals, sector_trend
from bot.playbook.market.derivative_signals import funding_rates
from bot.playbook.market.flow_signals import tvl_change
from bot.playbook.market.other_market import describe_difference
from bot.playbook.market.point_in_time import as_signals_see
from bot.playbook.market.series_signals import series_signal
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.market.view import MarketView, Reader, view_of
from bot.playbook.policy.membership import Sectors
from bot.playbook.policy.numbers import Policy


@dataclass(frozen=True, slots=True)
class MarketReading:
    """Signals and phases of one snapshot. `unconfigured` signals have no configured source; `trends` is the strength of
    each sector's own trend, 0 to 1, where it is read."""

    signals: tuple[Signal, ...]
    phases: Mapping[str, Phase]
    notes: tuple[Note, ...]
    unconfigured: frozenset[str]
    trends: Mapping[str, float]


def read_market(snapshot: Snapshot, policy: Policy, sectors: Sectors, cache: SignalCache) -> MarketReading:
    """Signals, phases and notes from one view of the snapshot, which is most of the work."""
    view = view_of(as_signals_see(snapshot), policy, sectors, cache)
    signals, notes, unconfigured = _read(view)
    apart = describe_difference(snapshot)
    trends = sector_trend.sector_trends(view)
    return MarketReading(signals, _phases(view), (*notes, *([apart] if apart else [])), unconfigured, trends)


def _read(view: MarketView) -> tuple[tuple[Signal, ...], tuple[Note, ...], frozenset[str]]:
    result, notes, unconfigured = [], [], []
    from_candles = _candle_answers(view)
    answers = {name: from_candles[name] if name in from_candles else reader(view) for name, reader in READERS.items()}
    answers |= {name: series_signal(view, name, rule) for name, rule in view.policy.series.items()}
    for name, answer in answers.items():
        if isinstance(answer, Signal):
            result.append(answer)
        elif answer is None:
            unconfigured.append(name)
        else:
            notes.append(Note(Reason.SIGNAL_MISSING, f"{name}: {answer}", name))
    return tuple(result), tuple(notes), frozenset(unconfigured)


def _candle_answers(view: MarketView) -> Mapping[str, Signal | str | None]:
    """The answers of `price_signals.READERS`, which are shown candles and nothing else: kept while these are the same.
    What time only decides which of them are fresh, and their age."""
    snapshot, policy = view.snapshot, view.policy
    candles, oldest = snapshot.candles, price_signals.oldest_fresh_ms(view)
    fresh = tuple(series.end_ms >= oldest for series in candles.values())
    bare = replace(view, snapshot=Snapshot(snapshot.at_ms, {}, {}, candles=candles), age_ms=0)
    seen = (policy, view.sectors, view.ratio, view.market, *candles.values())
    from_candles = view.cache.latest(
        "candle signals",
        seen,
        (*candles, view.is_fresh, fresh, view.listed),
        lambda: {name: reader(bare) for name, reader in price_signals.READERS.items()},
    )
    if not view.age_ms:
        return from_candles
    return {name: replace(a, age_ms=view.age_ms) if isinstance(a, Signal) else a for name, a in from_candles.items()}


def _phases(view: MarketView) -> Mapping[str, Phase]:
    """Where each sector stands in its cycle: who led over the range, and which way relative strength turns now.

    An underperformer that turns up accumulates; an outperformer that turns down, loses TVL or is crowded distributes
    (PLAYBOOK §3).
    """
    ratio, policy, sectors = view.ratio, view.policy, view.sectors
    long, short = (
        policy.candles_in(policy.signals.range_days),
        policy.candles_in(max(1, policy.signals.momentum_days // 2)),
    )
    phases = dict.fromkeys(sectors.sectors, Phase.UNKNOWN)
    if len(ratio) < long + 1 or policy.allocation.risk_on not in phases or policy.allocation.risk_off not in phases:
        return phases
    past, turn = math.log(ratio[-1 - short] / ratio[-1 - long]), math.log(ratio[-1] / ratio[-1 - short])
    for name, sign in ((policy.allocation.risk_on, 1), (policy.allocation.risk_off, -1)):
        phases[name] = _phase(sign * past, sign * turn, is_exhausted=_is_exhausted(name, view))
    return phases


def _is_exhausted(sector: str, view: MarketView) -> bool:
    """Whether TVL or funding of a sector turns against it, by the threshold of the exit signs."""
    bound, policy = float(view.policy.exits.sign), view.policy
    growth, rates = tvl_change(view, sector), funding_rates(view, view.sectors.perps_of(sector))
    falls = growth is not None and growth <= -bound * float(policy.constants.tvl_full)
    return falls or (bool(rates) and indicators.mean(rates) >= bound * float(policy.constants.funding_full))


def _phase(past: float, turn: float, *, is_exhausted: bool) -> Phase:
    if past >= 0:
        return Phase.LEADING if turn >= 0 and not is_exhausted else Phase.DISTRIBUTING
    return Phase.ACCUMULATING if turn >= 0 else Phase.LAGGING


def volatile_first(tokens: Sequence[str], snapshot: Snapshot, sectors: Sectors, policy: Policy) -> tuple[str, ...]:
    """Tokens by realised volatility, highest first; those without candles keep their order at the end."""
    count = policy.candles_in(policy.constants.volatility_days) + 1

    def volatility(token: str) -> float:
        series = snapshot.candles.get(sectors.spot(token))
        result = indicators.realised_volatility(series.closes[-count:], 1.0) if series else None
        return -1.0 if result is None else result

    return tuple(sorted(tokens, key=lambda token: -volatility(token)))


def liquid_first(tokens: Sequence[str], snapshot: Snapshot, sectors: Sectors, policy: Policy) -> tuple[str, ...]:
    """Tokens by traded volume, highest first."""
    count = policy.candles_in(policy.signals.range_days)

    def volume(token: str) -> float:
        series = snapshot.candles.get(sectors.spot(token))
        return indicators.mean(series.volumes_quote[-count:]) if series else 0.0

    return tuple(sorted(tokens, key=lambda token: -volume(token)))


READERS: Mapping[str, Reader] = {
    **price_signals.READERS,
    **derivative_signals.READERS,
    **flow_signals.READERS,
    **sector_trend.READERS,
}


# The rotation's own exit signs and the signals each is read from (PLAYBOOK §7).
EXIT_SIGNS: Mapping[str, tuple[str, ...]] = {
    "TVL falls": ("tvl_growth",),
    "crowding": ("crowding", "basis", "open_interest"),
    "macro turns": ("calendar", "trend", "stablecoins", "rates"),
}
# The same against a short. Falling open interest is no crowd, so it is not among them.
SHORT_EXIT_SIGNS: Mapping[str, tuple[str, ...]] = {
    "TVL grows": ("tvl_growth",),
    "shorts crowd": ("crowding", "basis"),
    "macro turns": ("calendar", "trend", "stablecoins", "rates"),
}


def exit_signs(signals: Sequence[Signal], policy: Policy) -> tuple[str, ...]:
    """The rotation's own exit signs that show: TVL falls, excessive crowding, a macro turn (PLAYBOOK §7)."""
    return _showing(EXIT_SIGNS, -1, signals, policy)


def signs_against_shorts(signals: Sequence[Signal], policy: Policy) -> tuple[str, ...]:
    """The exit signs of a long mirrored for a short: TVL grows, shorts crowd, a macro turn."""
    return _showing(SHORT_EXIT_SIGNS, 1, signals, policy)


def _showing(
    groups: Mapping[str, Sequence[str]], sign: int, signals: Sequence[Signal], policy: Policy
) -> tuple[str, ...]:
    bound, scores = float(policy.exits.sign), {signal.name: signal.score for signal in signals}
    return tuple(message for message, names in groups.items() if any(sign * scores.get(n, 0.0) >= bound for n in names))
