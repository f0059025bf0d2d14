"""The tactical long: which perp, which leverage, which exits (PLAYBOOK §§2, 4, 7, 8)."""

from decimal import Decimal

from bot.domain.campaign import Leg
from bot.domain.instrument import Instrument
from bot.domain.money import ONE, ZERO
from bot.domain.order import Purpose
from bot.domain.perp import funding_per_day
from bot.domain.reason import Note, Reason
from bot.playbook.exits import plan_exits
from bot.playbook.scene import Scene


def plan_tactical(
    sector: str, margin: Decimal, scene: Scene, book: Decimal, hedges: frozenset[str],
    closing: frozenset[str] = frozenset(),
) -> tuple[Leg | None, tuple[Note, ...]]:  # fmt: skip
    """A long of `margin` quote on the sector's leader: the first listed perp whose funding fits its budget.

    The leg is None when no leader can carry it. Cuts of leverage and of margin are noted with their numbers. `closing`
    names longs that are closed before this one is opened.
    """
    policy, notes = scene.policy, []
    cap = policy.tactical_margin_max * book - _margin_used(scene, closing)
    if margin > cap:
        words = f"the tactical long's margin is cut from {margin:.2f} to {max(ZERO, cap):.2f}, the cap on all of them"
        notes.append(Note(Reason.LEVERAGE_CUT, words, sector, {"wanted": str(margin), "allowed": str(cap)}))
        margin = max(ZERO, cap)
    if margin <= 0:
        return None, tuple(notes)
    for symbol in scene.sectors.tacticals(sector):
        instrument, price = scene.instrument(symbol), scene.price(symbol)
        if instrument is None or price is None or symbol in hedges or scene.held(symbol) < 0:
            continue
        leverage, cuts = _leverage(instrument, margin, scene)
        affordable, dear = _within_funding(symbol, leverage, scene)
        notes += dear
        if affordable < ONE:
            continue
        notes += cuts
        leverage = min(leverage, affordable)
        held = ZERO if symbol in closing else scene.held(symbol)
        size = instrument.size_for(margin * leverage, price)
        notional = instrument.notional(size, price)
        words = f"tactical long on {symbol}: {notional:.2f} at {leverage}x"
        own = notional / leverage
        exits = plan_exits(
            price, margin=own, leverage=leverage, instrument=instrument, policy=policy, at_ms=scene.at_ms
        )
        leg = Leg(
            0, Purpose.TACTICAL, sector, symbol, held, held + size, price, notional, notional / leverage, leverage,
            exits, words=words,
        )  # fmt: skip
        return leg, tuple(notes)
    return None, tuple(notes)


def _margin_used(scene: Scene, closing: frozenset[str]) -> Decimal:
    longs = (p for s, p in scene.portfolio.account.positions.items() if p.size > 0 and s not in closing)
    return sum((p.margin for p in longs), ZERO)


def _leverage(instrument: Instrument, margin: Decimal, scene: Scene) -> tuple[Decimal, list[Note]]:
    wanted = scene.policy.tactical_leverage
    allowed = min(wanted, scene.policy.max_leverage, max(ONE, instrument.leverage_max))
    if allowed >= wanted:
        return wanted, []
    words = (
        f"{instrument.symbol}: leverage is cut from {wanted}x to {allowed}x: the long is {margin * allowed:.2f} "
        f"instead of {margin * wanted:.2f}"
    )
    numbers = {"wanted": str(wanted), "allowed": str(allowed)}
    return allowed, [Note(Reason.LEVERAGE_CUT, words, instrument.symbol, numbers)]


def _within_funding(symbol: str, leverage: Decimal, scene: Scene) -> tuple[Decimal, list[Note]]:
    """The leverage whose expected funding over the planned holding time stays inside the budget (PLAYBOOK §8)."""
    funding = scene.snapshot.funding.get(symbol)
    if funding is None:
        return leverage, [Note(Reason.SIGNAL_MISSING, f"{symbol}: no funding rate, its cost is not known", symbol)]
    days = Decimal(scene.policy.tactical_hours) / 24
    cost = -funding_per_day(leverage, funding.rate, funding.interval_hours) * days
    if cost <= scene.policy.funding_budget:
        return leverage, []
    affordable = (leverage * scene.policy.funding_budget / cost).quantize(Decimal("0.1"), rounding="ROUND_FLOOR")
    ending = f"leverage is cut to {affordable}x" if affordable >= ONE else "it is left out"
    words = (
        f"{symbol}: funding would cost {cost:.1%} of the margin in {scene.policy.tactical_hours} h, the budget is "
        f"{scene.policy.funding_budget:.1%}: {ending}"
    )
    return affordable, [Note(Reason.FUNDING_DEAR, words, symbol, {"cost": str(cost), "rate": str(funding.rate)})]
