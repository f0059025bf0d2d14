"""How leveraged positions end (PLAYBOOK §7): every one has its exits before it is opened, the guard keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.domain.campaign import Memory, OpenExit
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Instrument, Side
from bot.domain.money import ONE, ZERO, clamp
from bot.domain.order import ExitPlan, Intent, IntentTerms, Purpose
from bot.domain.order_ids import OrderKind
from bot.domain.perp import liquidation_in_brackets, liquidation_move
from bot.domain.portfolio import Position
from bot.domain.reason import Note, Reason
from bot.domain.symbol import base_of
from bot.playbook.book.context import PlanContext
from bot.playbook.market import indicators
from bot.playbook.orders.factory import can_close, kind_intent, worst_price
from bot.playbook.policy.choices import Unowned
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.exit_rules import ExitReview, trailing_stop, why_it_ends
from bot.playbook.positions.hedge import Shrink, near_liquidation, over_spot
from bot.playbook.positions.hedge_stops import guard_hedges, overlay_shorts, remember_hedges
from bot.playbook.positions.leverage import judge_leverage
from bot.playbook.positions.stops import RequiredStop, is_stop_of_guard, resting_stop, within
from bot.playbook.positions.unguarded import exit_of_unowned, missing_stops, nearest_stop, unowned

# A hedge that a sale leaves larger by less than this share of itself shrinks after the sale.
_HEDGE_SLACK = Decimal("0.01")
# Distances that follow a volatility stay within these multiples of the set ones, and a target above zero for a short.
_NEAREST, _FARTHEST, _MOVE_MAX = Decimal("0.5"), Decimal(2), Decimal("0.95")


@dataclass(frozen=True, slots=True)
class Guarded:
    """The result of a guard. `cancels` are client ids of resting stops that no longer fit, `top_ups` quote margin to
    add by perp, `ended` the perps whose tactical position has ended or is ending."""

    intents: tuple[Intent, ...]
    cancels: tuple[str, ...]
    top_ups: Mapping[str, Decimal]
    notes: tuple[Note, ...]
    memory: Memory
    ended: frozenset[str]


@dataclass(frozen=True, slots=True)
class ExitRule:
    """The distances a plan of exits is made of: `stop`, `trailing` and the moves of `targets` are shares of the price,
    `hours` the longest holding time."""

    stop: Decimal
    targets: tuple[tuple[Decimal, Decimal], ...]
    trailing: Decimal
    hours: int


def tactical_rule(policy: Policy) -> ExitRule:
    """Exits of a tactical position (PLAYBOOK §7); a short's are a long's, mirrored."""
    targets = tuple((rung.move, rung.part) for rung in policy.exits.targets)
    return ExitRule(policy.exits.stop, targets, policy.exits.trailing, policy.tactical.hours)


def rule_of(rule: ExitRule, symbol: str, context: PlanContext) -> ExitRule:
    """The rule for one perp: with `exits.stop_deviations` its distances follow the token's own volatility.

    Volatility is the deviation of daily moves over `volatility_days`, from closed candles of its spot. A token without
    enough of them keeps the distances that are set.
    """
    policy = context.policy
    series = context.snapshot.candles.get(context.sectors.spot_of(symbol))
    if not policy.exits.stop_deviations or series is None:
        return rule
    count = policy.candles_in(policy.constants.volatility_days) + 1
    daily = indicators.realised_volatility(series.closes[-count:], DAY_MS / policy.candle_ms)
    if len(series) < count or not daily:
        return rule
    required = policy.exits.stop_deviations * Decimal(f"{daily:.6f}")
    factor = clamp(required / policy.exits.stop, _NEAREST, _FARTHEST)
    targets = tuple((min(move * factor, max(move, _MOVE_MAX)), part) for move, part in rule.targets)
    return replace(rule, stop=rule.stop * factor, targets=targets, trailing=min(_MOVE_MAX, rule.trailing * factor))


def plan_exits(
    price: Decimal,
    *,
    side: Side,
    rule: ExitRule,
    margin: Decimal,
    leverage: Decimal,
    instrument: Instrument,
    policy: Policy,
    at_ms: int,
) -> ExitPlan:
    """Exits of a position entered at `price`: ladder, stop inside the liquidation price, time stop, funding budget.

    The stop is rounded towards the entry, targets are rounded to where they are reached sooner.
    """
    size = side.sign * margin * leverage / (price * instrument.contract_size)
    sign, room = side.sign, _stop_room(size, price, leverage, instrument, policy)
    nearer, sooner = instrument.ceil_price, instrument.floor_price
    if side is Side.SELL:
        nearer, sooner = sooner, nearer
    return ExitPlan(
        stop_price=nearer(price * (ONE - sign * min(rule.stop, room))),
        targets=tuple((sooner(price * (ONE + sign * move)), part) for move, part in rule.targets),
        trailing_share=rule.trailing,
        deadline_ms=at_ms + rule.hours * HOUR_MS,
        funding_budget_quote=policy.tactical.funding_budget * margin,
    )


def _stop_room(size: Decimal, price: Decimal, leverage: Decimal, instrument: Instrument, policy: Policy) -> Decimal:
    """How far from the entry at `price` a stop of the signed `size` may lie, share of the price: the buffer before the
    liquidation stays unused."""
    side, margin = Side.of(size), instrument.notional(size, price) / leverage
    to_liquidation = liquidation_move(side, leverage, policy.sizing.maintenance_rate)
    bracketed = liquidation_in_brackets(instrument, instrument.brackets, size=size, entry=price, margin=margin)
    if bracketed is not None:
        to_liquidation = min(to_liquidation, (price - bracketed) * side.sign / price)
    return max(ZERO, to_liquidation) * (ONE - policy.exits.liquidation_buffer)


def entered_at(
    plan: ExitPlan, price: Decimal, size: Decimal, leverage: Decimal, instrument: Instrument, policy: Policy
) -> ExitPlan:
    """The exits for an entry at `price` into a position of the signed `size`: the price has moved since they were
    planned, and with it the liquidation that the stop has to come before."""
    side = Side.of(size)
    inside = price * (ONE - side.sign * _stop_room(size, price, leverage, instrument, policy))
    inside = instrument.ceil_price(inside) if side is Side.BUY else instrument.floor_price(inside)
    return replace(plan, stop_price=max(plan.stop_price, inside, key=lambda one: one * side.sign))


def with_funding(memory: Memory, paid: Mapping[str, Decimal]) -> Memory:
    """Memory with funding added to the open exits. `paid`: quote paid (+) or received (−) since then, by perp."""
    exits = tuple(replace(held, funding_paid=held.funding_paid + paid.get(held.symbol, ZERO)) for held in memory.exits)
    return replace(memory, exits=exits)


def guard_positions(
    memory: Memory,
    context: PlanContext,
    signs: Sequence[str] = (),
    no_longer_justified: Mapping[str, str] | None = None,
) -> Guarded:
    """Watch over every tactical position and every hedge once. `signs` are exit signs; two close the tactical longs.
    `no_longer_justified` maps the perp of another position to why it must end."""
    intents: list[Intent] = []
    notes: list[Note] = []
    cancels: list[str] = []
    kept: list[OpenExit] = []
    ended: set[str] = set()
    for held in memory.exits:
        position = context.position(held.symbol)
        if position is None or not held.is_held(position.size):
            ended.add(held.symbol)
            cancels += [order.client_id for order in context.live_on(held.symbol) if order.order_type.is_trigger]
            reason = Reason(held.closing) if held.closing else Reason.EXIT_STOP
            notes.append(Note(reason, f"{held.symbol}: the {held.words} is closed", held.symbol))
            continue
        stop = nearest_stop(position, context.policy, held.plan.stop_price)
        watched, note = _watch(held, position, context, _signed(held, signs, no_longer_justified or {}), stop)
        kept.append(watched)
        notes += [note] if note else []
        if watched.closing or watched.targets_hit:
            ended.add(held.symbol)
        intents += _closing(watched, position, context)
        resting, stale = _resting_stop(watched, position, context)
        intents += resting
        cancels += stale
    shrinks = over_spot(memory, context)
    urgent, top_ups, more = near_liquidation(memory, context)
    done = {shrink.symbol for shrink in shrinks}
    shrinking: set[str] = set()
    for shrink in (*shrinks, *(s for s in urgent if s.symbol not in done)):
        closing = _shrinking(shrink, context)
        shrinking |= {intent.symbol for intent in closing}
        intents += closing
        notes.append(Note(shrink.reason, shrink.words, shrink.symbol, {"size": str(shrink.size)}))
    before, memory = memory, replace(memory, exits=tuple(kept))
    memory, stopped = remember_hedges(memory, context)
    stops, outdated = guard_hedges(memory, context, frozenset(shrinking))
    intents += stops
    extra = _guard_unowned(before, memory, intents, context)
    cancels += [client_id for client_id in (*outdated, *extra.cancels) if client_id not in cancels]
    notes += [*more, *stopped, *extra.notes]
    return Guarded((*intents, *extra.intents), tuple(cancels), top_ups, tuple(notes), extra.memory, frozenset(ended))


def _guard_unowned(before: Memory, memory: Memory, asked: Sequence[Intent], context: PlanContext) -> Guarded:
    """Stops of positions that no plan knows, and what is left without one, in memory."""
    intents: list[Intent] = []
    notes: list[Note] = []
    cancels: list[str] = []
    policy = context.policy.exits.unowned_position
    strangers = {} if policy is Unowned.IGNORE else {position.symbol: position for position in unowned(memory, context)}
    for symbol, position in strangers.items():
        message = f"{symbol}: a position of {position.size} at {position.entry_price} belongs to no plan of the bot"
        notes.append(Note(Reason.POSITION_UNOWNED, message, symbol, {"size": str(position.size)}))
        instrument = context.closable(symbol)
        if instrument is not None:
            held = exit_of_unowned(position, instrument, context.policy)
            resting, stale = _resting_stop(held, position, context, f"position of {symbol} that no plan knows")
            intents += resting
            cancels += stale
    stops = frozenset(intent.symbol for intent in (*asked, *intents) if intent.order_type.is_trigger)
    owned = {held.symbol: held.words for held in memory.exits} | dict.fromkeys(overlay_shorts(memory, context), "hedge")
    missing, pending = missing_stops(before, owned, strangers, stops, context)
    if policy is Unowned.HALT:
        why = "the position belongs to no plan (unowned_position = halt)"
        missing = {**missing, **{symbol: f"{symbol}: {why}" for symbol in strangers}}
    right, wrong = judge_leverage(memory, context)
    notes += [Note(Reason.LEVERAGE_DIFFERS, message, symbol) for symbol, message in wrong.items()]
    for order in context.working:  # the position that it protected is gone, whoever closed it
        if order.state.is_live and is_stop_of_guard(order) and context.position(order.symbol) is None:
            cancels.append(order.client_id)
    memory = replace(memory, unguarded=missing, stops_asked=pending, leverages=right, leverage_wrong=wrong)
    return Guarded(tuple(intents), tuple(cancels), {}, tuple(notes), memory, frozenset())


def shrink_before_sales(
    intents: Sequence[Intent], memory: Memory, context: PlanContext
) -> tuple[tuple[Intent, ...], tuple[Note, ...]]:
    """Sales that would leave a hedge over more than their spot wait for it to shrink: it was sized when the tranche
    began, and what it covers may have fallen since."""
    sold: dict[str, Decimal] = {}
    for intent in intents:
        for sector, weight in _selling(intent, context).items():
            sold[sector] = sold.get(sector, ZERO) + weight * intent.size * intent.reference_price
    shrinks = [
        shrink
        for shrink in over_spot(memory, context, sold)
        if sold.get(shrink.sector) and shrink.size > _HEDGE_SLACK * abs(context.held(shrink.symbol))
    ]
    waits = {shrink.sector for shrink in shrinks}
    kept = tuple(intent for intent in intents if not waits & _selling(intent, context).keys())
    created = tuple(created for shrink in shrinks for created in _shrinking(shrink, context))
    notes = tuple(Note(s.reason, f"{s.words}; the sale waits", s.symbol, {"size": str(s.size)}) for s in shrinks)
    return (*created, *kept), notes


def _selling(intent: Intent, context: PlanContext) -> Mapping[str, Decimal]:
    """Membership of the token a rotation sells in this intent; empty for anything else."""
    return context.sectors.tokens.get(base_of(intent.symbol), {}) if intent.purpose is Purpose.REDUCE else {}


def _signed(held: OpenExit, signs: Sequence[str], no_longer_justified: Mapping[str, str]) -> str:
    """Why the market, and not its own plan, ends a position; empty when it does not."""
    if held.purpose is not Purpose.TACTICAL or held.symbol in no_longer_justified:
        return no_longer_justified.get(held.symbol, "")
    return f"exit signs: {', '.join(signs)}" if len(signs) >= 2 else ""


def _watch(
    held: OpenExit, position: Position, context: PlanContext, signed: str, stop: Decimal
) -> tuple[OpenExit, Note | None]:
    mark, sign = position.mark_price, held.side.sign
    best = mark if (mark - held.best_price) * sign > 0 else held.best_price
    hit = sum(1 for price, _ in held.plan.targets if (best - price) * sign >= 0)
    held = replace(held, best_price=best, targets_hit=max(held.targets_hit, hit))
    if held.closing:
        return held, None
    note = why_it_ends(ExitReview(held, mark, stop, signed, context.at_ms, context.policy))
    return (held, None) if note is None else (replace(held, closing=note.reason.value), note)


def _closing(held: OpenExit, position: Position, context: PlanContext) -> list[Intent]:
    kept = ZERO if held.closing else ONE - sum((part for _, part in held.plan.targets[: held.targets_hit]), ZERO)
    size = abs(position.size) - held.size_entered * kept
    kind = OrderKind.CLOSE if held.closing else OrderKind.TARGET
    message = f"close ({held.closing})" if held.closing else f"profit target {held.targets_hit}"
    return _reduce(context, kind, held.symbol, held.sector, Side.of(-position.size), size, message)


def _shrinking(shrink: Shrink, context: PlanContext) -> list[Intent]:
    kind = OrderKind.LIQUIDATION if shrink.reason is Reason.LIQUIDATION_NEAR else OrderKind.HEDGE_OVER_SPOT
    return _reduce(context, kind, shrink.symbol, shrink.sector, Side.BUY, shrink.size, shrink.words)


def _reduce(
    context: PlanContext, kind: OrderKind, symbol: str, sector: str, side: Side, size: Decimal, message: str
) -> list[Intent]:
    """A reduce-only order now, unless one of the same kind is still under way."""
    market = can_close(symbol, context)
    if market is None or context.live_for(kind, symbol):
        return []
    instrument, quote = market
    size = instrument.floor_size(size)
    if instrument.size_max is not None:
        size = min(size, instrument.size_max)
    if not instrument.is_tradable(size, quote.valuation, reduce_only=True):
        return []
    worst = worst_price(quote.mid, side, context.policy.exits.slippage_bps, instrument)
    terms = IntentTerms(size, worst, quote.mid, reduce_only=True)
    return [kind_intent(kind, sector, symbol, side, terms, message)]


def _resting_stop(
    held: OpenExit, position: Position, context: PlanContext, name: str = ""
) -> tuple[list[Intent], list[str]]:
    """The stop of a position with an exit plan: near the stop of now, or nearer to the entry."""
    price, sign = held.plan.stop_price, held.side.sign
    if held.targets_hit >= len(held.plan.targets):
        price = max(price, trailing_stop(held), key=lambda one: one * sign)
    price = nearest_stop(position, context.policy, price)
    required = RequiredStop(held.sector, price, name or held.words, *within(price, sign), is_closing=bool(held.closing))
    return resting_stop(required, position, context)
