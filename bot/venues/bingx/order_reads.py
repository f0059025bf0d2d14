"""What BingX knows of an account's orders, fills and payments.

Conditional orders of perps stand in the same lists as plain ones and have no client id; `UnnamedStops` finds those
that are ours. Orders that the venue made to close a position stand in a list of their own.
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Kind, Side
from bot.domain.order import Fill
from bot.domain.symbol import is_perp
from bot.ports import Listed, OrderReport, Payment, Rejection
from bot.venues.bingx import parse
from bot.venues.bingx.asking import BingxAsking
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.spans import rows_of_span
from bot.venues.ccxt.account.stop_rows import StopRows, compare
from bot.venues.ccxt.account.stops import EARLY_MS, SeenStop
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.errors import ReadRefused
from bot.venues.ccxt.rows import UNREADABLE, readable

_PAGE, _SPOT_PAGE = 1_000, 100  # rows of an answer
_PAGES_MAX = 100
FILLS_MS = 7 * DAY_MS  # how far back fills of perps are kept
_REMEMBERED_MAX = 1_000
_CAUSES = ("LIQUIDATION", "ADL")


class BingxOrderReads(BingxAsking):
    """Orders, fills and payments of one account. Everything raises Unavailable."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._forced_lists: dict[int, asyncio.Future[list[Any]]] = {}
        self._unfired: dict[str, None] = {}  # orders of perps that no conditional one became

    @readable
    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        """The order, or None when the venue does not know it: a plain one by its client id, a conditional one of a perp
        by the venue's id, or by what it looks like among the open and the former ones."""
        if is_trigger and is_perp(symbol):
            return await self._fetch_stop(symbol, client_id)
        if is_perp(symbol):
            data = await self._one("swapV2PrivateGetTradeOrder", symbol, clientOrderId=client_id)
            row = None if data is None else data["order"]
        else:
            row = await self._one("spotV1PrivateGetTradeQuery", symbol, clientOrderID=client_id)
        if row is None:
            return None
        report = parse.order_report(row, symbol)
        if report.client_id != client_id:
            raise ValueError(f"asked for {client_id}, the venue answers with {report.client_id}")
        return report

    @readable
    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        """Resting orders of the symbols, conditional ones included."""
        spot, perps = [s for s in symbols if not is_perp(s)], [s for s in symbols if is_perp(s)]
        plain, perp = await asyncio.gather(
            self._open("spotV1PrivateGetTradeOpenOrders") if spot else _nothing(),
            self._open("swapV2PrivateGetTradeOpenOrders") if perps else _nothing(),
        )
        defects: list[tuple[str, str]] = []
        found: dict[str, list[Any]] = {}
        for listed_rows, wanted in ((plain, spot), (perp, perps)):
            names = {self._link.venue_symbol(symbol): symbol for symbol in wanted}
            for row in listed_rows:
                name = row.get("symbol") if isinstance(row, Mapping) else None
                if not isinstance(name, str) or not name:
                    defects.append(("", rows.message_of("open orders", row, KeyError("symbol"))))
                elif name in names:
                    found.setdefault(names[name], []).append(row)
        reports = [report for symbol, group in found.items() for report in self._reports(group, symbol, defects)]
        return Listed(reports, defects)

    @readable
    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        """Orders in any state since then, oldest first. The list of spot has none that are open, so these are asked for
        as well; of perps those come with it that the venue made."""
        resting, kept, forced = await asyncio.gather(
            _nothing() if is_perp(symbol) else self._open_of(symbol),
            self._history(symbol, since_ms),
            self._forced(symbol, since_ms),
        )
        # an order that one of them shows as ended is over, whatever an older answer says: the later row of an id counts
        # and so does what a conditional order became
        found = sorted((*resting, *kept, *forced), key=lambda row: bool(parse.fired_from(row)))
        unique = {_id_of(row): row for row in found}
        defects: list[tuple[str, str]] = []
        reports = self._reports(list(unique.values()), symbol, defects)
        since = [report for report in reports if report.defect or report.at_ms >= since_ms]
        return Listed(sorted(since, key=lambda report: report.at_ms), defects)

    @readable
    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        """Our trades since then, oldest first, those that the venue forced included."""
        name, venue = self._link.venue_symbol(symbol), self._link.profile.id
        defects: list[tuple[str, str]] = []
        kept_since_ms = 0
        if not is_perp(symbol):
            found = await rows_of_span(
                lambda start, end: self._rows(
                    "spotV1PrivateGetTradeMyTrades",
                    "fills",
                    "fills",
                    symbol=name,
                    startTime=start,
                    endTime=end,
                    limit=_PAGE,
                ),
                since_ms,
                self._link.now_ms() + 1_000,
                _PAGE,
            )
            fills = rows.read_each(
                "fills",
                found,
                lambda row: parse.past_fill(parse.spot_fill(row, venue=venue, symbol=symbol), self._link.now_ms()),
                symbol,
                defects,
            )
        else:
            kept_since_ms = rows.kept_since(symbol, since_ms, self._link.now_ms(), FILLS_MS, defects)
            found = await self._perp_fills(symbol, since_ms)
            unshown = await self._learn_parents(found, symbol, since_ms)
            sides = await self._sides(found, symbol)
            fills = rows.read_each(
                "fills",
                found,
                lambda row: parse.past_fill(
                    parse.perp_fill(
                        self._of_stop(row),
                        venue=venue,
                        symbol=symbol,
                        side=sides[parse.order_id(row)],
                        quote=self._link.quote,
                    ),
                    self._link.now_ms(),
                ),
                symbol,
                defects,
            )
            fills = self._without_unshown(fills, unshown, symbol, defects)
        unique = {fill.trade_id: fill for fill in fills}
        ordered = sorted(unique.values(), key=lambda fill: (fill.at_ms, len(fill.trade_id), fill.trade_id))
        return Listed(ordered, defects, kept_since_ms=kept_since_ms)

    @readable
    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        """Money that moved in the perp wallet without a trade of ours, oldest first."""
        if Kind.PERP not in self._link.environment.kinds:
            return ()
        found = await self._windows(
            lambda start, end: self._rows(
                "swapV2PrivateGetUserIncome", "payments", startTime=start, endTime=end, limit=_PAGE
            ),
            since_ms,
            page=_PAGE,
        )
        defects: list[tuple[str, str]] = []
        read = rows.read_each(
            "payments",
            found,
            lambda row: parse.payment(row, lambda name: self._link.symbol_of(name, Kind.PERP), self._link.quote),
            "",
            defects,
        )
        unique = {payment.id: payment for payment in reversed(read) if payment is not None}
        return Listed(sorted(unique.values(), key=lambda payment: payment.at_ms), defects)

    async def find_stop(self, symbol: str, client_id: str) -> str:
        """The venue's id of an open conditional order of ours, empty where none is it.

        Raises:
            Unavailable: another one is just like it.
        """
        known = self._link.stops.venue_id(client_id)
        if known:
            return known
        self._stop_rows(await self._open_of(symbol), symbol).recognise(self._link.stops)
        return self._link.stops.venue_id(client_id)

    async def _fetch_stop(self, symbol: str, client_id: str) -> OrderReport | None:
        stops = self._link.stops
        if not stops.has(client_id):
            return None  # it was never sent, and the venue names none
        if not stops.venue_id(client_id):
            kept = await self._history(symbol, stops.stamp_ms(client_id) - EARLY_MS)
            self._stop_rows([*await self._open_of(symbol), *kept], symbol).recognise(stops)
        venue_id = stops.venue_id(client_id)
        if not venue_id:
            return None
        data = await self._one("swapV2PrivateGetTradeOrder", symbol, orderId=venue_id)
        row = await self._fired(symbol, client_id, venue_id) if data is None else self._as_stop(data["order"])
        if row is None:
            return None
        (report,) = self._reports([row], symbol, [])
        if report.defect or report.client_id != client_id:
            raise ValueError(report.defect or f"asked for order {venue_id}, the venue answers with {report.venue_id}")
        return report

    async def _fired(self, symbol: str, client_id: str, venue_id: str) -> Any:
        """The row of the order that a conditional one of ours became, where the venue does not know that one by its own
        number any more; None where there is none."""
        kept = await self._history(symbol, self._link.stops.stamp_ms(client_id) - EARLY_MS)
        found = [row for row in (*await self._open_of(symbol), *kept) if isinstance(row, Mapping)]
        return next((row for row in reversed(found) if _id_of(row) == venue_id), None)

    def _as_stop(self, row: Any) -> Any:
        """A row as one of the conditional order of ours that became its order."""
        stops, number = self._link.stops, parse.fired_from(row)
        if not number or not stops.client_id(number):
            return row
        if _id_of(row) != number:
            stops.became(number, _id_of(row))
        return parse.as_stop(row, number)

    def _of_stop(self, fill: Any) -> Any:
        """A fill as one of the conditional order of ours that became its order."""
        number = self._link.stops.stop_of(_id_of(fill))
        return {**fill, "orderId": number, "orderID": number} if number else fill

    def _stop_rows(self, listed_rows: Sequence[Any], symbol: str) -> StopRows:
        """A row with a client id of ours needs no comparison: what its order is called at the venue is learned from
        it."""
        stops = self._link.stops

        def read(row: Any) -> SeenStop | None:
            name = parse.own_name(row)
            if name and stops.has(name):
                stops.took(name, parse.order_id(row))
            return parse.seen_stop(row, symbol)

        return compare(listed_rows, symbol, stops, read=read, id_of=_id_of)

    def _reports(self, group: Sequence[Any], symbol: str, defects: list[tuple[str, str]]) -> list[OrderReport]:
        """Reports of rows of one symbol, conditional orders of ours with their client ids."""
        reports = parse.read_orders(group, symbol, defects)
        compared = self._stop_rows(group, symbol) if is_perp(symbol) else StopRows(symbol)
        return compared.named(self._link.stops, reports, defects)

    async def _one(self, method: str, symbol: str, **params: Any) -> Any:
        """The data of an answer about one order; None where the venue does not know it."""
        try:
            return await self._signed(method, symbol=self._link.venue_symbol(symbol), **params)
        except ReadRefused as error:
            if error.kind is Rejection.NOT_FOUND:
                return None
            raise

    async def _open(self, method: str, **params: Any) -> list[Any]:
        return [self._as_stop(row) for row in await self._rows(method, "open orders", "orders", **params)]

    async def _open_of(self, symbol: str) -> list[Any]:
        method = "swapV2PrivateGetTradeOpenOrders" if is_perp(symbol) else "spotV1PrivateGetTradeOpenOrders"
        return await self._open(method, symbol=self._link.venue_symbol(symbol))

    async def _history(self, symbol: str, since_ms: int) -> list[Any]:
        """Rows of orders since then that the history has: of perps by windows, of spot by pages."""
        name = self._link.venue_symbol(symbol)
        if is_perp(symbol):
            listed = await self._windows(
                lambda start, end: self._rows(
                    "swapV2PrivateGetTradeAllOrders",
                    "orders",
                    "orders",
                    symbol=name,
                    startTime=start,
                    endTime=end,
                    limit=_PAGE,
                ),
                since_ms,
                page=_PAGE,
            )
            return [self._as_stop(row) for row in listed]
        found: list[Any] = []
        span = {"startTime": since_ms, "endTime": self._link.now_ms() + 1_000}
        for page in range(1, _PAGES_MAX + 1):
            listed_rows = await self._rows(
                "spotV1PrivateGetTradeHistoryOrders",
                "orders",
                "orders",
                symbol=name,
                pageIndex=page,
                pageSize=_SPOT_PAGE,
                **span,
            )
            found += listed_rows
            if len(listed_rows) < _SPOT_PAGE:
                return found
        raise TypeError(f"orders: more than {_PAGES_MAX} pages of {symbol}")

    async def _forced(self, symbol: str, since_ms: int) -> list[Any]:
        """Rows of the orders by which the venue closed positions, each with its cause. One list is of all perps, so
        what several questions at one time need is asked for once."""
        if not is_perp(symbol):
            return []
        key = since_ms - since_ms % HOUR_MS
        if key not in self._forced_lists:
            self._forced_lists[key] = asyncio.ensure_future(self._list_forced(key))
            self._forced_lists[key].add_done_callback(lambda _: self._forced_lists.pop(key, None))
        name = self._link.venue_symbol(symbol)
        found = await asyncio.shield(self._forced_lists[key])
        return [row for row in found if not isinstance(row, Mapping) or row.get("symbol") == name]

    async def _perp_fills(self, symbol: str, since_ms: int) -> list[Any]:
        """Rows of a perp's fills since then, the oldest first. The venue has those of seven days."""
        name = self._link.venue_symbol(symbol)
        oldest_ms = self._link.now_ms() - FILLS_MS
        second_ms = since_ms - since_ms % 1_000  # their times may have whole seconds
        return await self._windows(
            lambda start, end: self._rows(
                "swapV2PrivateGetTradeFillHistory",
                "fills",
                "fill_orders",
                symbol=name,
                startTs=start - 1,  # a row of the first millisecond is not in the venue's span, one of the last is
                endTs=end,
                pageSize=_PAGE,
            ),
            max(second_ms, oldest_ms + 1),
            page=_PAGE,
        )

    async def _list_forced(self, since_ms: int) -> list[Any]:
        async def of(cause: str) -> list[Any]:
            found = await self._windows(
                lambda start, end: self._rows(
                    "swapV2PrivateGetTradeForceOrders",
                    "forced orders",
                    "orders",
                    autoCloseType=cause,
                    startTime=start,
                    endTime=end,
                    limit=_SPOT_PAGE,
                ),
                since_ms,
                page=_SPOT_PAGE,
            )
            return [parse.forced(row, cause) for row in found]

        return [row for group in await asyncio.gather(*(of(cause) for cause in _CAUSES)) for row in group]

    async def _learn_parents(self, fills: Sequence[Any], symbol: str, since_ms: int) -> frozenset[str]:
        """Learn which orders of these fills conditional ones of ours became: a fill does not say it, and counts once.
        Returns the orders that the venue does not show."""
        stops, unshown = self._link.stops, set[str]()
        named = {_id_of(row) for row in fills} if stops.has_any_of(symbol) else set[str]()
        unknown = {one for one in named if not (one in self._unfired or stops.client_id(one) or stops.stop_of(one))}
        if not unknown:
            return frozenset()
        kept = await self._history(symbol, max(since_ms, self._link.now_ms() - FILLS_MS))
        listed_rows = {_id_of(row): row for row in kept}
        for number in sorted(unknown):
            if stops.stop_of(number):
                continue
            row = listed_rows.get(number)
            if row is None and number.isdigit():  # made before the span, or not in the list yet
                data = await self._one("swapV2PrivateGetTradeOrder", symbol, orderId=number)
                row = None if data is None else self._as_stop(data["order"])
            if row is None:
                unshown.add(number)
            elif not parse.fired_from(row):
                self._unfired[number] = None
        for old in list(self._unfired)[:-_REMEMBERED_MAX]:
            del self._unfired[old]
        return frozenset(unshown)

    def _without_unshown(
        self, fills: Sequence[Fill], unshown: Collection[str], symbol: str, defects: list[tuple[str, str]]
    ) -> list[Fill]:
        """The fills without those of orders that the venue may show later: whose they are is not known before. After
        the quiet period they are taken as they are."""
        recent_ms = self._link.now_ms() - self._link.profile.quiet_period_ms(self._link.receive_window_ms)
        taken = []
        for fill in fills:
            if fill.venue_order_id in unshown and fill.at_ms > recent_ms:
                message = f"fills: the venue does not show order {fill.venue_order_id} of fill {fill.trade_id} yet"
                defects.append((symbol, message))
            else:
                taken.append(fill)
        return taken

    async def _sides(self, fills: Sequence[Any], symbol: str) -> dict[str, Side]:
        """Sides by order id, those that a fill does not name from the order itself."""
        sides: dict[str, Side] = {}
        unnamed: dict[str, None] = {}
        for row in fills:
            try:
                side, name = parse.side_of(row), parse.order_id(row)
            except UNREADABLE:
                continue
            if side is not None:
                sides[name] = side
            else:
                unnamed[name] = None
        for name in unnamed:
            if name not in sides:
                data = await self._one("swapV2PrivateGetTradeOrder", symbol, orderId=name)
                with contextlib.suppress(*UNREADABLE):
                    side = parse.side_of(data["order"])
                    sides |= {} if side is None else {name: side}
        return sides


def _id_of(row: Any) -> str:
    try:
        return parse.order_id(row)
    except UNREADABLE:
        return repr(row)


async def _nothing() -> list[Any]:
    return []
