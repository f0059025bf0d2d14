"""The account's own fee rates, as far as they are the same at every venue. ccxt lists the rates of an ordinary account;
the venue charges the account's. The listed rates serve where the venue does not answer."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from bot.domain.instrument import Instrument
from bot.domain.money import ZERO

RATE_MAX = Decimal("0.05")
DEADLINE_S = 5.0
"""How long a start or a turn waits for the rates."""
NO_ANSWER = "no answer in time"
NO_ROW = "the venue's list has no row of it"
Rates = tuple[Decimal, Decimal]


class OwnRates:
    """(maker, taker) rates of one account by symbol, as far as the venue answered."""

    def __init__(self) -> None:
        self._own: dict[str, Rates] = {}
        self._failed: dict[str, str] = {}

    def applied(self, instrument: Instrument) -> Instrument:
        """The instrument with the account's own rates, or as it is where they are not known."""
        own = self._own.get(instrument.symbol)
        return instrument if own is None else replace(instrument, maker_fee=own[0], taker_fee=own[1])

    def notes(self) -> Mapping[str, str]:
        """Which rates serve, and why, for the symbols whose own rates could not be read."""
        return {
            symbol: f"its fee rates could not be read ({why}); "
            + ("those read before serve" if symbol in self._own else "the listed rates of the venue serve")
            for symbol, why in self._failed.items()
        }

    def _keep(self, symbol: str, answer: Rates | str) -> None:
        """Keep the rates of a symbol, or why there are none."""
        if isinstance(answer, str):
            self._failed[symbol] = answer
            return
        self._own[symbol] = answer
        self._failed.pop(symbol, None)


def checked_rates(maker: Decimal, taker: Decimal) -> Rates:
    """A maker may be paid; a taker is not. A rate above `RATE_MAX` is no rate.

    Raises:
        ValueError: for anything else.
    """
    if not (-RATE_MAX <= maker <= RATE_MAX and ZERO <= taker <= RATE_MAX):
        raise ValueError(f"fee rates of {maker} and {taker}")
    return maker, taker
