"""The gate approves no entry at a leverage that the venue's brackets do not allow for the position it leads to.

Of the exchange itself: at rest no position stands that its margin does not carry, so none that nobody can close.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from bot.domain.brackets import Bracket, notional_cap
from bot.domain.instrument import Kind
from bot.domain.money import ZERO
from bot.domain.symbol import is_perp
from bot.risk import Approved
from tests.sim.hooks import Rule
from tests.sim.wire import ACCOUNT
from tests.sim.world import Life, Seam

KNOWN_SECONDS = 2 * 3_600.0  # an hour is the age limit of brackets; the turns and failed reads around it are the rest
MOVED = 1.05  # how much the price may have moved since the turn read it


class EntriesFitTheBrackets(Rule):
    """Judged by the exchange's own brackets, once they have stood for longer than the bot may use former ones, of what
    it has brackets for: where none could be read yet the venue itself holds to them.

    At the wire a venue may tell less of its brackets than they are (`Spoken.told_brackets`): maintenance rates and no
    leverage, or nothing. What it does not tell, nobody can know before it refuses a leverage."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._since: dict[str, tuple[tuple[Bracket, ...], float]] = {}
        self._held: dict[str, Decimal] = {}  # before the turn: what it executes is in its result's account already

    def before_turn(self, life: Life, kind: str) -> None:
        exchange, now = self.world.exchange, self.world.loop.time()
        self._held = {held.symbol: held.size for held in exchange.positions(ACCOUNT)}
        for symbol in exchange.instruments:
            if is_perp(symbol) and exchange.is_listed(symbol):
                brackets = exchange.brackets(symbol)
                before = self._since.get(symbol)
                if before is None or before[0] != brackets:
                    self._since[symbol] = brackets, now if before is not None else now - KNOWN_SECONDS

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if result is None:
            return
        exchange = self.world.exchange
        for verdict in result.verdicts:
            intent = verdict.intent
            if not isinstance(verdict, Approved) or intent.reduce_only or intent.leverage is None:
                continue
            known = result.snapshot.instruments.get(intent.symbol)
            if known is None or not known.brackets:
                continue
            brackets, since = self._since.get(intent.symbol, ((), 0.0))
            if not brackets or self.world.loop.time() - since < KNOWN_SECONDS or not exchange.is_listed(intent.symbol):
                continue
            size = intent.size + max(ZERO, self._held.get(intent.symbol, ZERO) * intent.side.sign)
            value = exchange.instruments[intent.symbol].notional(size, exchange.quote(intent.symbol).valuation)
            if float(value) > float(notional_cap(self._told(brackets), intent.leverage)) * MOVED:
                words = f"{intent.id}: {value:.2f} at {intent.leverage}x of {intent.symbol}"
                self.world.violate("an entry fits the brackets of the position it leads to", words)

    def _told(self, brackets: Sequence[Bracket]) -> Sequence[Bracket]:
        """The exchange's brackets as the venue tells them."""
        if self.world.seam is Seam.PORT:
            return brackets
        return self.world.spoken_at(Kind.PERP).told_brackets(brackets)


class PositionsAreCarried(Rule):
    """A close takes no price beyond the bankruptcy of an isolated position, so what the exchange fails to liquidate
    there is held for ever."""

    def at_end(self, life: Life, truth: Any) -> None:
        exchange = self.world.exchange
        for held in exchange.positions(ACCOUNT):
            left = held.isolated_wallet + held.unrealised_pnl
            if held.is_isolated and exchange.is_open(held.symbol) and not 0 <= held.maintenance_margin <= left:
                words = f"{held.symbol} {held.size}: {left:.2f} left, {held.maintenance_margin:.2f} needed"
                self.world.violate("the exchange liquidates what its margin does not carry", words)


RULES = (EntriesFitTheBrackets, PositionsAreCarried)
