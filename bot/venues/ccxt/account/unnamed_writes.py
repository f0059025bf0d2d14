"""Writes of one account at a venue that keeps no client id of conditional orders of perps."""

from abc import abstractmethod

from bot.domain.symbol import is_perp
from bot.ports import OrderReport, OrderRequest, VenueRejected
from bot.venues.ccxt.account.writes import AccountWrites


class UnnamedStopWrites(AccountWrites):
    """What is special about such orders, as far as it is the same at every such venue."""

    @abstractmethod
    async def _find_stop(self, symbol: str, client_id: str) -> str:
        """The venue's id of an open conditional order of ours, empty where none is it.

        Raises:
            Unavailable: another one is just like it, or nobody answers.
        """

    async def submit_order(self, request: OrderRequest) -> OrderReport:
        """One POST. A conditional order of a perp is remembered before, because the venue keeps no name of it, and is
        forgotten after a refusal which proves that none was made."""
        try:
            return await super().submit_order(request)
        except VenueRejected as rejection:
            if request.order_type.is_trigger and is_perp(request.symbol):
                self._link.stops.refused(request.client_id, rejection.kind)
            raise

    async def _venue_id(self, symbol: str, client_id: str) -> str:
        """Raises VenueRejected where the order cannot be named: nothing is sent then."""
        return await self._id_found_by(self._find_stop(symbol, client_id), symbol, client_id)
