"""The venue allows less leverage for larger positions: its brackets are tightened, in steps, and put back."""

from typing import Any

from bot.simex.engine.rules import make_brackets
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance

LEVERAGE_MAX = 20
CAPS = (200, 800, 2_500)  # quote; what 5x is allowed up to


class BracketsBySize(Disturbance):
    """A perp allows high leverage for a small position, twice for a larger one, none beyond. Each is tightened once,
    before the bot first asks or at some moment, so that its brackets stand for longer than former ones may be used."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tight: set[str] = set()
        self._has_begun = False

    def on_connect(self, venue: Any) -> None:
        if not self._has_begun:
            self._has_begun = True
            for symbol in self._loose():
                if self.plan.strikes(Kind.BRACKETS_BY_SIZE):
                    self._tighten(symbol)

    async def act(self) -> None:
        if self.plan.strikes(Kind.BRACKETS_BY_SIZE) and (loose := self._loose()):
            self._tighten(self.plan.choose(Kind.BRACKETS_BY_SIZE, loose))

    def _loose(self) -> list[str]:
        return [symbol for symbol in sorted(self.exchange.instruments) if ":" in symbol and symbol not in self._tight]

    def _tighten(self, symbol: str) -> None:
        cap = self.plan.choose(Kind.BRACKETS_BY_SIZE, list(CAPS))
        self._tight.add(symbol)
        if not self.exchange.is_listed(symbol):
            return
        table = ((str(cap), LEVERAGE_MAX, "0.02"), (str(2 * cap), 2, "0.10"), ("30000000", 1, "0.5"))
        self.exchange.set_brackets(symbol, make_brackets(table, LEVERAGE_MAX))
        self.world.note(f"{symbol} allows more than 2x up to {cap} only")


WORLDS = (BracketsBySize,)
