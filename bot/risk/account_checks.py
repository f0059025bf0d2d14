"""Checks of the account as it could be after the order: exposure, leverage, margin, hedges, funding, money, exits.

All read the extremes of `projection`: everything pending at full size, in whichever subset is worst. A cap that is
already passed still lets through what does not raise it, or a hedge could not be opened when it is needed most.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import partial

from bot.domain.durations import HOURS_PER_YEAR
from bot.domain.instrument import Instrument, Side
from bot.domain.money import ONE, ZERO
from bot.domain.order import ExitPlan, Order, Purpose
from bot.domain.perp import expected_liquidation, margin_under
from bot.domain.reason import Note, Reason
from bot.risk.case import ENTRIES, NOT_SHRINKING, PERP_ENTRIES, RISK, Check, Effect, OrderReview
from bot.risk.projection import NOTHING, Exposure, held_hedges, is_uncertain, widest
from bot.risk.stress import SectorWeights, stress_losses


def check_gross(review: OrderReview) -> Note | None:
    return _capped(review, Reason.GROSS_EXPOSURE, "gross exposure", lambda e: e.gross, review.limits.gross_max)


def check_net(review: OrderReview) -> Note | None:
    return _capped(review, Reason.NET_EXPOSURE, "net exposure", lambda e: widest(e.net), review.limits.net_max)


def check_asset(review: OrderReview) -> Note | None:
    token = review.instrument.token
    return _capped(
        review,
        Reason.ASSET_EXPOSURE,
        f"exposure to {token}",
        lambda e: widest(e.assets.get(token, NOTHING)),
        review.limits.asset_max,
    )


def check_sector(review: OrderReview) -> Note | None:
    """Every sector the intent touches: a token may count in several."""
    for sector, bounds in review.after.sectors.items():
        if bounds == review.before.sectors.get(sector, NOTHING):
            continue
        note = _capped(
            review,
            Reason.SECTOR_EXPOSURE,
            f"exposure to the sector {sector}",
            partial(_sector_exposure, sector),
            review.limits.sector_max,
        )
        if note:
            return note
    return None


def check_stress(review: OrderReview) -> Note | None:
    """Every stated shock, should all that is pending execute against it: none may cost too much, unless the order does
    not raise what it costs."""
    tokens, limit = review.context.tokens, review.limits.stress_loss_max
    after = stress_losses(review.after, tokens)
    for shock in after:
        if after[shock] > limit * review.after.equity:
            measure = partial(_stress_loss, shock, tokens)
            if note := _capped(review, Reason.STRESS_LOSS, f"the loss when {shock}", measure, limit):
                return note
    return None


def check_account_leverage(review: OrderReview) -> Note | None:
    return _capped(
        review, Reason.ACCOUNT_LEVERAGE, "perp notional", lambda e: e.perp_gross, review.limits.account_leverage_max
    )


def check_position_leverage(review: OrderReview) -> Note | None:
    """An entry says its leverage, it is within ours and the instrument's, and the venue's bracket of the position that
    may result allows it."""
    leverage = review.leverage
    if leverage is None or not leverage.is_finite() or not review.intent.margin_quote.is_finite():
        return review.refuse(Reason.POSITION_LEVERAGE, "an entry into a perp must say its leverage and its margin")
    limit = min(review.limits.position_leverage_max, review.instrument.leverage_max)
    if not ZERO < leverage <= limit:
        return review.refuse(
            Reason.POSITION_LEVERAGE, f"leverage {leverage} is not within 0 to {limit}", leverage=leverage, limit=limit
        )
    lowest, highest = review.after.perps.get(review.intent.symbol, NOTHING)
    value = highest if review.intent.side is Side.BUY else -lowest
    most = review.instrument.notional_max(leverage)
    if most is None or value <= most:
        return None
    return review.refuse(
        Reason.POSITION_LEVERAGE,
        f"the position could be worth {value:.2f}; the venue's brackets allow {most} at leverage {leverage}",
        value=value,
        leverage=leverage,
        limit=most,
    )


def check_margin_use(review: OrderReview) -> Note | None:
    account = review.context.portfolio.account
    wallet = review.context.portfolio.equity if account.is_unified else account.perp_equity
    return _capped(
        review,
        Reason.MARGIN_USE,
        "locked margin",
        lambda e: e.margin,
        review.limits.margin_use_max,
        lambda _: wallet,
        "perp wallet",
    )


def check_futures_budget(review: OrderReview) -> Note | None:
    book = review.context.portfolio.book
    return _capped(
        review,
        Reason.FUTURES_BUDGET,
        "locked margin",
        lambda e: e.margin,
        review.limits.futures_budget,
        lambda _: book,
        "book",
    )


def check_liquidation(review: OrderReview) -> Note | None:
    """Distance of mark to the liquidation price when the order fills at its worst price, isolated margin."""
    intent, mark = review.intent, review.quote.valuation
    price = _liquidation_after(review, intent.worst_price)
    if price is None:
        return None
    distance = (mark - price) * intent.side.sign / mark
    if distance >= review.limits.liquidation_distance_min:
        return None
    return review.refuse(
        Reason.LIQUIDATION_DISTANCE,
        f"liquidation near {price:.6g} would be {distance:.4f} of mark away; "
        f"the least is {review.limits.liquidation_distance_min}",
        distance=distance,
        limit=review.limits.liquidation_distance_min,
        liquidation=price,
        mark=mark,
    )


def check_hedge(review: OrderReview) -> Note | None:
    """All hedges of the sector together against the spot that is left when everything that sells it has sold."""
    context, sector = review.context, review.intent.sector
    held = held_hedges(context.snapshot, context.portfolio, context.hedges).get(sector, ZERO)
    total = held + review.after.hedges.get(sector, ZERO)
    cover = max(ZERO, review.after.covers.get(sector, ZERO))
    if total <= review.limits.hedge_share_max * cover:
        return None
    return review.refuse(
        Reason.HEDGE_EXCEEDS_SPOT,
        f"hedges of {total:.2f} for {cover:.2f} of {sector} spot; allowed is {review.limits.hedge_share_max} of it",
        hedges=total,
        spot=cover,
        limit=review.limits.hedge_share_max,
    )


def check_purpose(review: OrderReview) -> Note | None:
    """A perp has one net position, so it is either a hedge or a directional position outside a rotation."""
    intent, context = review.intent, review.context
    size = review.position.size if review.position is not None else ZERO
    carried = next((held for held in context.memory.exits if held.symbol == intent.symbol and size), None)
    other = ""
    if carried is not None and carried.purpose not in (intent.purpose, Purpose.TACTICAL):
        other = f"carries a {carried.words}"
    elif intent.purpose.is_directional and not (intent.purpose is Purpose.TACTICAL and intent.campaign):
        hedging = (o for o in context.working if o.symbol == intent.symbol and o.purpose is Purpose.HEDGE)
        if (intent.symbol in context.hedges and size < 0) or any(order.open_size for order in hedging):
            other = "is a hedge"
        elif size * intent.side.sign < 0 or (carried is not None and carried.purpose is not intent.purpose):
            other = f"is {'long' if size > 0 else 'short'} already"
    return review.refuse(Reason.PERP_TAKEN, f"it {other}, and an account has one position of it") if other else None


def check_funding(review: OrderReview) -> Note | None:
    """Yearly rate the new position would pay, and the daily bill of all perps. An unknown rate refuses a tactical
    entry; a hedge is not left out for it."""
    intent, limits = review.intent, review.limits
    funding = review.context.snapshot.funding.get(intent.symbol)
    if funding is None:
        is_hedge = review.effect is Effect.HEDGES
        return None if is_hedge else review.refuse(Reason.FUNDING_BUDGET, "its funding rate is not known")
    paid_annual = funding.rate * intent.side.sign * HOURS_PER_YEAR / Decimal(funding.interval_hours)
    if paid_annual > limits.funding_rate_max_annual:
        return review.refuse(
            Reason.FUNDING_BUDGET,
            f"it would pay {paid_annual:.3f} of its notional a year; allowed is {limits.funding_rate_max_annual}",
            paid_annual=paid_annual,
            limit=limits.funding_rate_max_annual,
        )
    return _capped(
        review, Reason.FUNDING_BUDGET, "funding paid per day", lambda e: e.funding_cost_day, limits.funding_cost_max_day
    )


def check_money(review: OrderReview) -> Note | None:
    """A spot sale has the tokens, a purchase the cash at its worst price, a perp entry the margin."""
    if review.instrument.is_perp:
        return None if review.effect is Effect.SHRINKS else _check_margin(review)
    return _check_tokens(review) if review.intent.side is Side.SELL else _check_cash(review)


def check_exits(review: OrderReview) -> Note | None:
    """Tactical and leveraged entries carry exits that can work: a stop on the losing side, inside the liquidation
    price, a way to take profit and a deadline that is still ahead (PLAYBOOK §7)."""
    intent = review.intent
    is_leveraged = review.instrument.is_perp and (review.leverage or ONE) > ONE
    if not intent.purpose.is_directional and not is_leveraged:
        return None
    defect = "it has none" if intent.exits is None else _defect_of_exits(review, intent.exits)
    return review.refuse(Reason.EXITS_MISSING, f"an entry needs exits: {defect}") if defect else None


def _defect_of_exits(review: OrderReview, exits: ExitPlan) -> str | None:
    intent = review.intent
    numbers = (exits.stop_price, exits.trailing_share, exits.funding_budget_quote, *sum(exits.targets, ()))
    if not all(number.is_finite() for number in numbers):
        return "not all of its numbers are numbers"
    if (intent.reference_price - exits.stop_price) * intent.side.sign <= 0:
        return f"stop {exits.stop_price} is on the winning side of {intent.reference_price}"
    liquidation = _liquidation_after(review, intent.reference_price) if review.instrument.is_perp else None
    if liquidation is not None and (exits.stop_price - liquidation) * intent.side.sign <= 0:
        return f"stop {exits.stop_price} lies beyond the liquidation price {liquidation:.6g}"
    if not exits.targets and exits.trailing_share <= 0:
        return "no profit target and no trailing part"
    return "its deadline has passed" if exits.deadline_ms <= review.context.now_ms else None


def _stress_loss(shock: str, tokens: SectorWeights, exposure: Exposure) -> Decimal:
    return stress_losses(exposure, tokens)[shock]


def _sector_exposure(sector: str, exposure: Exposure) -> Decimal:
    return widest(exposure.sectors.get(sector, NOTHING))


def _capped(
    review: OrderReview,
    reason: Reason,
    name: str,
    measure: Callable[[Exposure], Decimal],
    limit: Decimal,
    base: Callable[[Exposure], Decimal] = lambda e: e.equity,
    base_name: str = "equity",
) -> Note | None:
    after, whole = measure(review.after), base(review.after)
    if after <= limit * whole:
        return None
    before = measure(review.before)
    if before > limit * base(review.before) and after <= before:
        return None
    return review.refuse(
        reason,
        f"{name} could reach {after:.2f}, more than {limit} of the {base_name} {whole:.2f}",
        value=after,
        before=before,
        limit_share=limit,
        base=whole,
    )


def _liquidation_after(review: OrderReview, price: Decimal) -> Decimal | None:
    """Liquidation price of the position when the intent fills at `price`. A held position of the other direction is
    taken as gone, which leaves the new one alone with its own margin."""
    intent, instrument, held = review.intent, review.instrument, review.position
    leverage = review.leverage or ONE
    size, cost = intent.size, intent.size * price
    margin = instrument.notional(intent.size, price) / leverage
    if held is not None and held.size * intent.side.sign > 0:
        size += abs(held.size)
        cost += abs(held.size) * held.entry_price
        margin += margin_under(instrument, held)
    return expected_liquidation(
        instrument,
        size=size * intent.side.sign,
        entry=cost / size,
        margin=margin,
        rate_min=review.limits.maintenance_rate,
    )


def _check_tokens(review: OrderReview) -> Note | None:
    intent, instrument = review.intent, review.instrument
    balance = review.context.portfolio.account.balances.get(instrument.base)
    if balance is None:
        return review.refuse(Reason.BALANCE_SHORT, f"no {instrument.base} is held", needed=intent.size, free=ZERO)
    earlier = sum((i.size for i in review.approved if i.symbol == intent.symbol and i.side is Side.SELL), ZERO)
    working = sum(
        (o.open_size for o in review.context.working if o.symbol == intent.symbol and o.side is Side.SELL), ZERO
    )
    free = min(balance.free, balance.total - working) - earlier
    if intent.size <= free:
        return None
    return review.refuse(
        Reason.BALANCE_SHORT, f"sells {intent.size} {instrument.base} of {free} free", needed=intent.size, free=free
    )


def _check_cash(review: OrderReview) -> Note | None:
    """Sales approved before count with what they are expected to bring: phases run in order, and a sale that fails
    makes the venue reject the purchase, never overspend."""
    account, needed = (
        review.context.portfolio.account,
        _cost(review.instrument, review.intent.size, review.intent.worst_price),
    )
    free = _free_cash(review)
    if needed <= free:
        return None
    return review.refuse(
        Reason.BALANCE_SHORT,
        f"costs up to {needed:.2f} {account.quote} of {free:.2f} available",
        needed=needed,
        free=free,
        floor=review.limits.cash_floor_quote,
    )


def _check_margin(review: OrderReview) -> Note | None:
    context, account = review.context, review.context.portfolio.account
    needed = _margin(
        review.instrument, review.intent.size, max(review.intent.worst_price, review.quote.valuation), review.leverage
    )
    free = _free_cash(review) if account.is_unified else account.perp_free - _margin_reserved(review)
    if needed <= free:
        return None
    return review.refuse(
        Reason.MARGIN_SHORT,
        f"needs {needed:.2f} {context.portfolio.account.quote} of {free:.2f} free margin",
        needed=needed,
        free=free,
    )


def _free_cash(review: OrderReview) -> Decimal:
    account, instruments = review.context.portfolio.account, review.context.snapshot.instruments
    working = sum((_order_cost(review, order) for order in review.context.working), ZERO)
    spent = ZERO
    for intent in review.approved:
        instrument = instruments[intent.symbol]
        if instrument.is_perp:
            continue
        if intent.side is Side.BUY:
            spent += _cost(instrument, intent.size, intent.worst_price)
        else:
            spent -= instrument.notional(intent.size, intent.reference_price) * (ONE - instrument.taker_fee)
    if account.is_unified:
        spent += _margin_reserved(review)
    return min(account.cash_free, account.cash - working) - spent - review.limits.cash_floor_quote


def _order_cost(review: OrderReview, order: Order) -> Decimal:
    instrument = review.context.snapshot.instruments.get(order.symbol)
    if instrument is None or instrument.is_perp or order.side is not Side.BUY:
        return ZERO
    return _cost(instrument, order.open_size, order.price or review.context.snapshot.price(order.symbol) or ZERO)


def _margin_reserved(review: OrderReview) -> Decimal:
    """Margin that approved entries will lock, and that entries in doubt may have locked."""
    instruments, positions = review.context.snapshot.instruments, review.context.portfolio.account.positions
    total = ZERO
    for intent in review.approved:
        instrument = instruments[intent.symbol]
        if instrument.is_perp and not intent.reduce_only:
            total += _margin(instrument, intent.size, max(intent.worst_price, intent.reference_price), intent.leverage)
    for order in review.context.working:
        unknown_instrument = instruments.get(order.symbol)
        if (
            unknown_instrument is not None
            and unknown_instrument.is_perp
            and not order.reduce_only
            and is_uncertain(order)
        ):
            held = positions.get(order.symbol)
            price = order.price or review.context.snapshot.price(order.symbol) or ZERO
            total += _margin(unknown_instrument, order.open_size, price, held.leverage if held else None)
    return total


def _cost(instrument: Instrument, size: Decimal, price: Decimal) -> Decimal:
    """What a venue locks for a purchase. Its fee is taken from the tokens that are bought."""
    return instrument.notional(size, price)


def _margin(instrument: Instrument, size: Decimal, price: Decimal, leverage: Decimal | None) -> Decimal:
    notional = instrument.notional(size, price)
    return notional / (leverage or ONE) + notional * instrument.taker_fee


# In order; see `bot.risk.gate.CHECKS`.
CHECKS: tuple[Check, ...] = (
    Check(check_position_leverage, PERP_ENTRIES),
    Check(check_exits, RISK),
    Check(check_purpose, PERP_ENTRIES),
    Check(check_hedge, frozenset({Effect.HEDGES})),
    Check(check_gross, ENTRIES),
    Check(check_net, ENTRIES),
    Check(check_asset, ENTRIES),
    Check(check_sector, ENTRIES),
    Check(check_stress, RISK),
    Check(check_account_leverage, PERP_ENTRIES),
    Check(check_liquidation, PERP_ENTRIES),
    Check(check_margin_use, PERP_ENTRIES),
    Check(check_futures_budget, PERP_ENTRIES),
    Check(check_funding, PERP_ENTRIES),
    Check(check_money, NOT_SHRINKING),
)
