"""A drawdown's stop lets no purchase through, and ends by a new peak, its cool-down or an operator only. No loss is
judged, and nothing bought, by an equity that rests on a row that cannot be read."""

from collections.abc import Collection
from typing import Any

from bot.domain.campaign import Memory
from bot.domain.durations import DAY_MS
from bot.domain.order import Purpose
from bot.domain.portfolio import Account
from bot.domain.reason import Reason
from bot.journal.facts import Fact
from bot.risk import Approved
from bot.runtime.cash_flows import PEAK_REBASED
from bot.runtime.cycle import Observation
from bot.runtime.turn import TurnPlan
from bot.runtime.watch.drawdown import LOOK_MAX_MS
from tests.sim.hooks import PlanRule, Rule
from tests.sim.world import Life


class DrawdownsStop(Rule):
    """Judged by what successive turns remember, across lives as well."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._before = Memory()
        self._is_rebased = False

    def on_journal(self, event: Fact) -> None:
        self._is_rebased = self._is_rebased or event.kind == PEAK_REBASED

    def journal_replaced(self) -> None:
        self._before = Memory()

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if result is None:
            return
        memory, before = result.decision.memory, self._before
        if before.drawdown_since_ms and not memory.drawdown_since_ms and not self._is_rebased:
            self._judge_end(before, memory, result.snapshot.at_ms)
        if memory.drawdown_since_ms:
            approved = (one.intent for one in result.verdicts if isinstance(one, Approved))
            for intent in approved:
                if intent.purpose is Purpose.INCREASE:
                    self.world.violate("no purchase while a drawdown stops entries", intent.symbol)
        self._before, self._is_rebased = memory, False

    def _judge_end(self, before: Memory, memory: Memory, at_ms: int) -> None:
        days = self.world.settings_now().risk.drawdown_cooldown_days
        is_anew = memory.peak_since_ms != before.peak_since_ms
        if is_anew and at_ms >= before.drawdown_since_ms + days * DAY_MS:
            return
        if not is_anew and memory.equity_peak != before.equity_peak:
            return  # a peak of its own: equity has passed the old one, or money came or went
        words = f"since {before.drawdown_since_ms}, ended at {at_ms}, peak {memory.equity_peak}"
        self.world.violate("a drawdown's stop stays until its cool-down is over", words)


class UnreadRowsAreNoEquity(PlanRule):
    """Judged by the account that the turn decided by."""

    def on_plan(self, life: Life, observation: Observation, plan: TurnPlan) -> None:
        account = observation.truth.account
        tokens = life.app.cycle.parts.sectors.tokens
        unread = ", ".join(key for key in sorted(account.unreadable) if _may_count(key, account, tokens))
        if not unread:
            return
        reasons = {note.reason for note in plan.breakers}
        if Reason.EQUITY_UNKNOWN not in reasons:
            self.world.violate("entries stop while equity is not known", unread)
        if Reason.DAILY_LOSS in reasons:
            self.world.violate("no loss is judged by a row that cannot be read", unread)
        if observation.inputs.memory.day_start_ms != observation.before.day_start_ms:
            self.world.violate("no day begins by a row that cannot be read", unread)
        for intent in (verdict.intent for verdict in plan.approved):
            if intent.purpose in (Purpose.INCREASE, Purpose.TACTICAL):
                self.world.violate("nothing is bought while equity is not known", f"{intent.id} beside {unread}")


class PricesAreAwaitedADay(PlanRule):
    """No holding stops new campaigns but one whose price is read, and was not seen missing for a day of turns."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._seen: dict[str, tuple[int, int]] = {}

    def on_plan(self, life: Life, observation: Observation, plan: TurnPlan) -> None:
        snapshot, sectors = observation.inputs.snapshot, life.app.cycle.parts.sectors
        at_ms, before = snapshot.at_ms, self._seen
        self._seen = {}
        for asset in plan.portfolio.unpriced:
            last_ms, watched_ms = before.get(asset, (at_ms, 0))
            watched_ms += min(at_ms - last_ms, LOOK_MAX_MS)
            self._seen[asset] = at_ms, watched_ms
            is_known = asset in sectors.tokens or sectors.succession_of(asset) is not None
            if not is_known and sectors.spot(asset) not in snapshot.instruments:
                self.world.violate("a holding without a market stops nothing", asset)
            elif watched_ms > DAY_MS + LOOK_MAX_MS and any(snapshot.price(sectors.spot(t)) for t in sectors.tokens):
                self.world.violate("a price is awaited for a day", asset)


def _may_count(key: str, account: Account, tokens: Collection[str]) -> bool:
    """Whether equity may rest on the row: on any of positions and cash, on an asset that is held or of a sector."""
    asset = key.removeprefix("spot:")
    return asset in ("", key, account.quote) or asset in account.balances or asset in tokens


RULES = (DrawdownsStop, UnreadRowsAreNoEquity, PricesAreAwaitedADay)
