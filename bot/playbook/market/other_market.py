"""What is said of the market that signals are read from, where it is not the one that is traded (PLAYBOOK §3)."""

from decimal import Decimal

from bot.domain.market import Snapshot
from bot.domain.money import ONE
from bot.domain.reason import Note, Reason

APART = Decimal("0.01")
NAMED_MAX = 3


def describe_difference(snapshot: Snapshot) -> Note | None:
    """The difference between traded prices and the prices of the signals' market; None where both are one market.

    Whole percents, so that what is said changes when it matters and not at every look.
    """
    market = snapshot.signal_market
    if market is None:
        return None
    pairs = ((symbol, snapshot.price(symbol), price) for symbol, price in market.prices.items() if price > 0)
    apart = {symbol: traded / price - ONE for symbol, traded, price in pairs if traded is not None}
    far = sorted((s for s, share in apart.items() if abs(share) >= APART), key=lambda s: (-abs(apart[s]), s))
    if not apart:
        words = "none of its prices can be compared"
    elif not far:
        words = f"the prices traded at agree within {APART:.0%}"
    else:
        named = ", ".join(f"{symbol} {apart[symbol]:+.0%}" for symbol in far[:NAMED_MAX])
        words = f"{len(far)} of {len(apart)} prices traded at are apart by {APART:.0%} or more: {named}"
    message = f"signals are read from {market.name}, orders go elsewhere; {words}"
    return Note(Reason.SIGNALS_ELSEWHERE, message, market.name, {s: f"{apart[s]:.4f}" for s in far[:NAMED_MAX]})
