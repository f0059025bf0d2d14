"""When the next guard is due: on its period, at once on a stream event, later while streams are fresh.

A stream never decides: it ends a wait, and the guard that follows reads the venue as any other. However often streams
speak, prices and the account have a budget of guards each; and whatever they do or leave out, a guard comes within
`CALM_PERIODS` periods.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

import structlog

from bot.domain.market import Snapshot
from bot.domain.portfolio import Position
from bot.domain.states import KillLevel, OrderState
from bot.domain.symbol import is_perp
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.wake_levels import PriceRange, wake_levels
from bot.ports import Stream, StreamNews, StreamState
from bot.risk import Refused
from bot.runtime.cycle import CycleResult

CALM_PERIODS = 10
"""With fresh streams and nothing under way, so many of a guard's periods pass between two looks at the venue."""
ALERT_S = 60.0
"""How long the period stays what it is after news: the venue's answers may lag behind its streams."""
PRICE_AGE_MAX_MS = 10_000
GATHER_S = 1.0
"""News of the account that come with a turn are answered together, so much later."""
DIFFERENCE_MAX = Decimal("0.02")
DISTRUST_S = 600.0
"""A price that the venue contradicts, or one that we were not told of, keeps the period for so long."""
CHECK_S = 1.0
SHORTEST_S = 0.001
RESTART_S = 30.0
_log = structlog.get_logger("sectorbot.streams")


class Cause(StrEnum):
    """What a stream has spoken of, as far as guards are counted by it."""

    ACCOUNT = "account"
    EXIT = "exit"
    PRICE = "price"


BUDGETS: Mapping[Cause, tuple[int, int]] = {Cause.EXIT: (5, 1), Cause.PRICE: (3, 3), Cause.ACCOUNT: (3, 3)}
"""Guards that a cause may start at once, and in how many periods it gets one back. Each has its own, so that neither
ordinary moves of prices nor what orders of ours say of themselves take anything from an exit."""


class GuardPace:
    """Times the guards of one run.

    Args:
        period_s: from one guard to the next without streams.
        streams: none where they are off.
        venue_ms: the venue's time.
        now: seconds that never go back.
    """

    def __init__(
        self,
        period_s: float,
        streams: Sequence[Stream] = (),
        *,
        venue_ms: Callable[[], int],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._period_s, self._streams, self._venue_ms, self._now = period_s, tuple(streams), venue_ms, now
        self._ranges: Mapping[str, PriceRange] = {}
        self._prices: dict[str, StreamNews] = {}
        self._news = asyncio.Event()
        self._is_calm, self._problem = False, ""
        self._guarded_s = self._looked_s = self._alert_until_s = self._wakes_s = now()
        self._wakes = {cause: float(most) for cause, (most, _) in BUDGETS.items()}
        self._heard: set[Cause] = set()
        self._crossed: set[str] = set()

    @property
    def longest_s(self) -> float:
        """The longest time between two guards."""
        return self._period_s * (CALM_PERIODS if self._streams else 1)

    @property
    def limit_s(self) -> float:
        """The longest time until the next guard, after what the latest turn has found."""
        return self.longest_s if self._is_calm else self._period_s

    async def run(self) -> None:
        """Every stream until cancelled, each again after a failure."""
        async with asyncio.TaskGroup() as group:
            for stream in self._streams:
                group.create_task(self._keep_running(stream), name=f"stream {stream.name}")

    def hear(self, news: StreamNews) -> None:
        """Take note of what a stream says; returns at once. A price that is not a positive number, is not of now, or is
        older than one that is known is dropped: it is neither kept nor compared, and cannot keep out a later one."""
        if news.price is None:
            self._wake(Cause.ACCOUNT)
            return
        if not (news.price.is_finite() and news.price > 0 and self._is_current(news)):
            return
        known = self._prices.get(news.symbol)
        if known is not None and news.at_ms <= known.at_ms:
            return
        self._prices[news.symbol] = news
        bounds = self._ranges.get(news.symbol)
        if bounds is not None and not bounds.holds(news.price):
            is_exit = bounds.has_exit_at(news.price)
            if is_exit and is_perp(news.symbol):
                self._crossed.add(news.symbol)
            self._wake(Cause.EXIT if is_exit else Cause.PRICE)

    def take_crossed(self) -> tuple[str, ...]:
        """The perps whose mark has reached an exit level since the latest turn began, each time once."""
        crossed, self._crossed = tuple(sorted(self._crossed)), set()
        return crossed

    def begin(self) -> None:
        """A turn begins, and its reads come after whatever was heard."""
        self._news.clear()
        self._heard.clear()
        self._crossed.clear()

    def end(self, result: CycleResult | None) -> None:
        """A turn has ended; None when it came to nothing. Its answers, and nothing that a stream has said, make the
        bands of prices until the next. It never raises: after what it cannot judge, guards keep their period."""
        self._looked_s, self._is_calm = self._now(), False
        if result is None or not self._streams or result.policy is None:
            return
        try:
            self._judge(result, result.policy)
        except Exception as error:  # noqa: BLE001 - when to look next never ends the bot, which looks on its period
            self._is_calm, problem = False, f"{type(error).__name__}: {error}"
            if problem != self._problem:
                _log.error("turn_not_judged", why=problem, what="guards keep their period")
            self._problem = problem

    def _judge(self, result: CycleResult, policy: Policy) -> None:
        """What the turn's answers say about when to look next."""
        account = result.truth.account
        self._ranges = wake_levels(result.decision.memory, account, result.snapshot, policy)
        self._prices = {symbol: news for symbol, news in self._prices.items() if symbol in self._ranges}
        self._compare(result)
        self._is_calm, self._problem = is_calm(result), ""

    async def wait(self, stop: asyncio.Event) -> bool:
        """Until the next guard is due; whether the process was asked to end meanwhile."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set() and (seconds := self._seconds_left()) > SHORTEST_S:
                self._news.clear()  # what was heard before has been taken into account
                hearing = asyncio.ensure_future(self._news.wait())
                try:
                    await asyncio.wait({stopping, hearing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    hearing.cancel()
        finally:
            stopping.cancel()
        self._guarded_s = self._now()
        return stop.is_set()

    def report(self) -> Mapping[str, Mapping[str, object]]:
        """How each stream is doing, by name, as the health file has it."""
        return {stream.name: _row(stream.state()) for stream in self._streams}

    def _seconds_left(self) -> float:
        """Until the next guard, or until this has to be asked again. A wake that makes one due is spent."""
        now_s = self._now()
        left_s = self._guarded_s + self._period_s - now_s
        if self._heard:
            return min(left_s, self._seconds_to_wake(now_s))
        if self._may_rest(now_s):
            resting_s = max(self._guarded_s, self._looked_s) + self.longest_s - now_s
            return min(resting_s, CHECK_S)
        return left_s

    def _seconds_to_wake(self, now_s: float) -> float:
        """Until one of the causes that were heard may start a guard; 0 when one does, which is spent."""
        passed, self._wakes_s = (now_s - self._wakes_s) / self._period_s, now_s
        for cause, (most, periods) in BUDGETS.items():
            self._wakes[cause] = min(most, self._wakes[cause] + passed / periods)
        waits: list[float] = []
        for cause in sorted(self._heard):
            wait_s = (1 - self._wakes[cause]) * BUDGETS[cause][1] * self._period_s
            if cause is Cause.ACCOUNT:
                wait_s = max(wait_s, self._looked_s + GATHER_S - now_s)
            if wait_s <= SHORTEST_S:
                self._wakes[cause] -= 1
                return 0.0
            waits.append(wait_s)
        return max(2 * SHORTEST_S, min(waits))

    def _may_rest(self, now_s: float) -> bool:
        """Whether the guard may wait for longer than its period: nothing is under way, every stream is fresh, and the
        mark of every perp that is held is known, of now, and not next to an exit level: the venue's connections have
        closed after a long wait, and an exit would open them first. Spot that does not trade says nothing."""
        if not self._streams or not self._is_calm or now_s < self._alert_until_s:
            return False
        if not all(stream.state().is_fresh for stream in self._streams):
            return False
        return all(self._is_quiet(symbol, bounds) for symbol, bounds in self._ranges.items() if is_perp(symbol))

    def _is_quiet(self, symbol: str, bounds: PriceRange) -> bool:
        news = self._prices.get(symbol)
        if news is None or news.price is None or not self._is_current(news):
            return False
        return not bounds.is_near_exit(news.price)

    def _is_current(self, news: StreamNews) -> bool:
        return abs(self._venue_ms() - news.at_ms) <= PRICE_AGE_MAX_MS

    def _wake(self, cause: Cause) -> None:
        self._alert_until_s = max(self._alert_until_s, self._now() + ALERT_S)
        if cause not in self._heard:
            self._heard.add(cause)
            self._news.set()

    def _compare(self, result: CycleResult) -> None:
        """Trust no stream for a while that says something else than the venue has answered."""
        for symbol, news in self._prices.items():
            answer = result.snapshot.price(symbol)
            if news.price is None or answer is None or not self._is_current(news):
                continue
            if abs(news.price - answer) > DIFFERENCE_MAX * answer:
                self._alert_until_s = self._now() + DISTRUST_S
                what = f"{symbol}: the stream says {news.price}, the venue {answer}; guards keep their period"
                _log.warning("stream_contradicted", what=what, seconds=DISTRUST_S)
                return

    async def _keep_running(self, stream: Stream) -> None:
        while True:
            try:
                await stream.run(self.hear)
            except Exception as error:  # noqa: BLE001 - a stream never ends the bot, which polls without it
                why = f"{type(error).__name__}: {error}"
                _log.error("stream_failed", stream=stream.name, why=why, what="guards keep their period without it")
            await asyncio.sleep(RESTART_S)


def _row(state: StreamState) -> Mapping[str, object]:
    return {
        "is_fresh": state.is_fresh,
        "silent_seconds": round(state.silent_seconds, 1),
        "connections": state.connections,
        "messages": state.messages,
        "problem": state.problem,
    }


def is_calm(result: CycleResult) -> bool:
    """Whether nothing is under way that a guard has to look after: only stops rest, books agree, no rotation runs, and
    nothing is wanted that has not come about. What the gate refuses has no outcome and is wanted all the same."""
    memory, campaign = result.decision.memory, result.decision.campaign
    has_watched = memory.unguarded or memory.stops_asked or memory.leverage_wrong or memory.opening
    resting = all(order.state is OrderState.OPEN and order.order_type.is_trigger for order in result.truth.working)
    is_over = campaign is None or campaign.is_over
    truth = result.truth
    is_settled = truth.is_agreed and not truth.unseen and not truth.locked and result.kill is KillLevel.OFF
    has_done = result.outcomes or result.notes or result.breakers
    decision = result.decision
    is_refused = any(isinstance(verdict, Refused) for verdict in result.verdicts)
    has_wanted = decision.intents or decision.cancels or decision.top_ups or is_refused
    is_closing = any(held.closing for held in memory.exits)
    is_known = not truth.account.unreadable and all(
        _has_mark(position, result.snapshot) for position in truth.account.positions.values() if position.size
    )
    is_idle = not (has_watched or has_done or has_wanted or is_closing)
    return bool(is_settled and resting and is_over and is_idle and is_known)


def _has_mark(position: Position, snapshot: Snapshot) -> bool:
    """Whether both answers of the venue say what a perp that is held is worth, so that its exits could be judged."""
    quote = snapshot.quotes.get(position.symbol)
    is_quoted = quote is not None and quote.mark is not None and quote.defect() is None
    return is_quoted and position.mark_price.is_finite() and position.mark_price > 0
