"""What WEEX knows of an account's orders, fills and payments.

Conditional orders of perps stand in lists of their own, by a client id of their own. No perp order can be asked for by
its client id: the lists of open and of former orders are searched for it, twice, because an order that leaves the one
between two questions is in neither. Only one list shows an open order, so an order that the venue has taken is not
absent while the lists reach back to it: where it stands in none of them, one of them is behind. Of a stop whose answer
was lost that list has to prove that it is not (`sole_list`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from bot.domain.instrument import Kind
from bot.domain.order import Fill
from bot.domain.symbol import is_perp
from bot.ports import Listed, OrderReport, Payment, Rejection, Unavailable, defects_of
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.sole_list import newest_ms, proves_absence
from bot.venues.ccxt.errors import ReadRefused, SymbolUnknown
from bot.venues.ccxt.rows import UNREADABLE, readable
from bot.venues.weex import parse
from bot.venues.weex.asking import HISTORY_MS, PAGE, WINDOW_MS, WeexAsking

SEARCHES, PAUSE_S = 2, 0.5
EARLY_MS = 2_000  # how much earlier than our stamp the venue may say that an order was made
_FEW = 2  # symbols whose open orders are asked for one by one


class WeexOrderReads(WeexAsking):
    """Orders, fills and payments of one account. Everything raises Unavailable."""

    @readable
    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        """The order, or None when the venue does not know it."""
        if not is_perp(symbol):
            row = await self._one("privateGetApiV3Order", origClientOrderId=client_id)
            if row is None:
                return None
            report = parse.order_report(row, symbol)
            if report.client_id != client_id:
                raise ValueError(f"asked for {client_id}, the venue answers with {report.client_id}")
            return report
        for search in range(SEARCHES):
            if search:
                await self._link.rules.seams.sleep(PAUSE_S)
            find = self._find_algo if is_trigger else self._find_plain
            found = await find(symbol, client_id)
            if found is not None:
                return found
        sent = self._link.sent.find(client_id, is_trigger=is_trigger)
        if sent is not None and sent.venue_id and sent.stamp_ms > self._link.now_ms() - HISTORY_MS:
            raise ValueError(f"order {sent.venue_id} was taken and stands in no list: one of them is behind")
        if is_trigger and sent is not None and not sent.venue_id:
            await self._check_absence(client_id, sent.stamp_ms)
        return None

    @readable
    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        """Resting orders of the symbols, conditional ones included."""
        spot, perps = [s for s in symbols if not is_perp(s)], [s for s in symbols if is_perp(s)]
        defects: list[tuple[str, str]] = []
        plain, perp, algo = await asyncio.gather(
            self._open("privateGetApiV3OpenOrders", spot, defects),
            self._open("contractPrivateGetCapiV3OpenOrders", perps, defects),
            self._open("contractPrivateGetCapiV3OpenAlgoOrders", perps, defects),
        )
        reports: list[OrderReport] = []
        for symbol, group in (*plain.items(), *perp.items()):
            reports += parse.read_orders(group, symbol, defects)
        for symbol, group in algo.items():
            reports += await self._algo_reports(group, symbol, defects)
        return Listed(reports, defects)

    @readable
    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        """Orders in any state since then, oldest first. Those of perps that are open stand in lists of their own, as do
        conditional ones; what these became is no order of its own here."""
        defects: list[tuple[str, str]] = []
        if not is_perp(symbol):
            found = await self._windows(self._span("privateGetApiV3AllOrders", symbol), since_ms)
            unique = {_id_of(row): row for row in found}
            return _in_order(parse.read_orders(unique.values(), symbol, defects), since_ms, defects)
        resting, waiting, kept, fired = await asyncio.gather(
            self._open("contractPrivateGetCapiV3OpenOrders", [symbol]),
            self._open("contractPrivateGetCapiV3OpenAlgoOrders", [symbol]),
            self._windows(self._span("contractPrivateGetCapiV3OrderHistory", symbol), since_ms),
            self._windows(self._algo_span(symbol), since_ms),
        )
        # an order that one of the lists shows as ended is over, whatever an older answer says: the later row counts
        unique = {_id_of(row): row for row in (*resting.get(symbol, ()), *kept)}
        algo = {_id_of(row): row for row in (*waiting.get(symbol, ()), *fired)}
        plain = _without_children(unique, algo)
        if any(_may_be_of_stop(row) for row in plain):
            # the list goes by the time at which a stop was made, which may be long before it fired
            earlier = await self._windows(self._algo_span(symbol), 0, since_ms - 1)
            algo |= {_id_of(row): row for row in earlier if _child_of(row) in unique}
            plain = _without_children(unique, algo)
        reports = parse.read_orders(plain, symbol, defects)
        reports += await self._algo_reports(list(algo.values()), symbol, defects)
        return _in_order(reports, since_ms, defects)

    @readable
    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        """Our trades since then, oldest first."""
        perp, venue = is_perp(symbol), self._link.profile.id
        method = "contractPrivateGetCapiV3UserTrades" if perp else "privateGetApiV3MyTrades"
        found = await self._windows(self._span(method, symbol), since_ms)
        read = parse.perp_fill if perp else parse.spot_fill
        defects: list[tuple[str, str]] = []
        kept_since_ms = rows.kept_since(symbol, since_ms, self._link.now_ms(), HISTORY_MS, defects)
        fills = rows.read_each("fills", found, lambda row: read(row, venue=venue, symbol=symbol), symbol, defects)
        unique = {fill.trade_id: fill for fill in fills}
        ordered = sorted(unique.values(), key=lambda fill: (fill.at_ms, len(fill.trade_id), fill.trade_id))
        return Listed(ordered, defects, kept_since_ms=kept_since_ms)

    @readable
    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        """Money that moved in the perp wallet without a trade of ours, oldest first. The venue reads it by a POST."""
        if Kind.PERP not in self._link.environment.kinds:
            return ()
        found = await self._windows(
            lambda start, end: self._rows(
                "contractPrivatePostCapiV3AccountIncome", "payments", "items", startTime=start, endTime=end, limit=PAGE
            ),
            since_ms,
        )
        defects: list[tuple[str, str]] = []
        read = rows.read_each(
            "payments",
            found,
            lambda row: parse.payment(row, lambda name: self._link.symbol_of(name, Kind.PERP)),
            "",
            defects,
        )
        unique = {payment.id: payment for payment in read if payment is not None}
        return Listed(sorted(unique.values(), key=lambda payment: payment.at_ms), defects)

    async def algo_id(self, symbol: str, client_id: str) -> str:
        """The venue's id of an open conditional order of ours, by which alone it can be cancelled; empty where none is
        it."""
        group = await self._open("contractPrivateGetCapiV3OpenAlgoOrders", [symbol])
        for row in group.get(symbol, ()):
            if isinstance(row, Mapping) and row.get("clientAlgoId") == client_id:
                return parse.order_id(row["algoId"])
        return ""

    async def rows_of_symbol(self, method: str, name: str) -> list[Any]:
        """The rows of a list that is asked for by symbol."""
        return await self._rows(method, "settings", symbol=name)

    async def _find_plain(self, symbol: str, client_id: str) -> OrderReport | None:
        """Raises ValueError for rows that cannot be read: one of them may be the order."""
        resting = (await self._open("contractPrivateGetCapiV3OpenOrders", [symbol])).get(symbol, [])
        since_ms = self._searched_from(client_id, is_trigger=False)
        kept = await self._windows(self._span("contractPrivateGetCapiV3OrderHistory", symbol), since_ms)
        named = [row for row in (*resting, *kept) if _names(row, "clientOrderId") == client_id]
        return parse.order_report(named[-1], symbol) if named else None

    async def _find_algo(self, symbol: str, client_id: str) -> OrderReport | None:
        waiting = (await self._open("contractPrivateGetCapiV3OpenAlgoOrders", [symbol])).get(symbol, [])
        kept = await self._windows(self._algo_span(symbol), self._searched_from(client_id, is_trigger=True))
        named = [row for row in (*waiting, *kept) if _names(row, "clientAlgoId") == client_id]
        return await self._algo(named[-1], symbol) if named else None

    async def _check_absence(self, client_id: str, stamp_ms: int) -> None:
        """Only the list of waiting conditional orders shows one that waits: nothing else contradicts it. It is asked
        for once more, of all perps.

        Raises:
            ValueError: it has the order, or lacks it and may be behind.
        """
        asked_ms = self._link.now_ms()
        listed = await self._rows("contractPrivateGetCapiV3OpenAlgoOrders", "open orders", limit=PAGE)
        until_ms = stamp_ms + self._link.profile.quiet_period_ms(self._link.receive_window_ms)
        is_whole = len(listed) < PAGE  # a full answer may lack it for its length
        shown_ms = newest_ms(listed, parse.changed_ms) if is_whole else 0
        is_there = any(_names(row, "clientAlgoId") == client_id for row in listed)
        if is_there or not proves_absence(until_ms=until_ms, newest_ms=shown_ms, asked_ms=asked_ms):
            raise ValueError("the list of conditional orders lacks it, shows nothing that is newer, and may be behind")

    def _searched_from(self, client_id: str, *, is_trigger: bool) -> int:
        """The time from which former orders are searched for one: its own stamp, where that is long ago."""
        recent_ms = self._link.now_ms() - WINDOW_MS
        sent = self._link.sent.find(client_id, is_trigger=is_trigger)
        return recent_ms if sent is None else min(recent_ms, sent.stamp_ms - EARLY_MS)

    async def _algo(self, row: Mapping[str, Any], symbol: str) -> OrderReport:
        """The report of a conditional order, with what the plain order that it became has executed."""
        if str(row["algoStatus"]) != parse.TRIGGERED:
            return parse.algo_report(row, symbol)
        if row.get("actualOrderId"):
            child = await self._one("contractPrivateGetCapiV3Order", orderId=str(row["actualOrderId"]))
            if child is not None:
                return parse.algo_report(row, symbol, parse.order_report(child, symbol))
        return await self._orphaned(row, symbol)

    async def _orphaned(self, row: Mapping[str, Any], symbol: str) -> OrderReport:
        """The report of a conditional order that has fired, where the order that it became is not known. It is open
        until the venue would show that order; then its fills say what it has executed, and without fills it is over."""
        fired_ms, quiet_ms = parse.fired_ms(row), self._link.profile.quiet_period_ms(self._link.receive_window_ms)
        if self._link.now_ms() < fired_ms + quiet_ms:
            return parse.algo_report(row, symbol)
        fills = await self.fetch_fills(symbol, fired_ms - EARLY_MS)
        if defects := defects_of(fills):
            raise ValueError(f"it has fired, and what it became is not known: {defects[0][1]}")
        executed = parse.executed_by(fills, row, symbol)
        if executed is not None:
            return parse.algo_report(row, symbol, executed)
        soon = [fill for fill in fills if fill.at_ms <= fired_ms + quiet_ms and str(row["side"]).lower() == fill.side]
        if soon and not row.get("actualOrderId"):
            raise ValueError(f"it has fired and names no order; fill {soon[0].trade_id} may be of it")
        return parse.algo_report(row, symbol, is_over=True)

    async def _algo_reports(
        self, group: Sequence[Any], symbol: str, defects: list[tuple[str, str]]
    ) -> list[OrderReport]:
        reports = []
        for row in group:
            try:
                reports.append(await self._algo(row, symbol))
            except (*UNREADABLE, Unavailable) as error:
                message = rows.message_of("orders", row, error)
                defects.append((symbol, message))
                reports.append(parse.open_order(row, symbol, message))
        return reports

    async def _one(self, method: str, **params: Any) -> Any:
        """The row of one order; None where the venue does not know it."""
        try:
            return await self._call(method, **params)
        except ReadRefused as error:
            if error.kind is Rejection.NOT_FOUND:
                return None
            raise

    async def _open(
        self, method: str, symbols: Sequence[str], defects: list[tuple[str, str]] | None = None
    ) -> dict[str, list[Any]]:
        """Rows of open orders by symbol: many symbols are asked for together, as far as that fills no answer. So is a
        symbol that the venue does not know when it is asked for alone: its market may have ended.

        Args:
            defects: takes the rows that name no symbol, and the symbols whose rows cannot be known.

        Raises:
            SymbolUnknown: nobody takes a symbol whose rows cannot be known.
            TypeError: the list of one symbol may be cut, or a row names no symbol and nobody takes it.
        """
        names = {self._link.venue_symbol(symbol): symbol for symbol in symbols}
        if len(names) > _FEW:
            together = await self._rows(method, "open orders", limit=PAGE)
            if len(together) < PAGE:
                return _by_symbol(together, names, defects)
        answers = await asyncio.gather(*(self._open_alone(method, name) for name in names))
        found: dict[str, list[Any]] = {}
        unknown: dict[str, SymbolUnknown] = {}
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, SymbolUnknown):
                unknown[name] = answer
                continue
            if len(answer) >= PAGE:
                raise TypeError(f"{len(answer)} open orders of {name} fill an answer, and there may be more")
            found |= {names[name]: answer} if answer else {}
        return found | await self._open_unknown(method, unknown, names, defects)

    async def _open_alone(self, method: str, name: str) -> list[Any] | SymbolUnknown:
        try:
            return await self._rows(method, "open orders", symbol=name, limit=PAGE)
        except SymbolUnknown as error:
            return error

    async def _open_unknown(
        self,
        method: str,
        unknown: Mapping[str, SymbolUnknown],
        names: Mapping[str, str],
        defects: list[tuple[str, str]] | None,
    ) -> dict[str, list[Any]]:
        """Rows of symbols that the venue does not know, in its list of all; a full one does not show that it lacks
        them."""
        if not unknown:
            return {}
        together = await self._rows(method, "open orders", limit=PAGE)
        if len(together) < PAGE:
            return _by_symbol(together, {name: names[name] for name in unknown}, defects)
        if defects is None:
            raise next(iter(unknown.values()))
        defects += [(names[name], f"open orders: {error}") for name, error in unknown.items()]
        return {}

    def _span(self, method: str, symbol: str) -> Any:
        """Asks for the rows of a span."""
        name = self._link.venue_symbol(symbol)

        async def ask(start_ms: int, end_ms: int) -> list[Any]:
            return await self._rows(method, "orders", symbol=name, startTime=start_ms, endTime=end_ms, limit=PAGE)

        return ask

    def _algo_span(self, symbol: str) -> Any:
        name = self._link.venue_symbol(symbol)

        async def ask(start_ms: int, end_ms: int) -> list[Any]:
            return await self._rows(
                "contractPrivateGetCapiV3AllAlgoOrders",
                "orders",
                "orders",
                symbol=name,
                startTime=start_ms,
                endTime=end_ms,
                limit=PAGE,
            )

        return ask


def _child_of(row: Any) -> str:
    """The id of the plain order that a conditional one became; empty where it became none."""
    return str(row.get("actualOrderId") or "") if isinstance(row, Mapping) else ""


def _without_children(plain: Mapping[str, Any], algo: Mapping[str, Any]) -> list[Any]:
    """The plain orders that no conditional one became, without the conditional ones that are listed among them."""
    children = {_child_of(row) for row in algo.values()}
    return [row for name, row in plain.items() if name not in children and not _is_conditional(row)]


def _may_be_of_stop(row: Any) -> bool:
    """Whether a stop may have become this order, which then has no limit and closes."""
    try:
        return str(row.get("type")) != "LIMIT" and parse.reduces(row)
    except UNREADABLE:
        return True


def _names(row: Any, name: str) -> str:
    """The client id of a row. Raises TypeError for what is no row."""
    if not isinstance(row, Mapping):
        raise TypeError(f"{row!r} is no order")
    return str(row.get(name) or "")


def _by_symbol(
    found: Sequence[Any], names: Mapping[str, str], defects: list[tuple[str, str]] | None
) -> dict[str, list[Any]]:
    result: dict[str, list[Any]] = {}
    for row in found:
        name = row.get("symbol") if isinstance(row, Mapping) else None
        if not isinstance(name, str) or not name:
            if defects is None:
                raise TypeError(f"{row!r} names no symbol")
            defects.append(("", rows.message_of("open orders", row, KeyError("symbol"))))
        elif name in names:
            result.setdefault(names[name], []).append(row)
    return result


def _is_conditional(row: Any) -> bool:
    return isinstance(row, Mapping) and parse.is_trigger(row)


def _id_of(row: Any) -> str:
    try:
        return parse.order_id(row.get("orderId") or row["algoId"])
    except UNREADABLE:
        return repr(row)


def _in_order(reports: Sequence[OrderReport], since_ms: int, defects: list[tuple[str, str]]) -> Listed[OrderReport]:
    since = [report for report in reports if report.defect or report.at_ms >= since_ms]
    return Listed(sorted(since, key=lambda report: report.at_ms), defects)
