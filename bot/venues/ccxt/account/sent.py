"""Orders of perps that were sent to a venue which cannot be asked for them by client id.

Their time says how far back its lists are searched; an id that the venue gave says that the order is in one of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.domain.order import Order


@dataclass(frozen=True, slots=True)
class SentOrder:
    """When an order was stamped, and the venue's id of it; empty while it is not known that the venue took it."""

    stamp_ms: int
    venue_id: str


@dataclass
class SentOrders:
    """Orders that may still execute, by form and client id: plain and conditional ones stand in lists of their own.

    They are kept in memory: `recall` brings back those of the journal and drops all others.
    """

    _known: dict[tuple[str, bool], SentOrder] = field(default_factory=dict)

    def took(self, client_id: str, venue_id: str, stamp_ms: int, *, is_trigger: bool) -> None:
        """The venue has taken an order of ours under this id of its own."""
        self._known[client_id, is_trigger] = SentOrder(stamp_ms, venue_id)

    def recall(self, working: Iterable[Order]) -> None:
        """What the journal knows of orders that may still execute; no other of ours does."""
        known, self._known = self._known, {}
        for order in working:
            key = (order.client_id, order.order_type.is_trigger)
            venue_id = order.venue_id or (known[key].venue_id if key in known else "")
            self._known[key] = SentOrder(order.sent_ms, venue_id)

    def find(self, client_id: str, *, is_trigger: bool) -> SentOrder | None:
        """The order, None where it is neither under way nor was sent since."""
        return self._known.get((client_id, is_trigger))
