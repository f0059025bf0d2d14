"""Every position that the exchange reports has a full-size stop inside its liquidation, or entries stop.

Leverage above what the policy ever sets, and cross margin, stop entries as well.
"""

from decimal import Decimal
from typing import Any

from bot.domain.instrument import Side
from bot.domain.order import OrderType
from bot.domain.reason import Reason
from bot.domain.states import KillLevel
from bot.execution.rules import ExecutionTiming
from tests.sim.faults import Kind
from tests.sim.hooks import Rule
from tests.sim.wire import ACCOUNT
from tests.sim.world import Life

TURNS = 3  # successful turns in a row that saw the same position: one asks, one finds, one is for a lag
PROOF_SECONDS = (
    2 * ExecutionTiming().stop_proof_ms / 1000 + 60
)  # a proof holds, is asked again in vain, and a slow turn


class PositionsAreGuarded(Rule):
    """Judged of positions, hedges among them, that several turns in a row have seen as the exchange has them now."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._seen: dict[str, tuple[Any, int]] = {}
        self._turn, self._withdrawn, self._cancels = 0, dict[str, int](), set[str]()
        self._born = self._judged = 0.0

    def at_start_of_life(self, life: Life) -> None:
        self._seen, self._withdrawn, self._cancels = {}, {}, set()
        self._born = self.world.loop.time()

    def on_cancel(self, client_id: str) -> None:
        """A switch at this level takes the stops away on purpose: turns before it say nothing of those after it. So
        does the turn that replaces a stop, or closes a part of its position, unless one a moment ago took a stop away
        as well. A cancel that the exchange has not executed takes none away."""
        life, request = self.world.life, self.checkers._posted.get(client_id)
        if life is not None and life.app.kill.level().severity >= KillLevel.CANCEL_ALL.severity:
            self._seen = {}
        if request is not None and self._turn - self._withdrawn.get(request.symbol, -TURNS) >= TURNS:
            self._cancels.add(request.symbol)
            self._seen.pop(request.symbol, None)

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        held_now = {held.symbol: held for held in self.world.exchange.positions(ACCOUNT)}
        for symbol in self._cancels & held_now.keys():
            if not self._is_covered(symbol, held_now[symbol].size, None):
                self._withdrawn[symbol] = self._turn
        self._turn, self._cancels = self._turn + 1, set()
        if result is None or result.kill is not KillLevel.OFF:
            self._seen = {}
            return
        reported = result.portfolio.account.positions
        # Of both sides of a symbol in hedge mode the larger one is what the bot sees, and guards first.
        largest = sorted(self.world.exchange.positions(ACCOUNT), key=lambda held: (held.symbol, abs(held.size)))
        current = {held.symbol: held for held in largest}
        seen = {}
        for symbol, held in current.items():
            if symbol not in reported or reported[symbol].size != held.size:
                continue
            # A position that was closed and opened again is another one, however alike.
            state = (held.size, reported[symbol].liquidation_price, held.updated_ms)
            # Nor do turns before somebody withdrew its stop say anything of those after it.
            before = None if self.world.wire.withdrawn.get(symbol, -1.0) > self._judged else self._seen.get(symbol)
            seen[symbol] = (state, before[1] + 1 if before is not None and before[0] == state else 1)
        self._seen, self._judged = seen, self.world.loop.time()
        is_stopped = any(note.reason is Reason.POSITION_UNGUARDED for note in result.breakers)
        for symbol, (state, turns) in seen.items():
            if turns >= TURNS and not is_stopped and not self._is_covered(symbol, *state[:2]) and self._shows(symbol):
                words = f"{symbol} {state[0]}, liquidation {state[1]}, {turns} turns"
                self.world.violate("every position is stopped inside its liquidation or entries stop", words)

    def _shows(self, symbol: str) -> bool:
        """While the list of open orders is minutes behind, a stop that was withdrawn by hand is noticed when its own
        endpoint is asked next; while that endpoint stands still, when what it says is no proof any more. Until then,
        and not a moment longer, nothing shows it."""
        wire = self.world.wire
        is_behind = wire.blind is Kind.LAG_OPEN or wire.list_stale_since is not None
        is_behind = is_behind or wire.order_stale_since is not None
        if not is_behind or symbol not in wire.withdrawn:
            return True
        return self.world.loop.time() - max(wire.withdrawn[symbol], self._born) > PROOF_SECONDS

    def _is_covered(self, symbol: str, size: Decimal, liquidation: Decimal | None) -> bool:
        sign = 1 if size > 0 else -1
        for order in self.world.exchange.open_orders(ACCOUNT, symbol, is_trigger=True):
            trigger = order.trigger_price
            is_inside = liquidation is None or trigger is None or (trigger - liquidation) * sign > 0
            is_stop = order.type is OrderType.STOP
            if is_stop and order.side is Side.of(-size) and order.size - order.filled_size >= abs(size) and is_inside:
                return True
        return False


class LeverageIsJudged(Rule):
    """Judged of the account that the turn ended with, which the turn after it decides by.

    A position whose row cannot be read is what the books say: the venue has not said its margin mode. Entries stop for
    the row, and what was found before stays.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._seen: dict[str, str] = {}

    def at_start_of_life(self, life: Life) -> None:
        self._seen = {}

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if result is None or result.kill is not KillLevel.OFF:
            self._seen = {}
            return
        memory, seen = result.decision.memory, {}
        owned = {held.symbol for held in memory.exits} | set(memory.hedges)
        account = result.portfolio.account
        for symbol, held in account.positions.items():
            is_listed = symbol in self.world.exchange.instruments  # of a removed one the exchange says nothing
            if (
                is_listed
                and not account.is_unread(held)
                and held.size
                and symbol in owned
                and (words := self._differing(symbol, held))
            ):
                seen[symbol] = words
        is_stopped = any(note.reason is Reason.LEVERAGE_DIFFERS for note in result.breakers)
        for symbol, words in seen.items():
            if self._seen.get(symbol) == words and not is_stopped:
                self.world.violate("leverage that was not set stops entries", f"{symbol}: {words}")
        self._seen = seen

    def _differing(self, symbol: str, reported: Any) -> str:
        """What both the exchange and the account that the bot was given say of the position."""
        config = self.world.exchange.symbol_config(ACCOUNT, symbol)
        if not reported.is_isolated and not config.is_isolated:
            return "cross margin"
        settings = self.world.settings_now()
        most = max(settings.risk.position_leverage_max, settings.playbook.hedging.leverage)
        is_more = reported.leverage is not None and reported.leverage == config.leverage > most
        return f"{config.leverage}x" if is_more else ""


RULES = (PositionsAreGuarded, LeverageIsJudged)
