"""Rows of conditional orders at a venue that keeps no client id of them: which of them are ours."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.ports import OrderReport, Unavailable
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.stops import DOUBTFUL, SeenStop, UnnamedStops
from bot.venues.ccxt.rows import UNREADABLE


@dataclass(frozen=True, slots=True)
class StopRows:
    """Conditional orders of one symbol: those to recognise, and what is wrong with those that cannot be compared with
    ours, by the venue's ids."""

    symbol: str
    seen: tuple[SeenStop, ...] = ()
    unclear: Mapping[str, str] = field(default_factory=dict)

    def recognise(self, stops: UnnamedStops) -> None:
        """Learn which of them are ours.

        Raises:
            Unavailable: one of them is just like another, or cannot be compared with ours.
        """
        if "" in stops.recognise(self.seen).values():
            raise Unavailable(f"{self.symbol}: {DOUBTFUL}")
        if self.unclear:
            raise Unavailable(next(iter(self.unclear.values())))

    def named(
        self, stops: UnnamedStops, reports: Iterable[OrderReport], defects: list[tuple[str, str]]
    ) -> list[OrderReport]:
        """The reports, those of ours with their client ids, and with a defect where it is not known whose they are."""
        named = []
        for report in stops.named(reports, self.seen):
            wrong = self.unclear.get(report.venue_id, "") if not report.defect else ""
            if wrong:
                report = replace(report, defect=wrong)
            if wrong or report.defect == DOUBTFUL:
                defects.append((self.symbol, report.defect))
            named.append(report)
        return named


def compare(
    listed: Iterable[Any],
    symbol: str,
    stops: UnnamedStops,
    *,
    read: Callable[[Any], SeenStop | None],
    id_of: Callable[[Any], str],
) -> StopRows:
    """Rows of one symbol.

    Args:
        listed: the rows, of whatever shape.
        symbol: the symbol.
        stops: what is known of ours.
        read: what a row can be recognised by; None for one that is no conditional order without a client id.
        id_of: the venue's id of a row, or whatever stands for it.
    """
    seen, unclear = list[SeenStop](), dict[str, str]()
    for row in listed:
        try:
            stop = read(row)
        except UNREADABLE as error:
            number = id_of(row)
            if not stops.client_id(number):
                unclear[number] = rows.message_of("orders", row, error)
            continue
        if stop is not None:
            seen.append(stop)
    return StopRows(symbol, tuple(seen), unclear)
