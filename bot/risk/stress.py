"""What a book would lose under the stated shocks, over every subset of what is pending (PLAYBOOK §11).

The same shocks as the table of `plan` and `status` (`bot.playbook.book.exposure`). Here no margin of
a position limits its loss and no stop counts, so a loss is never understated. Pure arithmetic, no limits.
"""

from collections.abc import Mapping
from decimal import Decimal

from bot.domain.money import ZERO
from bot.domain.portfolio import DARK_FALL, FALL, QUOTE_FALL, SECTOR_FALL, WICK
from bot.risk.projection import NOTHING, Exposure

SectorWeights = Mapping[str, Mapping[str, Decimal]]  # token → part of it that counts in each sector


def stress_losses(exposure: Exposure, tokens: SectorWeights) -> dict[str, Decimal]:
    """Loss in quote by shock, never negative.

    Args:
        exposure: the extremes of the account.
        tokens: what of each token counts in which sector; a token that is not in it falls with the whole market only.
    """
    low, high = exposure.net
    longs = high - sum((min(ZERO, bounds[1]) for bounds in exposure.perps.values()), ZERO)
    long_perps = sum((max(ZERO, bounds[1]) for bounds in exposure.perps.values()), ZERO)
    short_perps = sum((max(ZERO, -bounds[0]) for bounds in exposure.perps.values()), ZERO)
    losses = {
        "everything falls": FALL * high,
        "perps rise alone": WICK * short_perps,
        "perps fall alone": WICK * long_perps,
        "the quote currency falls": QUOTE_FALL * (exposure.equity - low),
        "the venue is dark": DARK_FALL * longs,
    }
    for sector in dict.fromkeys(name for weights in tokens.values() for name in weights):
        held = (exposure.assets.get(token, NOTHING)[1] * weights.get(sector, ZERO) for token, weights in tokens.items())
        losses[f"{sector} falls"] = SECTOR_FALL * sum(held, ZERO)
    return {name: max(ZERO, loss) for name, loss in losses.items()}
