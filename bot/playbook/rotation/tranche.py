"""The start of a tranche: from the sales it was given to all its legs and transfers (PLAYBOOK §2).

Order inside a tranche: exit (longs and hedges the new stance has no use for) → hedge → reduce → increase → tactical →
release. `deploy = min(what is needed, sold + cash + bridge) − fees`, divided between spot and margin as needed.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from bot.domain.campaign import Bridge, Campaign, Leg, Memory, Stance, Tranche, Transfer
from bot.domain.money import ONE, ZERO
from bot.domain.order import TRANCHE_PHASES, Purpose
from bot.domain.perp import whole_leverage
from bot.domain.reason import Note, Reason
from bot.domain.states import LegState, TrancheState
from bot.domain.symbol import base_of
from bot.playbook.book.context import PlanContext
from bot.playbook.book.portfolio import signed_notional
from bot.playbook.book.transfers import free_margin
from bot.playbook.market.stance import CASH
from bot.playbook.policy.choices import NeutralFutures
from bot.playbook.positions.tactical import plan_tactical
from bot.playbook.rotation.draft import Draft, is_sale, sector_quote
from bot.playbook.rotation.hedge_legs import hedge_legs, release_legs, shrink_legs
from bot.playbook.rotation.purchases import divide_purchase
from bot.playbook.rotation.sale_cap import within_cap

_CENT = Decimal("0.01")


def start_tranche(
    campaign: Campaign, memory: Memory, context: PlanContext, *, tactical_allowed: bool
) -> tuple[Campaign, Mapping[str, str], tuple[Note, ...]]:
    """Begin the campaign's next tranche: its legs aim at sizes fixed here.

    Returns the campaign, the perps that are hedges from now on with the sector they cover, and notes.

    Raises:
        ValueError: no tranche is left.
    """
    campaign, capped = within_cap(campaign, context)
    outline = campaign.current
    if outline is None:
        raise ValueError(f"campaign {campaign.number} has no tranche left to start")
    draft = Draft(campaign, outline.index, memory, context)
    draft.notes += capped
    sales = _sales(outline, draft)
    if draft.is_rotation and outline.index == 1:
        _exit_legs(draft)
        hedge_legs(draft, sales)
    else:
        shrink_legs(draft, sales)
    for leg in sales:
        draft.add(leg)
    gross = sum((leg.quote_value for leg in draft.legs if is_sale(leg) and leg.state is not LegState.SKIPPED), ZERO)
    buys, margins, part = _money(draft, gross)
    _increase_legs(draft, buys)
    if tactical_allowed and draft.is_rotation:
        _tactical_leg(draft, margins, part)
    if tactical_allowed and draft.is_last and campaign.stance_to is Stance.NEUTRAL:
        _neutral_longs(draft)
    release_legs(draft)
    tranche = replace(
        outline,
        state=TrancheState.RUNNING,
        legs=tuple(draft.legs),
        transfers=tuple(sorted(draft.transfers, key=lambda t: TRANCHE_PHASES.index(t.after))),
        started_ms=context.at_ms,
    )
    tranches = tuple(tranche if t.index == tranche.index else t for t in campaign.tranches)
    message = f"campaign {campaign.number}, tranche {tranche.index} of {len(tranches)}: {len(draft.legs)} legs"
    draft.notes.append(Note(Reason.TRANCHE_STARTED, message, f"{campaign.number}.{tranche.index}"))
    begun = replace(campaign, tranches=tranches, owed=draft.owed, hedge_sizes=draft.hedge_sizes, hedged=draft.hedged)
    return begun, draft.hedges, tuple(draft.notes)


def _sales(outline: Tranche, draft: Draft) -> list[Leg]:
    """The outlined sales from what is held now: sizes to reach stay, what came short before is caught up, within
    the cap on a tranche's sales (`within_cap`)."""
    sales = []
    for leg in outline.legs:
        held, price = draft.context.held(leg.symbol), draft.context.price(leg.symbol) or leg.price
        if held > leg.size_to:
            value = (held - leg.size_to) * price
            sales.append(replace(leg, size_from=held, price=price, quote_value=value, state=LegState.READY))
    return sales


def _exit_legs(draft: Draft) -> None:
    """Close tactical positions, and hedges of sectors that have nothing left to sell: before anything is shorted."""
    context, memory = draft.context, draft.memory
    directional = {held.symbol: held for held in memory.exits}
    longs = {held.symbol: held.sector for held in memory.exits}
    stale = {
        s: name for s, name in memory.hedges.items() if draft.unsold(name, 0) == 0 or not context.policy.hedging.is_on
    }
    for symbol, sector in sorted((longs | stale).items()):
        position = context.position(symbol)
        if position is None:
            continue
        message = f"close the {directional[symbol].words if symbol in directional else 'hedge'} on {symbol}"
        value = abs(signed_notional(position, context.snapshot))
        draft.add(Leg(0, Purpose.EXIT, sector, symbol, position.size, ZERO, position.mark_price, value, words=message))


def _money(draft: Draft, gross: Decimal) -> tuple[Mapping[str, Decimal], Mapping[str, Decimal], Decimal]:
    """What this tranche spends on spot and adds as margin per sector, and the part of all needs that this meets."""
    context, policy, campaign = draft.context, draft.context.policy, draft.campaign
    spot_needs = {s: max(ZERO, _spot_need(s, draft)) for s in context.sectors.sectors}
    margin_needs = {s: max(ZERO, _margin_gap(s, draft)) for s in context.sectors.sectors}
    needs = sum(spot_needs.values(), ZERO) + sum(margin_needs.values(), ZERO)
    cash = context.portfolio.account.cash_free - policy.allocation.reserve_quote - context.portfolio.kept_for_margin
    spare = cash - max(ZERO, campaign.target.get(CASH, ZERO))
    if not draft.is_last and cash > 0:
        spare = min(spare, max(ZERO, spare) * policy.rotation.first_tranche)
    givers = _surplus(draft) if draft.is_last else {}
    repay = _repay(draft, gross)
    income = gross + spare + sum(givers.values(), ZERO) - repay
    bridged = _bridge(draft, needs - income) if draft.is_rotation and draft.number == 1 else {}
    fees = sum((leg.quote_value * _fee(leg, context) for leg in draft.legs if is_sale(leg)), ZERO)
    total = max(ZERO, min(needs, income + sum(bridged.values(), ZERO)) - (fees if needs else ZERO))
    part = total / needs if needs else ZERO
    buys = {s: need * part for s, need in spot_needs.items() if need > 0}
    margins = {s: (need * part).quantize(_CENT, rounding="ROUND_FLOOR") for s, need in margin_needs.items() if need > 0}
    for source, amount in bridged.items():
        if source != Bridge.RESERVE.value:
            name = source.rpartition(".")[0]
            givers[name] = givers.get(name, ZERO) + amount
    _plan_transfers(draft, givers, margins)
    return buys, margins, part


def _fee(leg: Leg, context: PlanContext) -> Decimal:
    instrument = context.instrument(leg.symbol)
    return instrument.taker_fee if instrument else ZERO


def _spot_need(sector: str, draft: Draft) -> Decimal:
    """What the campaign still wants to buy for a sector: from the plan, so that prices do not drift into it."""
    campaign, context = draft.campaign, draft.context
    required = campaign.target.get(f"{sector}.spot", ZERO) - campaign.baseline.get(f"{sector}.spot", ZERO)
    done = (leg for t in campaign.tranches if t.state is TrancheState.DONE for leg in t.legs)
    bought = (
        sector_quote(leg, context)
        for leg in done
        if leg.purpose is Purpose.INCREASE and leg.sector == sector and leg.state is not LegState.SKIPPED
    )
    return required + _sold_along(sector, draft) - sum(bought, ZERO) if required > 0 else ZERO


def _sold_along(sector: str, draft: Draft) -> Decimal:
    """What a sector lost, up to this tranche, by sales for another one of tokens that count in both."""
    done = [t.legs for t in draft.campaign.tranches if t.state is TrancheState.DONE]
    sales = (leg for legs in (*done, draft.legs) for leg in legs if is_sale(leg) and leg.sector != sector)
    parts = (
        leg.quote_value * draft.context.sectors.membership(base_of(leg.symbol), sector)
        for leg in sales
        if leg.state is not LegState.SKIPPED
    )
    return sum(parts, ZERO)


def _margin_gap(sector: str, draft: Draft) -> Decimal:
    owed = draft.owed.get(f"{sector}.futures", ZERO)
    held = draft.labels.get(sector, ZERO)
    gap = draft.campaign.target.get(f"{sector}.futures", ZERO) - held - owed
    least = max(draft.context.policy.constants.transfer_min_quote, draft.campaign.book / 1000)
    return gap if abs(gap) >= least else ZERO


def _surplus(draft: Draft) -> dict[str, Decimal]:
    """Margin that the target does not want any more, as far as nothing is locked with it."""
    result = {}
    for sector, sleeves in draft.context.portfolio.sectors.items():
        locked = ZERO if draft.is_rotation and draft.number == 1 else sleeves.margin_locked
        locked = max(locked, draft.hedge_margin.get(sector, ZERO))
        free = draft.labels.get(sector, ZERO) - locked
        amount = min(-_margin_gap(sector, draft), free).quantize(_CENT, rounding="ROUND_FLOOR")
        if amount >= max(draft.context.policy.constants.transfer_min_quote, _CENT):
            result[sector] = amount
    return result


def _repay(draft: Draft, gross: Decimal) -> Decimal:
    """Pay back what the bridge lent to earlier tranches. The reserve is repaid by not being spent."""
    if draft.number == 1:
        return ZERO
    money, repaid = gross, ZERO
    for source, owed in sorted(draft.owed.items()):
        amount = min(owed, money).quantize(_CENT, rounding="ROUND_FLOOR")
        if amount <= 0:
            continue
        money -= amount
        draft.owed[source] = owed - amount
        if source != Bridge.RESERVE.value:
            sector = source.rpartition(".")[0]
            message = f"repay the bridge: {amount} to the futures sleeve of {sector}"
            draft.transfers.append(Transfer(amount, True, sector, message, after=Purpose.RELEASE))
            repaid += amount
    return repaid


def _bridge(draft: Draft, short: Decimal) -> dict[str, Decimal]:
    """Where the rest of the purchase comes from, by source; a note when it does not reach."""
    context, policy = draft.context, draft.context.policy
    unsold = sum((draft.unsold(s, draft.number) for s in context.sectors.sectors), ZERO)
    required = min(short, unsold)
    if required < _CENT:
        return {}
    taken: dict[str, Decimal] = {}
    if policy.rotation.bridge is Bridge.RESERVE:
        lent = draft.owed.get(Bridge.RESERVE.value, ZERO)
        room = min(context.portfolio.account.cash_free, policy.allocation.reserve_quote - lent)
        taken[Bridge.RESERVE.value] = max(ZERO, min(required, room))
    elif policy.rotation.bridge is Bridge.IDLE_MARGIN and (
        policy.allocation.transfers or context.portfolio.account.is_unified
    ):
        sector = draft.campaign.source
        keep = draft.hedge_margin.get(sector, ZERO) * (ONE + policy.hedging.margin_keep)
        room = min(draft.labels.get(sector, ZERO) - keep, free_margin(context.portfolio.account) - keep)
        taken[f"{sector}.futures"] = max(ZERO, min(required, room)).quantize(_CENT, rounding="ROUND_FLOOR")
    taken = {source: amount for source, amount in taken.items() if amount > 0}
    for source, amount in taken.items():
        draft.owed[source] = draft.owed.get(source, ZERO) + amount
    missing = required - sum(taken.values(), ZERO)
    if missing >= _CENT and policy.rotation.bridge is not Bridge.NONE:
        message = f"the bridge ({policy.rotation.bridge.value}) falls short by {missing:.2f}, which later tranches buy"
        draft.notes.append(Note(Reason.BRIDGE_SHORT, message, draft.campaign.source, {"short_by": str(missing)}))
    return taken


def _plan_transfers(draft: Draft, givers: dict[str, Decimal], margins: Mapping[str, Decimal]) -> None:
    """Margin that one sector gives and another needs is relabelled; the rest moves between the wallets."""
    rest = dict(margins)
    for giver, amount in givers.items():
        for taker, gap in rest.items():
            moved = min(amount, gap)
            if moved > 0 and giver != taker:
                rest[taker] -= moved
                amount -= moved
                message = f"{moved} of the futures sleeve of {giver} becomes {taker}'s"
                draft.transfers.append(Transfer(moved, True, taker, message, source=giver, after=Purpose.INCREASE))
        if amount >= max(draft.context.policy.constants.transfer_min_quote, _CENT):
            message = f"{amount} from the futures sleeve of {giver} to the spot wallet"
            draft.transfers.append(Transfer(amount, False, giver, message, after=Purpose.REDUCE))
    for taker, amount in rest.items():
        if amount >= max(draft.context.policy.constants.transfer_min_quote, _CENT):
            message = f"{amount} from the spot wallet to the futures sleeve of {taker}"
            draft.transfers.append(Transfer(amount, True, taker, message, after=Purpose.INCREASE))


def _increase_legs(draft: Draft, buys: Mapping[str, Decimal]) -> None:
    context = draft.context
    for sector, budget in buys.items():
        if (
            draft.number > 1
            and budget <= context.policy.constants.leg_tolerance * draft.campaign.shift * draft.campaign.book
        ):
            continue  # the change of an earlier tranche, not a purchase
        values, notes = divide_purchase(sector, budget, draft.campaign, draft.memory.regime.condition, context)
        draft.notes += notes
        for token, value in values.items():
            symbol, price = context.sectors.spot(token), context.price(context.sectors.spot(token))
            instrument = context.instrument(symbol)
            if value <= 0 or price is None or instrument is None:
                continue
            # The budget is money: of a token that counts in two sectors a part goes to the other one.
            held, size = context.held(symbol), instrument.size_for(value, price)
            message = f"buy {token} for {sector}"
            draft.add(Leg(0, Purpose.INCREASE, sector, symbol, held, held + size, price, size * price, words=message))


def _tactical_leg(draft: Draft, margins: Mapping[str, Decimal], part: Decimal) -> None:
    context, campaign = draft.context, draft.campaign
    sector = campaign.destination
    if sector not in context.sectors.sectors or campaign.stance_to not in (Stance.INTO_DEFI, Stance.INTO_INFRA):
        return
    earlier = [leg for t in campaign.tranches for leg in t.legs if leg.purpose is Purpose.TACTICAL]
    earlier = [leg for leg in earlier if leg.state is not LegState.SKIPPED]
    began = {leg.symbol for leg in earlier}
    running = {held.symbol for held in draft.memory.exits if not held.closing and not held.targets_hit}
    if began - running:
        return
    whole = context.policy.rotation.shift * context.policy.rotation.tactical_split * campaign.book
    required = whole - sum((leg.margin for leg in earlier), ZERO)
    if earlier and required <= whole * context.policy.constants.leg_tolerance:
        return
    required *= part
    margin = min(required, margins.get(sector, ZERO) + draft.labels.get(sector, ZERO))
    leg, notes = plan_tactical(sector, margin, context, campaign.book, frozenset(draft.hedges), _closed(draft))
    draft.notes += notes
    if leg is not None and margin > 0:
        draft.add(leg)


def _closed(draft: Draft) -> frozenset[str]:
    """Perps whose whole position an earlier phase of this tranche closes."""
    return frozenset(leg.symbol for leg in draft.legs if leg.purpose is Purpose.EXIT and leg.size_to == 0)


def _neutral_longs(draft: Draft) -> None:
    """`neutral_futures = "small-long"`: each sector's futures capital, once, long on its leader; it has a tactical
    long's exits and is opened again by the next campaign to neutral only."""
    context, campaign, closed = draft.context, draft.campaign, _closed(draft)
    taken = dict(context.directional)
    if context.policy.allocation.neutral_futures is not NeutralFutures.SMALL_LONG:
        return
    for sector in context.sectors.sectors:
        longs = (held for held in draft.memory.exits if held.purpose is Purpose.TACTICAL)
        stands = any(held.sector == sector and held.symbol not in closed for held in longs)
        leverage = whole_leverage(min(context.policy.tactical.leverage, context.policy.sizing.position_leverage_max))
        margin = campaign.target.get(f"{sector}.futures", ZERO) / leverage
        if stands or margin <= 0:
            continue
        seen = replace(context, directional=taken)
        leg, notes = plan_tactical(sector, margin, seen, campaign.book, frozenset(draft.hedges), closed)
        draft.notes += notes
        if leg is not None:
            draft.add(replace(leg, words=f"{leg.words}, small long of the neutral stance"))
            taken[leg.symbol] = leg.margin  # the next sector's long shares the cap with this one
