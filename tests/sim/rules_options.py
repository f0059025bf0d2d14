"""What the playbook's options may never do.

A purchase outlives what it is for, a scalp the wait of its purchase; a pace is outside its bounds; a sale is above the
cap; a sector is reduced past its core; a token is bought that is no member; a series counts that is old or from the
future.
"""

from decimal import Decimal
from typing import Any

from bot.domain.campaign import Campaign, Stance, Tranche
from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from bot.domain.instrument import Side
from bot.domain.money import ONE, ZERO
from bot.domain.order import Purpose
from bot.domain.states import LegState, OrderState, TrancheState
from bot.domain.symbol import base_of, is_perp
from bot.playbook.policy.membership import Sectors
from bot.risk import Approved
from tests.sim.hooks import Rule
from tests.sim.options import MEMBERS, SERIES, SERIES_AGE_DAYS, series_rows
from tests.sim.wire import ACCOUNT
from tests.sim.world import Life

TURNS = 2  # that see a purchase whose time is over and withdraw nothing
FASTEST, SLOWEST = Decimal("0.5"), 2
ROUNDING = Decimal("1.001")
DUST = Decimal("0.01")  # quote: no venue takes an order of less, what is left of rounding is worth that


class PurchasesComeBack(Rule):
    """A purchase rests no longer than its campaign runs and its tranche waits, whatever it waits for."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._seen: dict[str, int] = {}
        self._withdrawn: set[str] = set()

    def on_cancel(self, client_id: str) -> None:
        self._withdrawn.add(client_id)

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if result is None or not result.truth.is_agreed:
            return
        names = (order.client_id for order in self._resting())
        late = {name: why for name in names if (why := self._overstays(life, name, result))}
        self._seen = {name: self._seen.get(name, 0) + 1 for name in late}
        for name, turns in self._seen.items():
            if turns > TURNS:
                self.world.violate("a resting purchase ends with what it waits for", f"{name}: {late[name]}")

    def _resting(self) -> list[Any]:
        """Spot purchases of ours that rest at the exchange, which the bot knows and has not asked to withdraw."""
        orders = self.world.exchange.open_orders(ACCOUNT)
        mine = [order for order in orders if order.side is Side.BUY and not is_perp(order.symbol)]
        return [order for order in mine if order.client_id not in self._withdrawn and self._is_known(order.client_id)]

    def _is_known(self, client_id: str) -> bool:
        order = self.checkers._reader.load_order(client_id)
        return order is not None and order.state is OrderState.OPEN

    def _overstays(self, life: Life, client_id: str, result: Any) -> str:
        approval = self.checkers._approvals.get(client_id)
        campaign = result.decision.campaign
        if approval is None:
            return ""
        intent = approval.intent
        if campaign is None or campaign.is_over or campaign.number != intent.campaign:
            return f"campaign {intent.campaign} is over"
        policy, tranche = life.app.cycle.parts.policy, campaign.tranches[intent.tranche - 1]
        waits_ms = policy.entries.wait_hours * HOUR_MS + policy.orders.rest_minutes * MINUTE_MS
        is_late = result.snapshot.at_ms > tranche.started_ms + waits_ms
        return f"tranche {tranche.index} began at {tranche.started_ms}" if is_late else ""


class ScalpsEndWithTheirWait(Rule):
    """No scalp stands on once the purchase of its token is over, its longest wait is, or its rotation is given up."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._seen: dict[str, int] = {}

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if kind != "cycle" or result is None or not result.truth.is_agreed:
            return
        held = [one for one in result.decision.memory.exits if one.purpose is Purpose.SCALP and not one.closing]
        waits_ms = life.app.cycle.parts.policy.entries.wait_hours * HOUR_MS
        groundless = [one.symbol for one in held if not self._may_wait(base_of(one.symbol), waits_ms, result)]
        self._seen = {symbol: self._seen.get(symbol, 0) + 1 for symbol in groundless}
        for symbol, cycles in self._seen.items():
            if cycles > TURNS:
                self.world.violate("a scalp ends with the wait of its purchase", symbol)

    def _may_wait(self, token: str, waits_ms: int, result: Any) -> bool:
        campaign = result.decision.campaign
        return campaign is not None and any(
            leg.purpose is Purpose.INCREASE and not leg.state.is_over and base_of(leg.symbol) == token
            for tranche in campaign.tranches
            for leg in tranche.legs
            if not campaign.is_over and result.snapshot.at_ms < tranche.started_ms + waits_ms
        )


class PaceHasBounds(Rule):
    """Tranches follow within half and twice of the interval, and at the interval where nothing sets the pace."""

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        campaign = result.decision.campaign if result is not None else None
        if campaign is None:
            return
        rotation = life.app.cycle.parts.policy.rotation
        interval = rotation.tranche_interval_minutes * MINUTE_MS
        least = FASTEST if rotation.by_phase or rotation.by_funding else ONE
        last = campaign.started_ms
        for number, tranche in enumerate(campaign.tranches):
            if tranche.state is TrancheState.WAITING:
                ahead = number - sum(t.state is not TrancheState.WAITING for t in campaign.tranches) + 1
                if tranche.due_ms and not least <= Decimal(tranche.due_ms - last) / (ahead * interval) <= SLOWEST:
                    self._violate(campaign, f"tranche {tranche.index} is due {tranche.due_ms - last} ms after the last")
                continue
            if tranche.started_ms < campaign.started_ms + number * interval * least:
                self._violate(campaign, f"tranche {tranche.index} began {tranche.started_ms - last} ms after the last")
            last = tranche.started_ms

    def _violate(self, campaign: Campaign, words: str) -> None:
        self.world.violate("the pace has bounds", f"campaign {campaign.number}: {words}")


class SalesHaveACap(Rule):
    """No tranche of a campaign sells more of a sector than the cap, whatever its phase; the first one no more than the
    largest part that a phase allows it. A sale that goes on under a token's new name is one: it is given up under the
    former one."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._judged: tuple[int, int] = (0, 0)
        self._prices: dict[tuple[int, int, str], Decimal] = {}

    def journal_replaced(self) -> None:
        self._judged = (0, 0)

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        campaign = result.decision.campaign if result is not None else None
        if campaign is None:
            return
        begun = sum(tranche.state is not TrancheState.WAITING for tranche in campaign.tranches)
        if (campaign.number, begun) == self._judged:
            return
        self._judged = campaign.number, begun
        policy, sectors = life.app.cycle.parts.policy, life.app.cycle.parts.sectors
        rotation, wholes = policy.rotation, dict[str, Decimal]()
        sold = [self._sold(campaign, tranche, sectors) for tranche in reversed(campaign.tranches)][::-1]
        for parts in sold:
            for sector, value in parts.items():
                wholes[sector] = wholes.get(sector, ZERO) + value
        first = min(ONE, rotation.first_tranche * (Decimal(4) / 3 if rotation.by_phase else ONE))
        for index, parts in enumerate(sold, start=1):
            for sector, value in parts.items():
                cap = rotation.max_sell_fraction * campaign.baseline[f"{sector}.spot"]
                # A later tranche that has begun may have nothing left to sell: the whole is known before that only.
                most = min(cap, first * wholes[sector]) if index == 1 and begun <= 1 else cap
                if value > most * ROUNDING + DUST:
                    words = f"campaign {campaign.number}: tranche {index} sells {value:.2f} of {sector}, not {most:.2f}"
                    self.world.violate("a tranche sells no more than its part", words)

    def _sold(self, campaign: Campaign, tranche: Tranche, sectors: Sectors) -> dict[str, Decimal]:
        """What it sells by sector, at the prices of the plan: those of the last tranche when it was first seen."""
        result: dict[str, Decimal] = {}
        sales = [leg for leg in tranche.legs if leg.purpose is Purpose.REDUCE]
        for leg in sales:
            renamed = sectors.succession_of(base_of(leg.symbol)) if leg.state is LegState.SKIPPED else None
            if renamed is None or all(one.symbol != sectors.spot(renamed.becomes) for one in sales):
                price = self._prices.setdefault((campaign.number, campaign.started_ms, leg.symbol), leg.price)
                result[leg.sector] = result.get(leg.sector, ZERO) + (leg.size_from - leg.size_to) * price
        return result


class ReductionsKeepACore(Rule):
    """With the sectors' own trends a campaign to de_risk leaves each sector between its core and its neutral share."""

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        campaign, policy = result.decision.campaign if result is not None else None, life.app.cycle.parts.policy
        if campaign is None or not policy.trend.is_on or campaign.stance_to is not Stance.DE_RISK:
            return
        if campaign.stance_from is Stance.DE_RISK:
            return  # what cannot be read keeps what the last campaign left, wherever prices have taken it
        for sector, neutral in policy.allocation.neutral_spot.items():
            share = campaign.target[f"{sector}.spot"] / campaign.book
            if not policy.trend.core * neutral / ROUNDING <= share <= neutral * ROUNDING:
                words = f"campaign {campaign.number}: {sector} is brought to {share:.4f}, neutral is {neutral}"
                self.world.violate("a reduction keeps the core", words)


class OnlyMembersAreBought(Rule):
    """Where members are the most traded of the month before, nothing else is bought. Without candles of one of a
    sector's tokens another one may have its seat."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._unread: set[str] = set()

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        sectors = life.app.cycle.parts.sectors
        if result is None or sectors.selection != "liquid":
            return
        if kind == "cycle":
            absent = [token for token in sectors.tokens if sectors.spot(token) not in result.snapshot.candles]
            self._unread |= {sectors.main(token) or "" for token in absent}
        for verdict in result.verdicts:
            intent = verdict.intent
            if isinstance(verdict, Approved) and intent.purpose is Purpose.INCREASE and not is_perp(intent.symbol):
                token = base_of(intent.symbol)
                if token not in MEMBERS and sectors.main(token) not in self._unread:
                    self.world.violate("only members are bought", f"{intent.id} buys {token}")


class SeriesAreReadAsTheyWere(Rule):
    """A series of the operator's own counts by rows that its file has had, up to now and no older than it may be."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._rows = series_rows() if self.world.has_series else {}

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if result is None or not self._rows:
            return
        for signal in result.decision.signals:
            if signal.name == SERIES:
                self._judge(result.snapshot.at_ms - signal.age_ms, signal)

    def _judge(self, row_ms: int, signal: Any) -> None:
        now, before = self._rows.get(row_ms), self._rows.get(row_ms - DAY_MS)
        if now is None or before is None:
            self.world.violate("a series is read as it was", f"it has no row of {row_ms}, a day before or that day")
        elif abs(signal.value - (now / before - 1)) > 1e-9:
            self.world.violate("a series is read as it was", f"{signal.value} at {row_ms}, from {before} to {now}")
        if signal.age_ms > SERIES_AGE_DAYS * DAY_MS:
            self.world.violate("a series is missing once it is old", f"it is {signal.age_ms // HOUR_MS} h old")


RULES = (
    PurchasesComeBack,
    ScalpsEndWithTheirWait,
    PaceHasBounds,
    SalesHaveACap,
    ReductionsKeepACore,
    OnlyMembersAreBought,
    SeriesAreReadAsTheyWere,
)
