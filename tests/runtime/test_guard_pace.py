"""When guards come: on their period, sooner by news, later while nothing can be missed, and never later than that."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.domain.market import Quote, Snapshot
from bot.domain.order import OrderType
from bot.domain.portfolio import Position
from bot.domain.states import KillLevel, OrderState
from bot.playbook.positions.wake_levels import PriceRange
from bot.ports import StreamNews, StreamState
from bot.risk import Refused
from bot.runtime.cycle import CycleResult
from bot.runtime.daemon import Daemon
from bot.runtime.health.health_file import Health
from bot.runtime.streams.pace import (
    ALERT_S,
    BUDGETS,
    CALM_PERIODS,
    DISTRUST_S,
    GATHER_S,
    PRICE_AGE_MAX_MS,
    GuardPace,
)
from tests.sim.loop import VirtualLoop, run_virtually

PERIOD_S = 10.0
PERP = "UNI/USDT:USDT"
MARK = Decimal(100)


@dataclass
class FakeStream:
    """A stream that is as fresh as a test wants it to be."""

    name: str = "prices"
    is_fresh: bool = True
    failures: list[BaseException] = field(default_factory=list)

    def state(self) -> StreamState:
        return StreamState(self.is_fresh, 0.0)

    async def run(self, hear: Callable[[StreamNews], None]) -> None:
        if self.failures:
            raise self.failures.pop()
        await asyncio.Event().wait()


def position(mark: Decimal = MARK) -> Position:
    return Position(PERP, Decimal(1), MARK, mark, Decimal(0), Decimal(50))


def account(*positions: Position, unreadable: frozenset[str] = frozenset()) -> Any:
    return SimpleNamespace(positions={one.symbol: one for one in positions}, unreadable=unreadable)


def answers(mark: Decimal | None, bid: Decimal = MARK) -> Snapshot:
    """What the venue answers: the quote of one perp."""
    return Snapshot(0, {}, {PERP: Quote(PERP, bid, MARK, 0, mark=mark)})


def calm_result(**changes: Any) -> CycleResult:
    """A turn that found nothing to do and holds one perp at its mark."""
    truth = SimpleNamespace(
        is_agreed=True, unseen=frozenset(), locked=frozenset(), working=(), account=account(position())
    )
    memory = SimpleNamespace(unguarded={}, stops_asked={}, leverage_wrong={}, opening=(), exits=())
    result = SimpleNamespace(
        truth=truth,
        decision=SimpleNamespace(memory=memory, campaign=None, intents=(), cancels=(), top_ups={}),
        verdicts=(),
        kill=KillLevel.OFF,
        outcomes=(),
        notes=(),
        breakers=(),
        policy=object(),
        snapshot=answers(MARK),
    )
    for name, value in changes.items():
        setattr(result, name, value)
    return cast(CycleResult, result)


class Run:
    """A pace in virtual time, with the moments at which guards began."""

    def __init__(self, loop: VirtualLoop, streams: Sequence[FakeStream], result: CycleResult | None) -> None:
        self.loop, self.result = loop, result
        self.pace = GuardPace(PERIOD_S, streams, venue_ms=self.venue_ms, now=loop.time)
        self.guards: list[float] = []
        self.stop = asyncio.Event()
        self.speaks, self.mark = True, str(MARK)

    def venue_ms(self) -> int:
        return 1_000_000 + round(self.loop.time() * 1000)

    def tell(self, price: str, *, age_ms: int = 0, symbol: str = PERP) -> None:
        self.pace.hear(StreamNews(self.venue_ms() - age_ms, symbol, Decimal(price)))

    async def guards_until(self, seconds: float) -> list[float]:
        """Run guards, with a price each second, until so many seconds have passed."""

        async def speak() -> None:
            while True:
                if self.speaks:
                    self.tell(self.mark)
                await asyncio.sleep(1)

        async def guard() -> None:
            while not await self.pace.wait(self.stop):
                self.guards.append(self.loop.time())
                self.pace.begin()
                await asyncio.sleep(0.1)
                self.pace.end(self.result)

        tasks = [asyncio.create_task(speak()), asyncio.create_task(guard())]
        await asyncio.sleep(seconds - self.loop.time())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return self.guards


@pytest.fixture(autouse=True)
def one_band(monkeypatch: pytest.MonkeyPatch) -> None:
    bands = {PERP: PriceRange(Decimal(95), Decimal(105), Decimal(92), Decimal(108))}
    monkeypatch.setattr("bot.runtime.streams.pace.wake_levels", lambda *_: bands)


def run(
    scenario: Callable[[Run], Any],
    streams: Sequence[FakeStream] | None = None,
    result: CycleResult | None = None,
) -> Any:
    async def main(loop: VirtualLoop) -> Any:
        given_streams = [FakeStream()] if streams is None else streams
        return await scenario(Run(loop, given_streams, result or calm_result()))

    return run_virtually(main)


def test_without_streams_a_guard_comes_on_its_period() -> None:
    guards = run(lambda one: one.guards_until(45), streams=[])
    assert guards == pytest.approx([10, 20, 30, 40], abs=0.01)


def test_fresh_streams_and_calm_let_it_wait() -> None:
    guards = run(lambda one: one.guards_until(250))
    assert guards == pytest.approx([10, 10.1 + 100, 110.2 + 100], abs=1.1)


def with_truth(**part: Any) -> dict[str, Any]:
    return {"truth": SimpleNamespace(**{**vars(calm_result().truth), **part})}


def with_memory(campaign: Any = None, **part: Any) -> dict[str, Any]:
    memory = SimpleNamespace(**{**vars(calm_result().decision.memory), **part})
    return with_decision(memory=memory, campaign=campaign)


def with_decision(**part: Any) -> dict[str, Any]:
    return {"decision": SimpleNamespace(**{**vars(calm_result().decision), **part})}


def order(state: OrderState, order_type: OrderType) -> Any:
    return SimpleNamespace(state=state, order_type=order_type)


UNDER_WAY = {
    "a level of the switch": {"kill": KillLevel.PAUSE},
    "orders were sent": {"outcomes": (1,)},
    "something was done": {"notes": (1,)},
    "a breaker": {"breakers": (1,)},
    "a rotation": with_memory(campaign=SimpleNamespace(is_over=False)),
    "books differ": with_truth(is_agreed=False),
    "a stop is not seen": with_truth(unseen=frozenset({"a"})),
    "a lock": with_truth(locked=frozenset({PERP})),
    "an entry rests": with_truth(working=(order(OrderState.OPEN, OrderType.LIMIT),)),
    "a stop in doubt": with_truth(working=(order(OrderState.IN_DOUBT, OrderType.STOP),)),
    "a position without a stop": with_memory(unguarded={PERP: "x"}),
    "a stop was asked for": with_memory(stops_asked={PERP: 1}),
    "wrong leverage": with_memory(leverage_wrong={PERP: "x"}),
    "an opening": with_memory(opening=(1,)),
    "an exit that is wanted": with_decision(intents=(1,)),
    "a cancel that is wanted": with_decision(cancels=("a",)),
    "a top-up that is wanted": with_decision(top_ups={PERP: Decimal(1)}),
    "an exit that the gate refuses": {"verdicts": (Refused(cast(Any, None), cast(Any, None)),)},
    "an exit that is closing": with_memory(exits=(SimpleNamespace(closing="exit_stop"),)),
    "a position without a quote": {"snapshot": Snapshot(0, {}, {})},
    "a position without a mark": {"snapshot": answers(None)},
    "a position with an unsound quote": {"snapshot": answers(MARK, bid=Decimal("NaN"))},
    "a position whose account has no mark": with_truth(account=account(position(Decimal(0)))),
    "a holding that cannot be read": with_truth(account=account(position(), unreadable=frozenset({"perp:X"}))),
    "no policy to judge prices by": {"policy": None},
}  # fmt: skip


@pytest.mark.parametrize("what", UNDER_WAY)
def test_whatever_is_under_way_keeps_the_period(what: str) -> None:
    guards = run(lambda one: one.guards_until(35), result=calm_result(**UNDER_WAY[what]))
    assert guards == pytest.approx([10, 20, 30], abs=0.01)


def test_stops_that_rest_are_no_reason_to_look() -> None:
    resting = with_truth(working=(order(OrderState.OPEN, OrderType.STOP),))
    assert len(run(lambda one: one.guards_until(35), result=calm_result(**resting))) == 1


def test_a_turn_that_came_to_nothing_keeps_the_period() -> None:
    async def scenario(one: Run) -> list[float]:
        one.result = None
        return await one.guards_until(35)

    assert run(scenario) == pytest.approx([10, 20, 30], abs=0.01)


def test_a_stream_that_is_not_fresh_keeps_the_period_and_one_that_ceases_to_be_ends_a_rest() -> None:
    stream = FakeStream()

    async def scenario(one: Run) -> list[float]:
        one.loop.call_later(50, lambda: setattr(stream, "is_fresh", False))
        return await one.guards_until(75)

    assert run(scenario, [stream, FakeStream("account")]) == pytest.approx([10, 50, 60, 70], abs=1.1)


def test_a_mark_that_is_not_told_any_more_ends_a_rest() -> None:
    async def scenario(one: Run) -> list[float]:
        one.loop.call_later(50, lambda: setattr(one, "speaks", False))
        return await one.guards_until(85)

    age_s = PRICE_AGE_MAX_MS / 1000
    assert run(scenario) == pytest.approx([10, 50 + age_s, 60 + age_s, 70 + age_s], abs=2.1)


def test_prices_told_again_and_again_from_an_earlier_time_are_none() -> None:
    async def scenario(one: Run) -> list[float]:
        one.speaks = False
        for second in range(80):
            one.loop.call_later(second, lambda: one.tell("100", age_ms=PRICE_AGE_MAX_MS + 1))
            one.loop.call_later(second, lambda: one.tell("50", age_ms=PRICE_AGE_MAX_MS + 1))
        return await one.guards_until(75)

    assert run(scenario) == pytest.approx([10, 20, 30, 40, 50, 60, 70], abs=0.01)


@pytest.mark.parametrize("price", ["95", "94.9", "105", "200"])
def test_a_price_that_leaves_its_band_ends_the_wait_at_once(price: str) -> None:
    async def scenario(one: Run) -> list[float]:
        one.loop.call_later(50.5, lambda: one.tell(price))
        return await one.guards_until(60)

    assert run(scenario) == pytest.approx([10, 50.5], abs=0.001)


@pytest.mark.parametrize(("mark", "is_near"), [("98.2", True), ("98.3", False), ("101.8", True), ("101.7", False)])
def test_a_mark_next_to_an_exit_level_keeps_the_period(
    mark: str, is_near: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bands = {PERP: PriceRange(Decimal(95), Decimal(105), Decimal(98), Decimal(102))}
    monkeypatch.setattr("bot.runtime.streams.pace.wake_levels", lambda *_: bands)

    async def scenario(one: Run) -> list[float]:
        one.loop.call_later(50.5, lambda: setattr(one, "mark", mark))
        return await one.guards_until(83)

    assert run(scenario) == pytest.approx([10, 51, 61, 71, 81] if is_near else [10], abs=1.1)


def test_news_of_the_account_ends_the_wait_and_keeps_the_period_for_a_while() -> None:
    async def scenario(one: Run) -> list[float]:
        one.loop.call_later(50.5, lambda: one.pace.hear(StreamNews(one.venue_ms())))
        return await one.guards_until(50.5 + ALERT_S + 50)

    guards = run(scenario)
    assert guards[:7] == pytest.approx([10, *(50.5 + 10 * n for n in range(6))], abs=0.001)
    assert len(guards) <= 9


def test_an_older_price_that_comes_late_wakes_nobody() -> None:
    async def scenario(one: Run) -> list[float]:
        one.loop.call_later(50.5, lambda: one.tell("90", age_ms=1_400))
        return await one.guards_until(60)

    assert run(scenario) == pytest.approx([10], abs=0.01)


def test_news_of_before_a_turn_are_answered_by_its_reads() -> None:
    async def scenario(one: Run) -> list[float]:
        one.loop.call_later(9.999, lambda: one.pace.hear(StreamNews(one.venue_ms())))
        return await one.guards_until(15)

    assert len(run(scenario)) == 1


def test_news_of_during_a_turn_are_looked_after() -> None:
    async def scenario(one: Run) -> list[float]:
        one.loop.call_later(10.05, lambda: one.pace.hear(StreamNews(one.venue_ms())))
        return await one.guards_until(15)

    assert run(scenario) == pytest.approx([10, 10.1 + GATHER_S], abs=0.01)


def test_a_storm_of_news_costs_a_few_guards_and_then_the_period() -> None:
    async def scenario(one: Run) -> list[float]:
        for number in range(20_000):
            one.loop.call_later(20 + number / 100, lambda: one.pace.hear(StreamNews(one.venue_ms())))
        return await one.guards_until(220)

    guards = [at for at in run(scenario) if 20 <= at < 220]
    assert len(guards) <= most_guards(200)
    assert max(b - a for a, b in pairwise(guards)) <= PERIOD_S + 0.2


def test_a_storm_of_the_account_takes_no_guard_from_a_price() -> None:
    async def scenario(one: Run) -> list[float]:
        for number in range(3_000):
            one.loop.call_later(20 + number / 100, lambda: one.pace.hear(StreamNews(one.venue_ms())))
        one.loop.call_later(47.3, lambda: one.tell("90"))
        return await one.guards_until(60)

    assert 47.3 in [pytest.approx(at, abs=0.11) for at in run(scenario)]


@pytest.mark.parametrize("price", ["91", "109"])
def test_ordinary_moves_take_no_guard_from_an_exit(price: str) -> None:
    async def scenario(one: Run) -> list[float]:
        for number in range(300):
            one.loop.call_later(20 + number / 10, lambda: one.tell("94"))
        one.loop.call_later(47.35, lambda: one.tell(price))
        return await one.guards_until(60)

    assert 47.35 in [pytest.approx(at, abs=0.11) for at in run(scenario)]


@pytest.mark.parametrize(
    ("price", "symbol", "crossed"),
    [("92", PERP, (PERP,)), ("110", PERP, (PERP,)), ("94", PERP, ()), ("90", "OTHER/USDT:USDT", ())],
)
def test_a_mark_at_an_exit_level_is_named_once_and_forgotten_by_the_next_turn(
    price: str, symbol: str, crossed: tuple[str, ...]
) -> None:
    async def scenario(one: Run) -> Any:
        one.pace.end(one.result)
        one.loop.call_later(0.5, lambda: one.tell(price, symbol=symbol))
        await asyncio.sleep(1)
        named = one.pace.take_crossed(), one.pace.take_crossed()
        one.tell(price, symbol=symbol)
        one.pace.begin()
        return *named, one.pace.take_crossed()

    assert run(scenario) == (crossed, (), ())


def test_health_expects_the_next_guard_by_what_is_under_way(tmp_path: Path) -> None:
    """Ten periods are no limit for the guard that has to place a stop."""

    async def scenario(one: Run) -> list[float]:
        daemon, health = Daemon.__new__(Daemon), Health(tmp_path / "health.json", "trade", "sim")
        numbers = SimpleNamespace(
            cadence=SimpleNamespace(guard_seconds=PERIOD_S),
            execution=SimpleNamespace(timing=SimpleNamespace(settle_deadline_ms=30_000)),
        )
        parts = {"_pace": one.pace, "_health": health, "_settings": numbers}
        for name, part in parts.items():
            setattr(daemon, name, part)
        limits = []
        for result in (calm_result(), calm_result(**UNDER_WAY["a position without a stop"])):
            one.pace.end(result)
            daemon._expect_guard()
            limits.append(health.parts["guard"].late_after)
        return limits

    calm, under_way = run(scenario)
    assert calm - under_way == (CALM_PERIODS - 1) * PERIOD_S


def test_a_price_ends_the_wait_of_news_that_are_gathered() -> None:
    async def scenario(one: Run) -> list[float]:
        one.loop.call_later(10.05, lambda: one.pace.hear(StreamNews(one.venue_ms())))
        one.loop.call_later(10.5, lambda: one.tell("90"))
        return await one.guards_until(12)

    assert run(scenario) == pytest.approx([10, 10.5], abs=0.01)


def test_a_stream_that_is_contradicted_keeps_the_period() -> None:
    async def scenario(one: Run) -> list[float]:
        one.result = calm_result(snapshot=answers(Decimal(97)))
        return await one.guards_until(65)

    assert DISTRUST_S > 60
    assert run(scenario) == pytest.approx([10, 20, 30, 40, 50, 60], abs=0.01)


@pytest.mark.parametrize("price", ["NaN", "sNaN", "Infinity", "-Infinity", "0", "-1", "1E+999999"])
def test_a_price_that_is_none_ends_no_turn_and_is_not_kept(price: str) -> None:
    async def scenario(one: Run) -> list[float]:
        for second in range(60):
            one.loop.call_later(second + 0.5, lambda: one.tell(price))
        return await one.guards_until(75)

    guards = run(scenario)
    if Decimal(price).is_finite() and Decimal(price) > 0:
        assert max(b - a for a, b in pairwise(guards)) <= PERIOD_S + 0.2, "a price, and one that is contradicted"
    else:
        assert guards == pytest.approx([10], abs=0.01), "the sound prices beside it let the guard rest"


@pytest.mark.parametrize("ahead_ms", [PRICE_AGE_MAX_MS + 1, 86_400_000, 10**18])
def test_a_price_from_the_future_does_not_keep_out_those_of_now(ahead_ms: int) -> None:
    async def scenario(one: Run) -> list[float]:
        one.loop.call_later(5.5, lambda: one.tell("100", age_ms=-ahead_ms))
        one.loop.call_later(50.5, lambda: one.tell("90"))
        return await one.guards_until(60)

    assert run(scenario) == pytest.approx([10, 50.5], abs=0.01)


def test_a_turn_that_cannot_be_judged_keeps_the_period(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ArithmeticError("no level")

    monkeypatch.setattr("bot.runtime.streams.pace.wake_levels", fail)
    with capture_logs() as logs:
        assert run(lambda one: one.guards_until(45)) == pytest.approx([10, 20, 30, 40], abs=0.01)
    assert [line["event"] for line in logs] == ["turn_not_judged"], "said once"


def test_the_limit_is_that_of_the_period_while_something_is_under_way() -> None:
    async def scenario(one: Run) -> list[float]:
        limits = [one.pace.limit_s]
        for result in (calm_result(), calm_result(**UNDER_WAY["a position without a stop"]), calm_result(), None):
            one.pace.end(result)
            limits.append(one.pace.limit_s)
        return limits

    calm_s = CALM_PERIODS * PERIOD_S
    assert run(scenario) == [PERIOD_S, calm_s, PERIOD_S, calm_s, PERIOD_S]


def test_prices_are_kept_of_what_is_held_only() -> None:
    async def scenario(one: Run) -> int:
        for number in range(10_000):
            one.tell("1", symbol=f"T{number}/USDT")
        await one.guards_until(12)
        return len(one.pace._prices)

    assert run(scenario) == 1


def test_a_stream_that_fails_is_run_again() -> None:
    stream = FakeStream(failures=[RuntimeError("a"), ValueError("b")])

    async def scenario(one: Run) -> None:
        task = asyncio.create_task(one.pace.run())
        await asyncio.sleep(200)
        assert not task.done()
        task.cancel()

    run(scenario, [stream])
    assert not stream.failures


def test_a_stop_ends_the_wait_at_once() -> None:
    async def scenario(one: Run) -> tuple[bool, float]:
        one.loop.call_later(3.3, one.stop.set)
        return await one.pace.wait(one.stop), one.loop.time()

    assert run(scenario) == (True, pytest.approx(3.3, abs=0.001))


def most_guards(seconds: float) -> float:
    """Those of the period, and those of every cause's budget."""
    periods = seconds / PERIOD_S
    return 1 + periods + sum(most + periods / each for most, each in BUDGETS.values())


LIE = st.tuples(
    st.floats(0, 300), st.sampled_from(["news", "90", "100", "110", "109", "stale", "dead", "fresh", "quiet", "loud"])
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LIE, max_size=60), st.sampled_from(["calm", "busy"]))
def test_whatever_streams_do_guards_come_neither_too_late_nor_too_often(
    lies: list[tuple[float, str]], mood: str
) -> None:
    stream = FakeStream()

    async def scenario(one: Run) -> list[float]:
        if mood == "busy":
            one.result = calm_result(breakers=(1,))
        for at, lie in lies:
            one.loop.call_later(at, lambda lie=lie: _tell(one, stream, lie))
        return await one.guards_until(400)

    guards = run(scenario, [stream])
    moments = [0.0, *guards, 400.0]
    assert max(b - a for a, b in pairwise(moments)) <= CALM_PERIODS * PERIOD_S + 1.2
    assert len(guards) <= most_guards(400)


def _tell(one: Run, stream: FakeStream, lie: str) -> None:
    if lie in ("dead", "fresh"):
        stream.is_fresh = lie == "fresh"
    elif lie in ("quiet", "loud"):
        one.speaks = lie == "loud"
    elif lie == "news":
        one.pace.hear(StreamNews(one.venue_ms()))
    else:
        one.tell("90" if lie == "stale" else lie, age_ms=60_000 if lie == "stale" else 0)
