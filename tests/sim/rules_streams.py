"""What a turn decides by was answered by the venue, whatever a stream has said: prices here, fills by the checkers."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bot.domain.market import Quote
from tests.sim.hooks import Rule
from tests.sim.world import Life


class PricesAreAnswers(Rule):
    """Every price of a snapshot is one that this process was given for its question."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._answered: dict[str, set[str]] = {}

    def at_start_of_life(self, life: Life) -> None:
        self._answered = answered = defaultdict(set)
        venue: Any = life.venue
        ask = venue.fetch_quotes

        async def asked(symbols: Sequence[str]) -> Mapping[str, Quote]:
            found: Mapping[str, Quote] = await ask(symbols)
            for symbol, quote in found.items():
                answered[symbol].update(str(price) for price in (quote.bid, quote.ask, quote.mark))
            return found

        venue.fetch_quotes = asked

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if result is None:
            return
        for symbol, quote in result.snapshot.quotes.items():
            for price in (quote.bid, quote.ask, quote.mark):
                if price is not None and str(price) not in self._answered[symbol]:
                    self.world.violate("a price is the venue's answer", f"{kind}: {symbol} {price}")


RULES = (PricesAreAnswers,)
