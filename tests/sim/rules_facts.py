"""Nothing blinded: a row or a symbol that cannot be read costs its own instrument its entries, and nobody a turn."""

from typing import Any

from bot.domain.instrument import Side
from bot.domain.symbol import base_of, is_perp
from bot.ports import OrderRequest
from bot.runtime.cycle import Observation
from bot.runtime.turn import TurnPlan
from tests.sim.faults import Kind
from tests.sim.hooks import PlanRule, Rule
from tests.sim.world import Life

OURS = (Kind.BAD_ROW, Kind.SYMBOL_REFUSED)
OTHERS_LAST = 3_600.0  # s after which nothing else that has gone wrong still lasts
WAIT = 10.0  # s; a turn that lasts longer waits for the bot's own limits of requests
HOLDINGS = ("positions", "balances", "open orders")  # read before a turn decides anything


class OneBadRowTakesNoTurn(Rule):
    """A turn ends with a result while nothing else has gone wrong for an hour."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._others, self._since, self._began = -1, 0.0, 0.0

    def _count(self) -> float:
        """Seconds since anything else went wrong."""
        counts, now = self.world.plan.counts, self.world.loop.time()
        others = counts.total() - sum(counts[kind] for kind in OURS)
        if others != self._others:
            is_first = self._others == -1 and not others
            self._others, self._since = others, -OTHERS_LAST if is_first else now
        return now - self._since

    def before_turn(self, life: Life, kind: str) -> None:
        self._began = self.world.loop.time()
        self._count()

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        is_long = self.world.loop.time() - self._began > WAIT
        if self._count() < OTHERS_LAST or result is not None or life.doom.is_dead or is_long:
            return
        served = sorted({f"{bad.name} of {bad.symbol}" for bad in self.world.bad_rows})  # type: ignore[attr-defined]
        self.world.violate("one bad row takes no turn", f"{kind}, {'; '.join(served) or 'a symbol refused'}")


class NoEntryBesideABadRow(Rule):
    """Nothing is opened in an instrument whose holding or order could not be read before the first order of a turn."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._seen: set[str] | None = None

    def before_turn(self, life: Life, kind: str) -> None:
        self._seen = None

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        self._seen = set()

    def on_submit(self, request: OrderRequest) -> None:
        if self._seen is None:
            bad_rows = self.world.bad_rows  # type: ignore[attr-defined]
            self._seen = {bad.symbol for bad in bad_rows if bad.name in HOLDINGS}
        is_exit = request.reduce_only or (":" not in request.symbol and request.side is Side.SELL)
        if request.symbol in self._seen and not is_exit:
            self.world.violate("no entry beside a bad row", f"{request.client_id} {request.symbol}")


class UnreadRowsLock(PlanRule):
    """An instrument whose holding could not be read is locked, whatever else stops entries beside it."""

    def on_plan(self, life: Life, observation: Observation, plan: TurnPlan) -> None:
        truth = observation.truth
        for key in truth.account.unreadable:
            asset, perp = key.removeprefix("spot:"), key.removeprefix("perp:")
            names = {perp} if perp != key else _spot_symbols(observation, asset)
            if missing := (names & observation.inputs.snapshot.instruments.keys()) - truth.locked:
                self.world.violate("a row that cannot be read locks its instrument", f"{key}: {sorted(missing)}")


def _spot_symbols(observation: Observation, asset: str) -> set[str]:
    listed = observation.inputs.snapshot.instruments
    return {symbol for symbol in listed if not is_perp(symbol) and base_of(symbol) == asset}


RULES = (OneBadRowTakesNoTurn, NoEntryBesideABadRow, UnreadRowsLock)
