"""Fee rates at MEXC are those that its lists of markets state; discounts of an account are not counted."""

from collections.abc import Iterable

from bot.venues.ccxt.account.fees import OwnRates
from bot.venues.ccxt.connection import Connection


class MexcFees(OwnRates):
    """Asks nothing: a question for each symbol would cost more of the limits than it is worth."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        del connection

    def are_due(self) -> bool:
        """They come with the markets."""
        return False

    async def refresh(self, symbols: Iterable[str], *, is_fresh: bool) -> None:
        """Nothing is asked."""
        del symbols, is_fresh
