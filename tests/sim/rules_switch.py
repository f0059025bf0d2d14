"""The kill switch under every fault: it acts within its bound, leaves protective stops, lets exits go on, and a flatten
that is called off ends."""

from typing import Any

from bot.domain.order import Purpose, is_exit
from bot.domain.reason import Reason
from bot.domain.states import KillLevel, OrderState
from bot.ports import OrderRequest
from bot.risk import Refused
from tests.sim.faults import Kind
from tests.sim.hooks import Rule
from tests.sim.wire import ACCOUNT
from tests.sim.world import Life

BOUND_SECONDS = 3.0  # from the level in force to the first request, in virtual time
RETRY_SECONDS = 6.0  # after a venue has come back, or a throttle has let go
# An answer of these forbids every request for a while: the switch waits as everything else does.
BANS = frozenset({Kind.STATUS_418, Kind.STATUS_REFUSED, Kind.READ_LIMITED})


class SwitchActsInTime(Rule):
    """When a level comes into force, the cancel of everything that may not live at it leaves within the bound; where
    the venue is dark, as soon as it is back."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._acted = KillLevel.OFF
        self._asked: dict[str, float] = {}
        self._due: list[tuple[Life, float, KillLevel, frozenset[str]]] = []

    def at_start_of_life(self, life: Life) -> None:
        self._acted, self._due = KillLevel.OFF, []
        watch, resume = life.watch_switch, life.on_resume

        def watched() -> None:
            self._on_rise(life)
            watch()

        async def resumed() -> None:
            self._acted = KillLevel.OFF
            await resume()

        life.watch_switch, life.on_resume = watched, resumed  # type: ignore[method-assign]

    def on_cancel(self, client_id: str) -> None:
        self._asked[client_id] = self.world.loop.time()

    def _on_rise(self, life: Life) -> None:
        level = life.app.kill.level()
        if not life.is_watched:
            self._acted = KillLevel.OFF
        if level.severity <= self._acted.severity:
            return
        self._acted = level
        due = frozenset(
            order.client_id
            for order in self.checkers._reader.load_working()
            if order.is_withdrawn_at(level) and order.state in (OrderState.OPEN, OrderState.CANCELING)
        )
        if due and not (BANS & self.world.plan.kinds) and not self.world.plan.counts[Kind.SILENCE_ASKED]:
            self._due.append((life, self.world.loop.time(), level, due))
            self.world.loop.call_later(BOUND_SECONDS, self._judge, life)

    def _judge(self, life: Life) -> None:
        """What is due by now and was never asked for."""
        if self.world.plan.counts[Kind.SILENCE_ASKED]:
            return
        now = self.world.loop.time()
        dark_until = max(getattr(self.world, "dark_until", 0.0), self.world.wire.held_until)
        for item in [item for item in self._due if item[0] is life]:
            _, since, level, names = item
            allowed = max(since + BOUND_SECONDS, dark_until + RETRY_SECONDS if dark_until > since else 0.0)
            if now < allowed:
                self.world.loop.call_later(allowed - now, self._judge, life)
                continue
            self._due.remove(item)
            is_over = (
                life.doom.is_dead or self.world.life is not life or life.app.kill.level().severity < level.severity
            )
            missing = [n for n in sorted(names) if self._asked.get(n, -1.0) < since and self._is_open(n)]
            if missing and not is_over:
                words = f"{', '.join(missing)} not asked to be withdrawn {now - since:.1f} s after {level}"
                self.world.violate("the switch acts within its bound", words)

    def _is_open(self, client_id: str) -> bool:
        order = self.checkers._reader.load_order(client_id)
        if order is None:
            return False
        theirs = self.world.exchange.order(ACCOUNT, order.symbol, client_id=client_id)
        return theirs is not None and theirs.is_open


class CancelLeavesExits(Rule):
    """At `cancel` no protective stop is withdrawn but one that the exits replace, and no exit is refused."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._replaced: set[str] = set()
        self._asked: set[str] = set()
        self._before: dict[str, Any] = {}

    def at_start_of_life(self, life: Life) -> None:
        cycle: Any = life.app.cycle
        cancel = cycle._cancel

        async def noted(client_ids: Any) -> None:
            self._replaced |= set(client_ids)
            await cancel(client_ids)

        cycle._cancel = noted

    def on_cancel(self, client_id: str) -> None:
        order, life = self.checkers._reader.load_order(client_id), self.world.life
        is_known = client_id in self._replaced or client_id in self._asked
        self._asked.add(client_id)
        if order is None or life is None or life.app.kill.level() is not KillLevel.CANCEL:
            return
        approved = [a for name, a in self.checkers._current.items() if self._before.get(name) is not a]
        exits = {a.intent.symbol for a in approved if a.intent.purpose is Purpose.EXIT}  # it may stand in their way
        if order.is_exit and not is_known and order.symbol not in exits:
            self.world.violate("cancel leaves protective stops", f"{client_id} {order.symbol}")

    def before_turn(self, life: Life, kind: str) -> None:
        self._before = dict(self.checkers._current)

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        self._before = dict(self.checkers._current)
        if result is None or result.kill is not KillLevel.CANCEL:
            return
        for verdict in result.verdicts:
            is_refused = isinstance(verdict, Refused) and verdict.note.reason is Reason.KILL_SWITCH
            if is_refused and is_exit(verdict.intent):
                self.world.violate("exits go on at cancel", f"{verdict.intent.id} {verdict.note.words}")


class FlattenEndsWhenCalledOff(Rule):
    """No order that flattens leaves at any other level."""

    def on_submit(self, request: OrderRequest) -> None:
        order, life = self.checkers._reader.load_order(request.client_id), self.world.life
        if order is None or life is None or order.purpose is not Purpose.FLATTEN:
            return
        level = life.app.kill.level()
        if level is not KillLevel.FLATTEN:
            self.world.violate("a flatten ends when it is called off", f"{request.client_id} at {level}")


RULES = (SwitchActsInTime, CancelLeavesExits, FlattenEndsWhenCalledOff)
