"""Directional positions outside a rotation: the late tactical long of a stance (PLAYBOOK §4), the speculative short
(§5) and the scalp (§9). The last two are off by default.

A rotation opens its long while it moves. When breakout or a high confidence come only afterwards, the stance takes its
long then, once, from the idle margin of the sector's futures sleeve: the shift has been spent.

The scalp belongs to a purchase that waits for its price: a short of the same token, which ends when the wait does.

The short belongs to a broad downtrend, where the playbook speaks of it: moving into infrastructure hedges the very
perps it would be held on. An account has one net position per perp, so a perp that is a hedge, or is about to be one,
never carries a directional position.

What is opened is written into memory with its exits before it is asked for (`Opening`); what has filled is watched by
the guard like a rotation's long. A stance has one long and a downtrend one short: what an exit has closed is not opened
again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.domain.campaign import Condition, Memory, OpenExit, Opening, Stance
from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Side
from bot.domain.money import ONE, ZERO
from bot.domain.order import Intent, IntentTerms, Order, Purpose
from bot.domain.order_ids import DIRECTIONAL_KINDS
from bot.domain.perp import bracket_room, opening_cost, whole_leverage
from bot.domain.reason import Note, Reason
from bot.domain.states import LegState
from bot.playbook.book.context import PlanContext
from bot.playbook.book.transfers import free_margin, running_tranche
from bot.playbook.market import indicators
from bot.playbook.market.regime import Reading
from bot.playbook.market.stance import Choice
from bot.playbook.orders.entry import largest, waiting_purchases
from bot.playbook.orders.factory import can_open, kind_intent, worst_price
from bot.playbook.policy.choices import GainHedge, NeutralFutures
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.exits import ExitRule, entered_at
from bot.playbook.positions.hedge_choice import choose_hedges
from bot.playbook.positions.tactical import DirectionalPosition, Terms, size_position, tactical_terms

LATE_MS = HOUR_MS  # later executions of an order that was given up need an operator
_LONG = "tactical long"


@dataclass(frozen=True, slots=True)
class Speculation:
    """What is to be opened now, and what is to be remembered of it before it is asked for."""

    memory: Memory
    intents: tuple[Intent, ...] = ()
    notes: tuple[Note, ...] = ()


def direction(stance: Stance, policy: Policy) -> tuple[str, Side] | None:
    """The sector and the side that a stance bets on; None when it bets on nothing."""
    return {
        Stance.INTO_DEFI: (policy.allocation.risk_on, Side.BUY),
        Stance.INTO_INFRA: (policy.allocation.risk_off, Side.BUY),
        Stance.DE_RISK: (policy.allocation.risk_on, Side.SELL),
    }.get(stance)


def no_longer_justified(
    memory: Memory, stance: Stance, rising: Sequence[str], context: PlanContext
) -> Mapping[str, str]:
    """Directional positions that must end, by perp: what they were opened for is over, or two signs speak against a
    short."""
    result, waiting = {}, _waiting(memory, stance, context)
    for held in memory.exits:
        if held.purpose is Purpose.TACTICAL and held.campaign:
            continue  # the next rotation closes what a rotation has opened
        if why := _why_over(held, stance, waiting, context):
            result[held.symbol] = why
        elif held.purpose is Purpose.TACTICAL_SHORT and len(rising) >= 2:
            result[held.symbol] = f"signs against it: {', '.join(rising)}"
    return result


def _why_over(held: OpenExit | Opening, stance: Stance, waiting: Mapping[str, str], context: PlanContext) -> str:
    """Why what a directional position is for is over; empty while it is not."""
    if held.purpose is Purpose.SCALP:
        spot = context.sectors.spot_of(held.symbol)
        return "" if spot in waiting else f"no purchase of {spot} waits any more"
    return "" if direction(stance, context.policy) == (held.sector, held.side) else f"the stance is {stance.value}"


def _waiting(memory: Memory, stance: Stance, context: PlanContext) -> Mapping[str, str]:
    """Sectors of the purchases that wait for their price, by spot symbol; none of a rotation that is given up."""
    campaign = memory.campaign
    return waiting_purchases(memory, context) if campaign is not None and campaign.stance_to is stance else {}


def end_openings(memory: Memory, ended: frozenset[str]) -> Memory:
    """Memory without the openings of positions whose exit has begun."""
    if not any(opening.symbol in ended for opening in memory.opening):
        return memory
    opening = tuple(replace(o, until_ms=0) if o.symbol in ended else o for o in memory.opening)
    return replace(memory, opening=opening)


def book_scalps(before: Memory, after: Memory, context: PlanContext) -> Memory:
    """Memory with the losses of the scalps that have ended counted into the day, gains are not set against them.

    A scalp that nobody closed was stopped at the venue: it is taken to have ended at its stop, or at the price of now
    where that is worse.
    """
    kept = {held.symbol for held in after.exits}
    lost = ZERO
    for held in before.exits:
        if held.purpose is Purpose.SCALP and held.symbol not in kept and not held.targets_hit:
            lost += _loss(held, context)
    if lost <= 0:
        return after
    day = after.scalps.on(_day(context.at_ms))
    return replace(after, scalps=replace(day, loss_quote=day.loss_quote + lost))


def _loss(held: OpenExit, context: PlanContext) -> Decimal:
    instrument = context.snapshot.instruments.get(held.symbol)
    price, sign = context.price(held.symbol) or held.plan.stop_price, held.side.sign
    if not held.closing:
        price = min(price, held.plan.stop_price, key=lambda one: one * sign)
    contract, fee = (instrument.contract_size, instrument.taker_fee) if instrument is not None else (ONE, ZERO)
    moved = (held.entry_price - price) * sign + (held.entry_price + price) * fee
    return max(ZERO, moved * held.size_entered * contract + held.funding_paid)


def after_hedges(intents: Sequence[Intent], context: PlanContext) -> PlanContext:
    """The context without the margin of hedges that this turn opens, and without what their sleeves keep to top them
    up: the same margin is not given to a directional position too."""
    needed = [(intent.sector, intent.margin_quote) for intent in intents if intent.margin_quote > 0]
    if not needed:
        return context
    portfolio, keep = context.portfolio, ONE + context.policy.hedging.margin_keep
    account, labels = portfolio.account, dict(portfolio.labels)
    for sector, margin in needed:
        labels[sector] = labels.get(sector, ZERO) - margin * keep
    total = sum((margin for _, margin in needed), ZERO)
    cash = account.balances.get(account.quote)
    if not account.is_unified:
        account = replace(account, perp_free=account.perp_free - total)
    elif cash is not None:
        locked = replace(cash, free=cash.free - total, used=cash.used + total)
        account = replace(account, balances={**account.balances, account.quote: locked})
    return replace(context, portfolio=replace(portfolio, account=account, labels=labels))


def plan_speculation(
    memory: Memory, context: PlanContext, reading: Reading, choice: Choice, rising: Sequence[str]
) -> Speculation:
    """Go on with what is being opened and begin what is due. While a tranche of a rotation runs its hedges come first:
    nothing begins but a scalp, whose purchase waits only when they stand. `rising` are signs against a short; one
    forbids it."""
    memory = replace(_settle(memory, context, choice), longed=_longed(memory, choice.stance, context.policy))
    notes: list[Note] = []
    if running_tranche(memory) is None and not context.portfolio.unpriced:
        memory, notes = _long(memory, context, choice)
        memory, more = _short(memory, replace(context, directional=memory.directional), reading, choice.stance, rising)
        notes += more
    if context.policy.scalp.is_on and not context.portfolio.unpriced:
        memory, more = _scalp(memory, replace(context, directional=memory.directional), choice.stance)
        notes += more
    intents = [intent for opening in memory.opening if (intent := _intent(opening, context)) is not None]
    return Speculation(memory, tuple(intents), tuple(notes))


def _settle(memory: Memory, context: PlanContext, choice: Choice) -> Memory:
    """Openings that are filled, late or groundless are over; one with a live order is kept for its exits, and so is one
    whose order may yet turn out to have executed."""
    kept, filled = [], {held.symbol for held in memory.exits}
    waiting = _waiting(memory, choice.stance, context)
    for opening in memory.opening:
        is_over = (
            context.at_ms >= opening.until_ms
            or bool(_why_over(opening, choice.stance, waiting, context))
            or (opening.purpose is Purpose.TACTICAL and not choice.tactical_allowed)
            or _left(opening, context) <= 0
        )
        if _live_orders(opening, context):
            kept.append(replace(opening, until_ms=0) if is_over else opening)
        elif not is_over:
            kept.append(opening)
        elif opening.symbol not in filled and context.at_ms < (opening.over_ms or context.at_ms) + LATE_MS:
            kept.append(replace(opening, until_ms=0, over_ms=opening.over_ms or context.at_ms))
    return memory if tuple(kept) == memory.opening else replace(memory, opening=tuple(kept))


def _longed(memory: Memory, stance: Stance, policy: Policy) -> Stance:
    """The stance, when it has had its long, by a rotation or after it; neutral when it has not."""
    aim = direction(stance, policy)
    if aim is None or aim[1] is not Side.BUY:
        return Stance.NEUTRAL
    legs = [leg for tranche in memory.campaign.tranches for leg in tranche.legs] if memory.campaign is not None else []
    begun = {leg.sector for leg in legs if leg.purpose is Purpose.TACTICAL and leg.state is not LegState.SKIPPED}
    begun |= {held.sector for held in memory.exits if held.purpose is Purpose.TACTICAL}
    return stance if memory.longed is stance or aim[0] in begun else Stance.NEUTRAL


def _long(memory: Memory, context: PlanContext, choice: Choice) -> tuple[Memory, list[Note]]:
    policy, campaign, aim = context.policy, memory.campaign, direction(choice.stance, context.policy)
    stands = memory.stance is choice.stance and (campaign is None or campaign.is_over)
    is_due = stands and choice.tactical_allowed and memory.longed is not choice.stance
    if not is_due or aim is None or aim[1] is not Side.BUY:
        return memory, []
    sector, what = aim[0], _LONG
    required = policy.rotation.shift * policy.rotation.tactical_split * context.portfolio.book
    perps, notes = _free_perps(sector, what, memory, context)
    terms = tactical_terms(what, Side.BUY, perps, min(required, _sleeve_room(sector, memory, context)), policy)
    until_ms = context.at_ms + policy.constants.leg_patience_hours * HOUR_MS
    opening, more = _open(Purpose.TACTICAL, terms, sector, until_ms, context)
    if opening is not None:
        memory = replace(_begin(opening, memory), longed=choice.stance)
    return memory, [*notes, *more]


def _short(
    memory: Memory, context: PlanContext, reading: Reading, stance: Stance, rising: Sequence[str]
) -> tuple[Memory, list[Note]]:
    policy, since_ms = context.policy, reading.memory.since_ms
    is_due = policy.short.is_on and reading.condition is Condition.DOWNTREND and stance is Stance.DE_RISK
    if not is_due or memory.shorted_ms == since_ms:
        return memory, []
    sector, what = policy.allocation.risk_on, "speculative short"
    if reading.confidence < policy.tactical.confidence:
        message = f"no {what}: confidence {reading.confidence:.2f} is below {policy.tactical.confidence}"
        return memory, [Note(Reason.CONFIDENCE_LOW, message, sector)]
    if rising:
        return memory, [Note(Reason.EXIT_SIGNS, f"no {what}: signs against it: {', '.join(rising)}", sector)]
    margin = min(policy.short.margin * context.portfolio.book, _sleeve_room(sector, memory, context))
    perps, notes = _free_perps(sector, what, memory, context)
    terms = tactical_terms(what, Side.SELL, perps, margin, policy)
    until_ms = context.at_ms + policy.constants.leg_patience_hours * HOUR_MS
    opening, more = _open(Purpose.TACTICAL_SHORT, terms, sector, until_ms, context)
    if opening is not None:
        memory = replace(_begin(opening, memory), shorted_ms=since_ms)
    return memory, [*notes, *more]


def _scalp(memory: Memory, context: PlanContext, stance: Stance) -> tuple[Memory, list[Note]]:
    """A short of a token whose purchase waits, when its RSI turns down: what the wait hopes for is sold meanwhile."""
    policy, purposes = context.policy, {held.purpose for held in memory.exits}
    purposes |= {opening.purpose for opening in memory.opening if not opening.over_ms}
    waiting = _waiting(memory, stance, context)
    if Purpose.SCALP in purposes or not waiting:
        return memory, []
    day = memory.scalps.on(_day(context.at_ms))
    tranche = running_tranche(memory)
    legs, notes = tranche.legs if tranche is not None else (), list[Note]()
    of_legs = {leg.symbol for leg in legs}
    due: list[tuple[str, str, int]] = []
    for sector in dict.fromkeys(waiting.values()):
        perps, taken = _free_perps(sector, "scalp", memory, context)
        notes += taken
        perps = [symbol for symbol in perps if symbol not in of_legs and context.sectors.spot_of(symbol) in waiting]
        due += [(symbol, sector, end_ms) for symbol in perps if (end_ms := turned_ms(symbol, context)) is not None]
    due = [one for one in due if one[2] != day.candle_ms]
    if not due:
        return memory, notes
    symbol, sector, end_ms = due[0]
    kept = sum((leg.margin for leg in legs if leg.sector == sector and not leg.state.is_over), ZERO)
    room = max(ZERO, _sleeve_room(sector, memory, context) - kept)
    margin = min(policy.scalp.margin * context.portfolio.book, room)
    risk = margin * policy.scalp.leverage * policy.constants.scalp_stop
    if day.count >= policy.scalp.per_day or day.loss_quote + risk > policy.scalp.loss_max * context.portfolio.book:
        message = (
            f"no scalp on {symbol} till tomorrow: {day.count} of {policy.scalp.per_day} today, {day.loss_quote:.2f} "
            f"lost, {risk:.2f} at risk, the day's budget is {policy.scalp.loss_max:.2%} of the book"
        )
        return memory, [Note(Reason.SCALP_BUDGET, message, symbol, {"lost": str(day.loss_quote)})]
    rule = ExitRule(
        policy.constants.scalp_stop,
        ((policy.constants.scalp_target, ONE),),
        policy.exits.trailing,
        policy.constants.scalp_hours,
    )
    terms = Terms("scalp", Side.SELL, (symbol,), margin, policy.scalp.leverage, rule)
    opening, more = _open(Purpose.SCALP, terms, sector, end_ms + policy.candle_ms, context)
    if opening is not None:
        day = replace(day, count=day.count + 1, candle_ms=end_ms)
        memory = replace(_begin(opening, memory), scalps=day)
    return memory, list(more)


def turned_ms(symbol: str, context: PlanContext) -> int | None:
    """End of the last candle, UTC ms, when the RSI of an overbought token has fallen in it; None when it has not, or
    the candle is older than its own length."""
    series = context.snapshot.candles.get(context.sectors.spot_of(symbol))
    if series is None or len(series) < 2 or context.at_ms - series.end_ms >= context.policy.candle_ms:
        return None
    before, now = (_rsi(series, count, context.policy) for count in (len(series) - 1, len(series)))
    if before is None or now is None:
        return None
    return series.end_ms if before > 100 - float(context.policy.constants.scalp_rsi) and now < before else None


def _rsi(series: CandleSeries, count: int, policy: Policy) -> float | None:
    return indicators.rsi(series.closes[:count], policy.constants.rsi_period)


def _free_perps(sector: str, what: str, memory: Memory, context: PlanContext) -> tuple[list[str], list[Note]]:
    """Perps of the sector that carry nothing and will hedge nothing; the note says why there is none.

    A tactical long may stand where a rotation will hedge: its rotation closes it first (PLAYBOOK §5).
    """
    policy, taken = context.policy, {*memory.hedges, *(held.symbol for held in memory.exits)}
    taken |= set(memory.directional)
    stands = policy.carry.is_on or policy.gains.hedge is not GainHedge.OFF
    if (
        (policy.hedging.is_on and what != _LONG)
        or stands
        or policy.allocation.neutral_futures is NeutralFutures.DELTA_NEUTRAL
    ):
        # A basket is kept its first perp, and does without the others while they carry something.
        taken |= {part.symbol for name in context.sectors.sectors for part in choose_hedges(name, context)[0][:1]}
    known = context.sectors.tacticals(sector)
    free = [
        symbol for symbol in known if symbol not in taken and not context.held(symbol) and not context.live_on(symbol)
    ]
    if free:
        return free, []
    message = (
        f"no {what}: every perp of {sector} carries something or is kept for its hedge: {', '.join(known) or 'none'}"
    )
    return [], [Note(Reason.PERP_TAKEN, message, sector)]


def _sleeve_room(sector: str, memory: Memory, context: PlanContext) -> Decimal:
    """Idle margin of the sector's futures sleeve, beside what its hedges keep in hand and what is being opened."""
    sleeves = context.portfolio.sectors.get(sector)
    locked = sleeves.margin_locked if sleeves is not None else ZERO
    room = context.portfolio.labels.get(sector, ZERO) - locked * (ONE + context.policy.hedging.margin_keep)
    coming = sum((opening.margin for opening in memory.opening), ZERO)
    return max(ZERO, min(room, free_margin(context.portfolio.account)) - coming)


def _open(
    purpose: Purpose, terms: Terms, sector: str, until_ms: int, context: PlanContext
) -> tuple[Opening | None, tuple[Note, ...]]:
    if terms.symbols and terms.margin_quote <= 0:
        message = f"no {terms.words}: the futures sleeve of {sector} has no idle margin"
        return None, (Note(Reason.TRANSFER_NEEDED, message, sector),)
    position, notes = size_position(terms, sector, context, context.portfolio.book)
    if position is None:
        return None, notes
    opening = _opening(purpose, position, sector, until_ms)
    instrument = context.instrument(position.symbol)
    if instrument is None or not instrument.is_tradable(position.size, position.price):
        message = f"{position.words} is below the minimum of {position.symbol}"
        return None, (*notes, Note(Reason.BELOW_MINIMUM, message, position.symbol))
    return opening, notes


def _begin(opening: Opening, memory: Memory) -> Memory:
    """Memory with one more opening, in place of what was given up on its perp."""
    return replace(memory, opening=(*(o for o in memory.opening if o.symbol != opening.symbol), opening))


def _opening(purpose: Purpose, position: DirectionalPosition, sector: str, until_ms: int) -> Opening:
    return Opening(
        position.symbol,
        sector,
        purpose,
        position.side,
        position.size,
        position.margin_quote,
        position.leverage,
        position.exits,
        until_ms,
        position.words,
    )


def _left(opening: Opening, context: PlanContext) -> Decimal:
    """Contracts still to open, ZERO when what is left is too small to ask for or the price is beyond the stop."""
    instrument, price = context.instrument(opening.symbol), context.least_price(opening.symbol, opening.side)
    if instrument is None or price is None:
        return opening.size
    if (price - opening.plan.stop_price) * opening.side.sign <= 0:
        return ZERO
    left = instrument.floor_size(opening.size - abs(context.held(opening.symbol)))
    return left if instrument.is_tradable(left, price) else ZERO


def _intent(opening: Opening, context: PlanContext) -> Intent | None:
    market, side = can_open(opening.symbol, context), opening.side
    if market is None or _live_orders(opening, context) or not opening.until_ms:
        return None
    instrument, quote = market
    worst = worst_price(quote.mid, side, context.policy.orders.slippage_bps, instrument)
    price, leverage = max(worst, quote.valuation), whole_leverage(opening.leverage)
    per_unit = opening_cost(instrument, price, leverage)
    margin = free_margin(context.portfolio.account)
    room = bracket_room(instrument, leverage, held=context.held(opening.symbol), side=side, price=price)
    most = min(largest(price, instrument, context), margin / per_unit)
    size = instrument.floor_size(min(_left(opening, context), most if room is None else min(most, room)))
    if not instrument.is_tradable(size, min(worst, quote.valuation)):
        return None
    terms = IntentTerms(
        size,
        worst,
        quote.mid,
        leverage=leverage,
        margin_quote=instrument.notional(size, price) / leverage,
        exits=entered_at(opening.plan, quote.mid, side.sign * opening.size, leverage, instrument, context.policy),
    )
    kind = DIRECTIONAL_KINDS[opening.purpose]
    return kind_intent(kind, opening.sector, opening.symbol, side, terms, opening.words)


def _live_orders(opening: Opening, context: PlanContext) -> tuple[Order, ...]:
    return context.live_for(DIRECTIONAL_KINDS[opening.purpose], opening.symbol)


def _day(at_ms: int) -> int:
    return at_ms // DAY_MS * DAY_MS
