"""Settings of the account and refusals that do not pass: what is found stops entries, and is not asked for again."""

from typing import Any

from bot.domain.instrument import Side
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.domain.states import LegState
from bot.ports import OrderRequest
from tests.sim.hooks import Rule
from tests.sim.wire import ACCOUNT
from tests.sim.world import Life

FOUND_SECONDS = 300.0  # after the time between two checks: the turns around it
MINUTE = DOUBT_SETTLES = 60.0
_ENTRIES = (Purpose.HEDGE, Purpose.INCREASE, Purpose.TACTICAL, Purpose.TACTICAL_SHORT, Purpose.SCALP)


class NoEntryWithAWrongSetting(Rule):
    """While the account has been in hedge or multi-assets mode for longer than a check may take, or the bot says that a
    setting is wrong, nothing is opened."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._wrong_since: float | None = None
        self._said: tuple[str, ...] = ()

    def at_start_of_life(self, life: Life) -> None:
        self._said = ()

    def before_turn(self, life: Life, kind: str) -> None:
        modes = self.world.exchange.modes(ACCOUNT)
        is_wrong = modes.is_hedge_mode or modes.is_multi_assets
        if not is_wrong:
            self._wrong_since = None
        elif self._wrong_since is None:
            self._wrong_since = self.world.loop.time()
        self._said = life.app.cycle.account_watch.blocking

    def on_submit(self, request: OrderRequest) -> None:
        life = self.world.life
        if life is None or request.reduce_only or (":" not in request.symbol and request.side is Side.SELL):
            return
        bound = self.world.settings_now().venue.timing.account_check_seconds + FOUND_SECONDS
        is_old = self._wrong_since is not None and self.world.loop.time() - self._wrong_since > bound
        said = set(self._said) & set(life.app.cycle.account_watch.blocking)
        if is_old or said:
            why = "; ".join(sorted(said)) or f"wrong since {self._wrong_since}"
            self.world.violate("nothing is opened with a wrong setting", f"{request.client_id} {request.symbol}: {why}")


class RefusedForGoodIsNotAskedAgain(Rule):
    """A leg whose entry was refused for a reason that does not pass sends no further order in the same life."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._refused: set[str] = set()

    def at_start_of_life(self, life: Life) -> None:
        self._refused = set()

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if result is None or result.decision.campaign is None:
            return
        legs = f"{result.decision.campaign.number}."
        self._refused |= {
            outcome.intent.id
            for outcome in result.outcomes
            if outcome.refused_for_good and outcome.intent.purpose in _ENTRIES and outcome.intent.id.startswith(legs)
        }

    def on_submit(self, request: OrderRequest) -> None:
        order = self.checkers._reader.load_order(request.client_id)
        if order is not None and order.intent_id in self._refused:
            words = f"{request.client_id} for {order.intent_id}"
            self.world.violate("what was refused for good is not asked again", words)

    def journal_replaced(self) -> None:
        self._refused = set()


class SalesDoNotWaitForTheirHedge(Rule):
    """A rotation's sales are blocked by its hedge for the bound, the time in which a doubt is settled and a few turns,
    not longer; and hedges that end in doubt hold them back in one batch, not in the next one as well.

    A cycle is judged by when it began: it decides by what it reads then, and what it sends may take minutes more."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._waiting: tuple[tuple[int, int], float, int] | None = None
        self._held, self._began = 0, 0.0

    def before_turn(self, life: Life, kind: str) -> None:
        if kind == "cycle":
            self._began = self.world.loop.time()

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if result is None or kind != "cycle":
            return
        sales = [one for one in result.outcomes if one.intent.purpose is Purpose.REDUCE]
        if sales:
            behind_doubt = [not s.client_ids and any(n.reason is Reason.ORDER_IN_DOUBT for n in s.notes) for s in sales]
            is_held = all(behind_doubt)
            self._held = self._held + 1 if is_held else 0
        if self._held > 1:
            self.world.violate("sales do not wait for their hedge", f"held back in {self._held} batches on end")
        campaign = result.decision.campaign
        current = campaign.current if campaign is not None and not campaign.is_over else None
        legs = current.legs if current is not None else ()
        is_hedging = any(leg.purpose is Purpose.HEDGE and not leg.state.is_over for leg in legs)
        is_blocked = any(leg.purpose is Purpose.REDUCE and leg.state is LegState.BLOCKED for leg in legs)
        is_exiting = any(leg.purpose is Purpose.EXIT and not leg.state.is_over for leg in legs)
        if campaign is None or current is None or not is_hedging or not is_blocked or is_exiting:
            self._waiting = None
            return
        key, now = (campaign.number, current.index), self.world.loop.time()
        if self._waiting is None or self._waiting[0] != key:
            self._waiting = (key, now, 0)
        _, since, turns = self._waiting
        self._waiting = (key, since, turns + 1)
        bound = result.policy.rotation.hedge_wait_minutes * MINUTE + DOUBT_SETTLES
        if self._began - since > bound and turns > 5:
            words = f"campaign {key[0]}, tranche {key[1]}: {self._began - since:.0f} s, {turns} cycles"
            self.world.violate("sales do not wait for their hedge", words)

    def at_start_of_life(self, life: Life) -> None:
        self._held = 0

    def journal_replaced(self) -> None:
        self._waiting = None


RULES = (NoEntryWithAWrongSetting, RefusedForGoodIsNotAskedAgain, SalesDoNotWaitForTheirHedge)
