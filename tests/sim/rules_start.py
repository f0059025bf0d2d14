"""Before the checks at the start are answered nothing is opened; inside a ban's `Retry-After` nothing is sent."""

from typing import Any, TypeVar

from bot.ports import OrderRequest
from tests.sim.hooks import Disturbance, Rule
from tests.sim.rules_writers import is_entry
from tests.sim.world import Life, Seam
from tests.sim.worlds_start import ChecksUnanswered, SilenceAsked, checked

D = TypeVar("D", bound=Disturbance)


class NothingIsOpenedUnchecked(Rule):
    """A process that opens something has been answered every check of account and key."""

    def on_submit(self, request: OrderRequest) -> None:
        if is_entry(request):
            self._judge(request.client_id)

    def on_write(self, what: str) -> None:
        self._judge(what)

    def _judge(self, what: str) -> None:
        if self.world.seam is not Seam.WIRE:
            return
        missing = set(checked(self.world)) - _find(self, ChecksUnanswered).answered
        if missing:
            self.world.violate("nothing is opened before the checks pass", f"{what}, without {sorted(missing)}")


class NothingIsSentInsideABan(Rule):
    """A process that was told to be silent is, reads and writes alike."""

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        self._judge()

    def at_end_of_life(self, life: Life, *, is_clean: bool) -> None:
        self._judge()

    def _judge(self) -> None:
        inside = _find(self, SilenceAsked).inside
        for words in inside:
            self.world.violate("nothing is sent inside a Retry-After", words)
        inside.clear()


def _find(rule: Rule, kind: type[D]) -> D:
    return next(one for one in rule.world.hooks.disturbances if isinstance(one, kind))


RULES = (NothingIsOpenedUnchecked, NothingIsSentInsideABan)
