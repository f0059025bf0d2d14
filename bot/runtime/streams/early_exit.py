"""An exit ahead of its guard (decision 0036): the latest reading, with price and size of the perp read again.

A stream has only said when to ask. An early exit is decided by the venue's answers: the mark and the size of now, and
the rest as the latest look has left it, where nothing has happened since.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.domain.market import Snapshot
from bot.domain.order import FOREIGN, Order
from bot.domain.states import OrderState
from bot.execution.reconcile import Truth
from bot.feeds.concurrent_fetch import gather_each
from bot.feeds.snapshot import Observer
from bot.ports import ReadsPositionSize, Venue

DEADLINE_MS = 1_000
"""An early exit that is not answered by then is left to the guard."""
LOOK_AGE_MS = 100_000
"""An older look says too little about now: the exit is left to the guard."""
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Look:
    """What a turn has found: the market as it read it, and where things stood when it ended. `at_ms`: when it looked at
    everything; an early exit, which asks for a part of it again, keeps it."""

    snapshot: Snapshot
    truth: Truth
    at_ms: int


def is_settled(symbol: str, look: Look, working: Iterable[Order]) -> bool:
    """Whether nothing but the price can have changed what the look has found of a perp: books agree, everything held
    could be read, and all that works on it are stops of ours that rest, by the look and by the journal of now."""
    truth = look.truth
    own = {order.client_id: order for order in truth.working if order.symbol == symbol}
    is_known = truth.is_agreed and symbol not in truth.locked and not truth.account.unreadable
    is_held = symbol in truth.account.positions and symbol in look.snapshot.instruments
    are_stops = all(
        order.intent_id != FOREIGN and order.order_type.is_trigger and order.state is OrderState.OPEN
        for order in own.values()
    )
    is_unchanged = own == {order.client_id: order for order in working if order.symbol == symbol}
    return is_known and is_held and are_stops and is_unchanged and truth.unseen.isdisjoint(own)


async def look_again(
    look: Look, symbols: Sequence[str], venue: Venue, observer: Observer
) -> tuple[Look, tuple[str, ...]]:
    """The look with price and size of these perps asked again, and those of them that are held as it has found them.
    One that does not answer in time, or answers another size, is left to the guard."""
    if not isinstance(venue, ReadsPositionSize):
        return look, ()
    (sizes, _), snapshot = await asyncio.gather(
        gather_each("position", symbols, venue.fetch_position_size, deadline_ms=DEADLINE_MS, at_once=_AT_ONCE),
        observer.with_prices(look.snapshot, symbols, deadline_ms=DEADLINE_MS),
    )
    positions = dict(look.truth.account.positions)
    same: list[str] = []
    for symbol in symbols:
        quote, held = snapshot.quotes.get(symbol), positions[symbol]
        if quote is not None and quote.mark is not None and sizes.get(symbol) == held.size:
            positions[symbol] = replace(held, mark_price=quote.mark)
            same.append(symbol)
    truth = replace(look.truth, account=replace(look.truth.account, positions=positions))
    return Look(snapshot, truth, look.at_ms), tuple(same)
