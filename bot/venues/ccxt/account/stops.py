"""Conditional orders at a venue that keeps no client id of them.

Such an order is recognised by what it is: symbol, side, size, trigger price, whether it only reduces, and the time at
which it was made. Exactly one match is ours. Where two orders fit one of ours, or one fits two of ours, they cannot
be distinguished: then none is given a name, and the instrument may only be reduced until a person has looked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.order import Order
from bot.ports import OrderReport, OrderRequest, Rejection, ReportState
from bot.venues.ccxt.errors import NotSent

EARLY_MS = 2_000  # how much earlier than our stamp the venue may say that an order was made
_REMEMBERED_MAX = 500
_IN_DOUBT = (Rejection.DUPLICATE_ID, Rejection.CLOCK)  # refusals after which an order may rest all the same
DOUBTFUL = "two conditional orders without a client id are alike: which of them is ours is not known"


@dataclass(frozen=True, slots=True)
class SeenStop:
    """A conditional order at the venue, as far as it can be recognised."""

    venue_id: str
    symbol: str
    side: Side
    size: Decimal
    trigger_price: Decimal
    reduce_only: bool
    created_ms: int


@dataclass(frozen=True, slots=True)
class _OwnStop:
    """A conditional order that was sent. `until_ms`: the venue can have made it no later."""

    symbol: str
    side: Side
    size: Decimal
    trigger_price: Decimal | None
    reduce_only: bool
    stamp_ms: int
    until_ms: int
    venue_id: str = ""
    is_live: bool = True

    def is_alike(self, other: "SeenStop | _OwnStop") -> bool:
        return (self.symbol, self.side, self.size, self.trigger_price, self.reduce_only) == (
            other.symbol,
            other.side,
            other.size,
            other.trigger_price,
            other.reduce_only,
        )

    def fits(self, seen: SeenStop) -> bool:
        is_timely = self.stamp_ms - EARLY_MS <= seen.created_ms <= self.until_ms
        return is_timely and self.is_alike(seen)


@dataclass
class UnnamedStops:
    """The conditional orders that this account has sent, by client id, and which order at the venue each of them is.

    They are kept in memory: `recall` brings back those of the journal.
    """

    _own: dict[str, _OwnStop] = field(default_factory=dict)
    _became: dict[str, str] = field(default_factory=dict)  # the venue's id of a stop by that of what it became

    def recall(self, working: Iterable[Order], quiet_ms: int) -> None:
        """What the journal knows of orders that may still execute, and of ended ones whose fills it lacks; no other of
        ours is live.

        Args:
            working: the orders.
            quiet_ms: how long after its stamp the venue may make an order.
        """
        stops = {order.client_id: order for order in working if order.order_type.is_trigger}
        self._own = {name: replace(own, is_live=False) for name, own in self._own.items()}
        for name, order in stops.items():
            known = self._own.get(name)
            venue_id = order.venue_id or (known.venue_id if known is not None else "")
            self._keep(
                name,
                _OwnStop(
                    order.symbol,
                    order.side,
                    order.size,
                    order.trigger_price,
                    order.reduce_only,
                    order.sent_ms,
                    order.sent_ms + quiet_ms,
                    venue_id,
                    order.state.is_live,
                ),
            )

    def expect(self, request: OrderRequest, quiet_ms: int) -> None:
        """A conditional order is about to be sent.

        Raises:
            NotSent: one that is alike is live; two of them could not be distinguished.
        """
        own = _OwnStop(
            request.symbol,
            request.side,
            request.size,
            request.trigger_price,
            request.reduce_only,
            request.stamp_ms,
            request.stamp_ms + quiet_ms,
        )
        other = next(
            (n for n, o in self._own.items() if o.is_live and o.is_alike(own) and n != request.client_id), None
        )
        if other is not None:
            raise NotSent(
                f"conditional order {other} of {request.symbol} rests with the same side, size and trigger price, and "
                "the venue keeps no client id to distinguish them; withdraw it first",
                Rejection.OTHER,
            )
        self._keep(request.client_id, own)

    def took(self, client_id: str, venue_id: str) -> None:
        """The venue has made an order of ours under this id of its own."""
        if client_id in self._own:
            self._own[client_id] = replace(self._own[client_id], venue_id=venue_id)

    def became(self, venue_id: str, order_id: str) -> None:
        """A conditional order of ours has fired and is now the order that has this id."""
        self._became[order_id] = venue_id
        for old in list(self._became)[:-_REMEMBERED_MAX]:
            del self._became[old]

    def stop_of(self, order_id: str) -> str:
        """The venue's id of the conditional order of ours that became an order; empty where none did."""
        return self._became.get(order_id, "")

    def refused(self, client_id: str, kind: Rejection) -> None:
        """The venue did not take an order of ours: no order there is it, unless a copy may be what was refused."""
        if kind not in _IN_DOUBT:
            self._own.pop(client_id, None)

    def ended(self, client_id: str) -> None:
        """An order of ours rests no more: another one like it may be sent."""
        if client_id in self._own:
            self._own[client_id] = replace(self._own[client_id], is_live=False)

    def venue_id(self, client_id: str) -> str:
        """The venue's id of an order of ours; empty while it is not known."""
        own = self._own.get(client_id)
        return own.venue_id if own is not None else ""

    def client_id(self, venue_id: str) -> str:
        """The client id of the order that has this id at the venue; empty where none of ours is known to."""
        return {own.venue_id: name for name, own in self._own.items() if own.venue_id}.get(venue_id, "")

    def has(self, client_id: str) -> bool:
        """Whether an order of ours has this client id."""
        return client_id in self._own

    def has_any_of(self, symbol: str) -> bool:
        """Whether an order of ours is of this symbol."""
        return any(own.symbol == symbol for own in self._own.values())

    def stamp_ms(self, client_id: str) -> int:
        """When an order of ours was sent."""
        return self._own[client_id].stamp_ms

    def until_ms(self, client_id: str) -> int:
        """The venue can have made an order of ours no later."""
        return self._own[client_id].until_ms

    def recognise(self, seen: Sequence[SeenStop]) -> Mapping[str, str]:
        """Client ids by the venue's ids; an empty one for an order that may be ours, and is just like another.
        Orders that are certainly not ours are missing."""
        unique = {one.venue_id: one for one in seen}
        named = {own.venue_id: name for name, own in self._own.items() if own.venue_id}
        found = {venue_id: named[venue_id] for venue_id in unique if venue_id in named}
        strangers = [one for one in unique.values() if one.venue_id not in found]
        fitting = {
            one.venue_id: [name for name, own in self._own.items() if not own.venue_id and own.fits(one)]
            for one in strangers
        }
        for venue_id, names in fitting.items():
            is_alone = len(names) == 1 and sum(names[0] in others for others in fitting.values()) == 1
            if is_alone:
                self.took(names[0], venue_id)
            if names:
                found[venue_id] = names[0] if is_alone else ""
        return found

    def named(self, reports: Iterable[OrderReport], seen: Sequence[SeenStop]) -> list[OrderReport]:
        """The reports with the client ids of orders that are ours, and a defect where two are alike."""
        names = self.recognise(seen)
        found = []
        for report in reports:
            name = None
            if report.client_id is None and report.is_trigger:
                name = self.client_id(report.venue_id) or names.get(report.venue_id)
            if name:
                report = replace(report, client_id=name)
                if report.state is not ReportState.OPEN and not report.defect:
                    self.ended(name)  # the same turn may replace it, before the next `recall`
            elif name is not None:
                report = replace(report, defect=report.defect or DOUBTFUL)
            found.append(report)
        return found

    def _keep(self, name: str, own: _OwnStop) -> None:
        self._own.pop(name, None)
        self._own[name] = own
        ended = [name for name, own in self._own.items() if not own.is_live]
        for old in ended[: max(0, len(self._own) - _REMEMBERED_MAX)]:
            del self._own[old]
