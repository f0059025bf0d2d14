"""Hedges that were closed by their resting stop, from the orders of the journal."""

from collections.abc import Mapping
from dataclasses import replace

from bot.domain.campaign import Memory
from bot.domain.instrument import Side
from bot.domain.order import Order
from bot.domain.order_ids import STOP_KINDS
from bot.domain.portfolio import Position
from bot.journal.reader import JournalReader


def count_stopped(memory: Memory, reader: JournalReader, positions: Mapping[str, Position], at_ms: int) -> Memory:
    """Memory in which the sector of every hedge that is gone because its stop executed counts as stopped at `at_ms`."""
    stopped, since = dict(memory.hedges_stopped), dict(memory.hedges_since)
    for symbol, since_ms in memory.hedges_since.items():
        held = positions.get(symbol)
        if held is not None and held.size < 0:
            continue
        for order in _stops(symbol, reader):
            if order.side is Side.BUY and order.filled_size > 0 and order.sent_ms >= since_ms:
                stopped[order.sector] = at_ms
                since.pop(symbol, None)  # counted once
    return memory if since == memory.hedges_since else replace(memory, hedges_stopped=stopped, hedges_since=since)


def _stops(symbol: str, reader: JournalReader) -> list[Order]:
    return [order for kind in STOP_KINDS for order in reader.load_orders_of_intent(kind.intent_id(symbol))]
