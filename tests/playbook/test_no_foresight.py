"""Nothing that is decided depends on what has not happened: the future is shifted, and nothing before it changes."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.candles import CandleSeries
from bot.domain.codec import encode
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import Funding, Macro, OpenInterest, Premium, Snapshot, Tvl
from bot.playbook.market.flow_signals import MACRO_READERS
from bot.playbook.market.point_in_time import as_of
from bot.playbook.market.signals import READERS
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import START_MS, World, neutral_world
from tests.playbook.reading import read_signals
from tests.profiles import examples

D = Decimal
TOKENS = ("UNI", "AAVE", "ETH", "SOL", "BTC")
PERPS = tuple(f"{token}/USDT:USDT" for token in TOKENS[:4])
DAYS, FORK = 150, 120
POLICY = Policy.model_validate(
    {
        "candle_minutes": 1440,
        "confirm_hours": 0,
        "dwell_hours": 0,
        "gain_hedge": "full",
        "carry": True,
        "hedge_with": "basket",
        "entry_fibonacci": True,
        "neutral_futures": "delta-neutral",
        "order_share_max": 1,
        "order_max_quote": 10_000_000,
        "trend_days": 20,
        "drawdown_days": 60,
        "history_days": 60,
        "series": {
            "launches": {"sector": "infra", "measure": "sum", "full": "1e11"},
            "flows": {"sector": "market", "measure": "difference", "full": "1e9"},
            "developers": {"sector": "infra"},
            "fees": {"sector": "defi", "measure": "flow-growth"},
        },
    }
).changed({"trend.is_on": True})
PACED = POLICY.changed(
    {
        "rotation.by_phase": True,
        "rotation.by_funding": True,
        "signals.tvl_without_price": True,
        "exits.stop_deviations": 2,
        "scalp.is_on": True,
    }
)
FIRST_MS = START_MS - START_MS % DAY_MS
MACROS = (
    *MACRO_READERS,
    *POLICY.series,
    *(f"{name} {token}" for name in MACRO_READERS for token in TOKENS),
)


@dataclass
class History:
    """One course of the world, day by day. Two of the same seed are the same up to `FORK`; then each goes its way."""

    seed: int
    fork_seed: int
    closes: dict[str, list[float]] = field(default_factory=dict)
    slow: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [
            *TOKENS,
            *(f"tvl {n}" for n in ("defi", "infra", "total")),
            *(f"macro {n}" for n in MACROS),
            *(f"{k} {p}" for k in ("oi", "rate", "premium") for p in PERPS),
        ]
        for name in names:
            early, late = random.Random(f"{self.seed} {name}"), random.Random(f"{self.fork_seed} {name}")
            level, path = 0.0, []
            for day in range(DAYS):
                level += (early if day < FORK else late).gauss(0.003, 0.04)
                path.append(level)
            (self.closes if name in TOKENS else self.slow)[name] = path

    def snapshot(self, base: Snapshot, *, sees_all: bool) -> Snapshot:
        """What a source that keeps nothing back would hand out; without `sees_all` only what has happened."""
        days = DAYS if sees_all else (base.at_ms - FIRST_MS) // DAY_MS
        times = tuple(FIRST_MS + day * DAY_MS for day in range(days))
        candles = {f"{token}/USDT": self._candles(token, times) for token in TOKENS}
        ends = tuple(at + DAY_MS for at in times)
        tvl = {
            name: Tvl(name, ends, tuple(D(round(1e9 * math.exp(v))) for v in self.slow[f"tvl {name}"][:days]))
            for name in ("defi", "infra", "total")
        }
        macro = {
            name: Macro(
                name, name, "", ends, tuple(D(round(1e9 * math.exp(v))) for v in self.slow[f"macro {name}"][:days])
            )
            for name in MACROS
        }
        today = (base.at_ms - FIRST_MS) // DAY_MS - 1
        interest, funding, premiums = {}, {}, {}
        for perp in PERPS:
            values = [D(round(1e8 * math.exp(v))) for v in self.slow[f"oi {perp}"][:days]]
            rates = [D(f"{v / 5000:.6f}") for v in self.slow[f"rate {perp}"][:days]]
            shares = [D(f"{v / 1000:.7f}") for v in self.slow[f"premium {perp}"][:days]]
            premiums[perp] = Premium(perp, shares[today], base.at_ms, tuple(zip(ends, shares, strict=True)))
            interest[perp] = OpenInterest(perp, values[today], base.at_ms, tuple(zip(ends, values, strict=True)))
            next_ms = base.at_ms + 8 * HOUR_MS
            funding[perp] = Funding(perp, rates[today], 8, next_ms, base.at_ms, tuple(zip(ends, rates, strict=True)))
        return replace(
            base, candles=candles, tvl=tvl, open_interest=interest, funding=funding, premiums=premiums, macro=macro
        )

    def _candles(self, token: str, times: tuple[int, ...]) -> CandleSeries:
        closes = tuple(100 * math.exp(v) for v in self.closes[token][: len(times)])
        volumes = tuple(1e6 * (1 + abs(math.sin(c))) for c in closes)
        highs, lows = (tuple(c * k for c in closes) for k in (1.01, 0.99))
        return CandleSeries(f"{token}/USDT", DAY_MS, times, closes, highs, lows, closes, volumes)


@dataclass
class Lived(World):
    """A world whose snapshots come from a history."""

    history: History | None = None
    sees_all: bool = True

    def snapshot(self) -> Snapshot:
        base = super().snapshot()
        return base if self.history is None else self.history.snapshot(base, sees_all=self.sees_all)


def live(history: History, days: range, *, sees_all: bool, policy: Policy = POLICY) -> Iterator[object]:
    """Everything decided on the way, as the journal would keep it."""
    book = neutral_world(policy)
    world = Lived(book.sectors, policy, spot=book.spot, perp_wallet=book.perp_wallet, memory=book.memory)
    world.history, world.sees_all = history, sees_all
    for day in days:
        world.at_ms = FIRST_MS + day * DAY_MS
        for token in TOKENS[:4]:
            start = float(book.prices[token]) * math.exp(-history.closes[token][days.start - 1])
            world.prices[token] = D(f"{start * math.exp(history.closes[token][day - 1]):.2f}")
        for _ in range(3):
            yield encode(world.turn())


@settings(max_examples=examples(5), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 10**6),
    one=st.integers(0, 10**6),
    other=st.integers(0, 10**6),
    policy=st.sampled_from([POLICY, PACED]),
)
def test_shifting_the_future_changes_nothing_before_it(seed: int, one: int, other: int, policy: Policy) -> None:
    days = range(FORK - 7, FORK + 1)
    first = list(live(History(seed, one), days, sees_all=True, policy=policy))
    assert first == list(live(History(seed, other), days, sees_all=True, policy=policy))
    assert first == list(live(History(seed, one), days, sees_all=False, policy=policy))


@pytest.mark.parametrize("policy", [POLICY, PACED], ids=["usual", "paced"])
def test_the_futures_that_are_shifted_do_differ_once_they_come(policy: Policy) -> None:
    days = range(FORK - 2, FORK + 3)
    one, other = (list(live(History(7, fork), days, sees_all=True, policy=policy)) for fork in (1, 2))
    assert one[:9] == other[:9]
    assert one[9:] != other[9:]


def test_every_signal_is_read_in_these_histories() -> None:
    book = neutral_world(POLICY)
    world = Lived(book.sectors, POLICY, spot=book.spot, perp_wallet=book.perp_wallet, history=History(1, 1))
    world.at_ms = FIRST_MS + FORK * DAY_MS
    seen = {signal.name for signal in read_signals(as_of(world.snapshot()), POLICY, world.sectors)[0]}
    assert seen == {*READERS, *POLICY.series} - {"calendar"}


def test_what_has_a_history_is_ranked_in_it() -> None:
    book = neutral_world(POLICY)
    world = Lived(book.sectors, POLICY, spot=book.spot, perp_wallet=book.perp_wallet, history=History(1, 1))
    world.at_ms = FIRST_MS + FORK * DAY_MS
    bare = {
        signal.name for signal in read_signals(as_of(world.snapshot()), POLICY, world.sectors)[0] if not signal.rank_is
    }
    assert bare == set()


def test_a_snapshot_of_the_past_only_is_left_as_it_is() -> None:
    book = neutral_world(POLICY)
    world = Lived(book.sectors, POLICY, history=History(1, 1), sees_all=False, at_ms=FIRST_MS + FORK * DAY_MS)
    snapshot = world.snapshot()
    assert as_of(snapshot) is snapshot


def test_a_candle_that_has_not_closed_is_not_there() -> None:
    book = neutral_world(POLICY)
    world = Lived(book.sectors, POLICY, history=History(1, 1), at_ms=FIRST_MS + FORK * DAY_MS + DAY_MS - 1)
    kept = as_of(world.snapshot())
    assert {len(series) for series in kept.candles.values()} == {FORK}
    assert all(series.at_ms[-1] <= kept.at_ms for series in (*kept.tvl.values(), *kept.macro.values()))
    histories = (*kept.open_interest.values(), *kept.funding.values(), *kept.premiums.values())
    assert all(at <= kept.at_ms for found in histories for at, _ in found.earlier)
