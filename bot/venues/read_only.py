"""A venue that can be read and not written to: what `plan` looks at."""

from decimal import Decimal
from typing import Any, NoReturn, cast

from bot.ports import OrderRequest, ReadsPositionSize, RecallsStops, Venue


class _ReadOnly:
    """Every read is the venue's own.

    What only some venues have is set here where this one has it: `isinstance` with a protocol does not call
    `__getattr__` from Python 3.12 on.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        if isinstance(venue, RecallsStops):
            self.recall_stops = venue.recall_stops
        if isinstance(venue, ReadsPositionSize):
            self.fetch_position_size = venue.fetch_position_size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    async def submit_order(self, request: OrderRequest) -> NoReturn:
        _refuse(f"order {request.client_id}")

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> NoReturn:
        _refuse(f"the cancel of {client_id} ({symbol}, trigger: {is_trigger})")

    async def set_leverage(self, symbol: str, leverage: Decimal) -> NoReturn:
        _refuse(f"leverage {leverage} of {symbol}")

    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> NoReturn:
        _refuse(f"a transfer of {amount} (to perp: {to_perp})")

    async def move_margin(self, symbol: str, amount: Decimal) -> NoReturn:
        _refuse(f"margin {amount} of {symbol}")


def read_only(venue: Venue) -> Venue:
    """The same venue without its writes: each of them raises RuntimeError and sends nothing."""
    return cast(Venue, _ReadOnly(venue))


def _refuse(what: str) -> NoReturn:
    raise RuntimeError(f"{what} was not sent: this venue is read only")
