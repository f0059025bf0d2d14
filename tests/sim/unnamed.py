"""The port of a venue that keeps no client ids of conditional orders of perps: what BingX does, without its wire.

No list and no question shows such a client id, and fills of such an order name it by the venue's id alone. Which
orders are ours is decided by `UnnamedStops`, which the venue uses as well, anew in every process. What is asked before
that, and what an answer becomes, is written here again: rows that cannot be read, and a client id that is kept all the
same, are tried at the venue (`tests/venues/bingx/test_stops.py`) and at the wire.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.domain.order import Fill, Order
from bot.domain.symbol import is_perp
from bot.ports import Clock, Listed, NotListed, OrderReport, OrderRequest, Rejection, Unavailable, VenueRejected
from bot.simex.engine.refusal import Refusal
from bot.simex.engine.types import SimOrder
from bot.venues.ccxt.account.stops import DOUBTFUL, SeenStop, UnnamedStops
from bot.venues.ccxt.errors import NotSent
from tests.sim.venue import FaultyVenue
from tests.sim.wire import ACCOUNT, Doom, Wire


class UnnamedVenue(FaultyVenue):
    """One bot's connection to it."""

    def __init__(self, wire: Wire, clock: Clock, doom: Doom) -> None:
        super().__init__(wire, clock, doom)
        self._stops = UnnamedStops()

    def recall_stops(self, working: Iterable[Order]) -> None:
        self._stops.recall(working, self.quiet_period_ms)

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        if not is_perp(symbol):
            return await super().fetch_order(symbol, client_id, is_trigger=is_trigger)
        if not is_trigger:
            report = await super().fetch_order(symbol, client_id)
            return None if report is None or report.is_trigger else report
        if not self._stops.has(client_id):
            return None
        if not self._stops.venue_id(client_id):
            found = [*await super().fetch_open_orders([symbol]), *await super().fetch_order_history(symbol, 0)]
            self._recognise(found)
        venue_id = self._stops.venue_id(client_id)
        if not venue_id:
            return None
        truth = self._order(symbol, venue_id)
        report = await super().fetch_order(symbol, truth.client_id, is_trigger=True)
        return None if report is None else replace(report, client_id=client_id)

    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        return self._named(await super().fetch_open_orders(symbols))

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        return self._named(await super().fetch_order_history(symbol, since_ms))

    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        return tuple(self._unnamed_fill(fill) for fill in await super().fetch_fills(symbol, since_ms))

    async def submit_order(self, request: OrderRequest) -> OrderReport:
        if not (request.order_type.is_trigger and is_perp(request.symbol)):
            return await super().submit_order(request)
        try:
            self._stops.expect(request, self.quiet_period_ms)
        except NotSent as refusal:
            raise VenueRejected("not sent", str(refusal), refusal.kind) from refusal
        try:
            report = await super().submit_order(request)
        except VenueRejected as rejection:
            self._stops.refused(request.client_id, rejection.kind)
            raise
        if report.venue_id and report.symbol == request.symbol:
            self._stops.took(request.client_id, report.venue_id)
        return report

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        if not (is_trigger and is_perp(symbol)):
            await super().cancel_order(symbol, client_id, is_trigger=is_trigger)
            return
        if not self._stops.venue_id(client_id):
            try:
                self._recognise(await super().fetch_open_orders([symbol]))
            except Unavailable as error:
                raise VenueRejected("not sent", str(error), Rejection.OTHER) from error
        venue_id = self._stops.venue_id(client_id)
        if not venue_id:
            raise VenueRejected("not sent", "no open order is it", Rejection.NOT_FOUND)
        await super().cancel_order(symbol, self._order(symbol, venue_id).client_id, is_trigger=True)
        self._stops.ended(client_id)

    def _recognise(self, reports: Iterable[OrderReport]) -> None:
        if "" in self._stops.recognise(self._seen(reports)).values():
            raise Unavailable(DOUBTFUL)

    def _named(self, reports: Sequence[OrderReport]) -> Listed[OrderReport]:
        shown = [replace(one, client_id=None) if _is_unnamed(one) else one for one in reports]
        named = self._stops.named(shown, self._seen(reports))
        return Listed(named, [(one.symbol, one.defect) for one in named if one.defect])

    def _seen(self, reports: Iterable[OrderReport]) -> list[SeenStop]:
        return [
            SeenStop(
                one.venue_id,
                one.symbol,
                one.side,
                one.size,
                one.trigger_price,
                one.reduce_only,
                self._order(one.symbol, one.venue_id).created_ms,
            )
            for one in reports
            if _is_unnamed(one) and one.trigger_price is not None
        ]

    def _unnamed_fill(self, fill: Fill) -> Fill:
        order = self._order(fill.symbol, fill.venue_order_id or "")
        if not is_perp(fill.symbol) or order.parent_id is None:
            return fill
        number = f"{(fill.venue_order_id or '').rpartition(':')[0]}:{order.parent_id}"
        return replace(fill, client_id=None, venue_order_id=number)

    def _order(self, symbol: str, venue_id: str) -> SimOrder:
        """The exchange's own order of an id that it gave."""
        try:
            found = self._wire.exchange.order(ACCOUNT, symbol, order_id=int(venue_id.rpartition(":")[2]))
        except Refusal as refusal:  # the symbol is removed
            raise NotListed(f"{symbol}: {refusal.reason}") from None
        if found is None:
            raise Unavailable(f"{symbol} has no order {venue_id}")
        return found


def _is_unnamed(report: OrderReport) -> bool:
    return report.is_trigger and is_perp(report.symbol)
