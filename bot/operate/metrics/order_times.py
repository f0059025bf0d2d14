"""How long the venue takes for an order: from its record in the journal, which precedes the request, to its answer.

Both ends are events of the journal, so that nothing on the way of an order is measured for it. The exemplar is the turn
whose record precedes the order.
"""

from typing import Any

from bot.domain.symbol import is_perp
from bot.journal.reader import JournalReader
from bot.operate.metrics.figures import MetricSet

KINDS = ("cycle", "order_submitting", "order_event")
NO_ANSWER = "lost"
READ_AT_ONCE, WAITING_MAX = 500, 10_000


class OrderTimes:
    """Reads the events that are new, from those that come after `after_seq`."""

    def __init__(self, after_seq: int) -> None:
        self._after = after_seq
        self._cycle = ""
        self._sent: dict[str, tuple[int, str, str]] = {}

    def take(self, figures: MetricSet, reader: JournalReader) -> None:
        """Observe every order that has been answered since the last time.

        Raises:
            JournalError: the journal cannot be read.
        """
        while events := reader.load_events(READ_AT_ONCE, self._after, KINDS):
            for event in events:
                self._read(figures, event.kind, event.at_ms, event.payload)
            self._after = events[-1].seq

    def _read(self, figures: MetricSet, kind: str, at_ms: int, payload: Any) -> None:
        if kind == "cycle":
            self._cycle = str(payload.get("number", ""))
        elif kind == "order_submitting":
            market = "perp" if is_perp(payload["order"]["symbol"]) else "spot"
            self._sent[payload["order"]["client_id"]] = (at_ms, market, self._cycle)
            while len(self._sent) > WAITING_MAX:
                del self._sent[next(iter(self._sent))]
        elif payload["event"] != NO_ANSWER and (sent := self._sent.pop(payload["client_id"], None)):
            sent_ms, market, cycle = sent
            exemplar = {"cycle": cycle} if cycle else None
            figures.order_seconds.labels(market).observe(max(0, at_ms - sent_ms) / 1000, exemplar)
