"""What MEXC knows of an account's orders, fills and payments.

Conditional orders of perps stand in a list of their own and have no client id; `UnnamedStops` finds our own.
One that has fired becomes another order, with an id of its own and no client id either: both are one order here.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Kind
from bot.domain.money import ZERO
from bot.domain.order import Fill
from bot.domain.symbol import is_perp
from bot.ports import Listed, OrderReport, Payment, Rejection, ReportState, Unavailable
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.sole_list import newest_ms, proves_absence
from bot.venues.ccxt.account.stop_rows import StopRows, compare
from bot.venues.ccxt.account.stops import EARLY_MS
from bot.venues.ccxt.errors import ReadRefused, SymbolUnknown
from bot.venues.ccxt.rows import UNREADABLE, readable
from bot.venues.mexc import parse
from bot.venues.mexc.asking import PAGE, MexcAsking
from bot.venues.mexc.markets import contract_of

ORDERS_MS, FILLS_MS, PERPS_MS = 7 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS
"""How far back the venue lists orders of spot, its fills, and whatever is about perps."""
_SPOT_ORDERS = 500
Defects = list[tuple[str, str]]


class MexcOrderReads(MexcAsking):
    """Orders, fills and payments of one account. Everything raises Unavailable."""

    def contract(self, symbol: str) -> Decimal:
        """Coins in a contract of a perp that is listed, or was when it was last known.

        Raises:
            ValueError: nobody knows it, so nothing of the perp can be counted.
        """
        market = (self._link.exchange.markets or {}).get(symbol)
        return contract_of(self._link.former_market(symbol) if market is None else market)

    @readable
    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        """The order, or None when the venue does not know it: a plain one by its client id, a conditional one of a perp
        by the venue's id, or by what it looks like among the open and the former ones."""
        if is_trigger and is_perp(symbol):
            return await self._fetch_stop(symbol, client_id)
        name = self._link.venue_symbol(symbol)
        try:
            if is_perp(symbol):
                row = await self._perp(
                    "contractPrivateGetOrderExternalSymbolExternalOid", symbol=name, external_oid=client_id
                )
                report = parse.perp_report(row, symbol, self.contract(symbol))
            else:
                row = await self._spot("spotPrivateGetOrder", symbol=name, origClientOrderId=client_id)
                report = parse.spot_report(row, symbol)
        except ReadRefused as error:
            if error.kind is Rejection.NOT_FOUND:
                return None
            raise
        if report.client_id != client_id:
            raise ValueError(f"asked for {client_id}, the venue answers with {report.client_id}")
        return report

    @readable
    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        """Resting orders of the symbols, conditional ones included: a question for each of spot, two for all perps."""
        spot, perps = [s for s in symbols if not is_perp(s)], [s for s in symbols if is_perp(s)]
        defects: Defects = []
        spot_rows, plain, plans = await asyncio.gather(
            asyncio.gather(*(self._spot_open_of(symbol, defects) for symbol in spot)),
            self._perp_pages("contractPrivateGetOrderListOpenOrders", "open orders") if perps else _nothing(),
            self._plans(states=parse.UNTRIGGERED) if perps else _nothing(),
        )
        reports = [
            report
            for symbol, listed in zip(spot, spot_rows, strict=True)
            for report in self._spot_reports(symbol, listed, defects)
        ]
        of_plain, of_plans = self._by_symbol(plain, perps, defects), self._by_symbol(plans, perps, defects)
        for symbol in perps:
            own = of_plain.get(symbol, [])
            unnamed = {_id_of(row) for row in own if not _named(row)}
            fired = await self._fired_of(symbol, unnamed) if unnamed else []
            reports += await self._perp_reports(symbol, own, [*of_plans.get(symbol, []), *fired], defects)
        return Listed([one for one in reports if one.defect or one.state is ReportState.OPEN], defects)

    @readable
    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        """Orders in any state since then, oldest first, those that are open included."""
        name, defects = self._link.venue_symbol(symbol), Defects()
        if is_perp(symbol):
            resting, kept, plans = await asyncio.gather(
                self._perp_pages("contractPrivateGetOrderListOpenOrders", "open orders"),
                self._perp_past("contractPrivateGetOrderListHistoryOrders", "orders", name, since_ms),
                self._plans(symbol=name, since_ms=since_ms),
            )
            ours = [row for row in resting if not isinstance(row, Mapping) or row.get("symbol") == name]
            reports = await self._perp_reports(symbol, [*ours, *kept], plans, defects)
        else:
            resting, kept = await asyncio.gather(
                self._spot_open(symbol),
                self._spans(
                    lambda start, end: self._spot_list(
                        "spotPrivateGetAllOrders", name, startTime=start, endTime=end, limit=_SPOT_ORDERS
                    ),
                    since_ms,
                    page=_SPOT_ORDERS,
                    kept_ms=ORDERS_MS,
                ),
            )
            # an order that one of them shows as ended is over: the later row of an id counts
            unique = {_id_of(row): row for row in (*resting, *kept)}
            reports = self._spot_reports(symbol, list(unique.values()), defects)
        since = [report for report in reports if report.defect or report.at_ms >= since_ms]
        return Listed(sorted(since, key=lambda report: report.at_ms), defects)

    @readable
    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        """Our trades since then, oldest first, those that the venue forced included."""
        name, venue, defects = self._link.venue_symbol(symbol), self._link.profile.id, Defects()
        kept_ms = PERPS_MS if is_perp(symbol) else FILLS_MS
        kept_since_ms = rows.kept_since(symbol, since_ms, self._link.now_ms(), kept_ms, defects)
        if is_perp(symbol):
            found = await self._perp_past("contractPrivateGetOrderListOrderDeals", "fills", name, since_ms)
            parents = await self._parents(symbol, found, since_ms)
            fills = rows.read_each(
                "fills",
                [_of_parent(row, parents) for row in found],
                lambda row: parse.perp_fill(row, venue=venue, symbol=symbol, contract=self.contract(symbol)),
                symbol,
                defects,
            )
        else:
            found = await self._spans(
                lambda start, end: self._spot_list(
                    "spotPrivateGetMyTrades", name, startTime=start, endTime=end, limit=PAGE
                ),
                since_ms,
                page=PAGE,
                kept_ms=FILLS_MS,
            )
            fills = rows.read_each(
                "fills", found, lambda row: parse.spot_fill(row, venue=venue, symbol=symbol), symbol, defects
            )
        unique = {fill.trade_id: fill for fill in fills}
        ordered = sorted(unique.values(), key=lambda fill: (fill.at_ms, len(fill.trade_id), fill.trade_id))
        return Listed(ordered, defects, kept_since_ms=kept_since_ms)

    @readable
    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        """Money that moved in the perp wallet without a trade of ours, oldest first. Both lists come newest first and
        take no time: they are read until what they list is older."""
        if Kind.PERP not in self._link.environment.kinds:
            return ()
        funding, moved = await asyncio.gather(
            self._until("contractPrivateGetPositionFundingRecords", "payments", "settleTime", since_ms),
            self._until("contractPrivateGetAccountTransferRecord", "transfers", "createTime", since_ms),
        )
        defects: Defects = []
        paid = rows.read_each(
            "payments",
            funding,
            lambda row: parse.funding_payment(row, lambda name: self._link.symbol_of(name, Kind.PERP)),
            "",
            defects,
        )
        read = [*paid, *rows.read_each("payments", moved, parse.transfer, "", defects)]
        unique = {one.id: one for one in reversed(read) if one is not None and one.at_ms >= since_ms}
        return Listed(sorted(unique.values(), key=lambda payment: payment.at_ms), defects)

    async def open_position_id(self, name: str, side: str = "") -> int:
        """The number of the open position in a perp, of this side where one is named; 0 where there is none. Raises
        Unavailable."""
        data = await self._perp("contractPrivateGetPositionOpenPositions", symbol=name)
        for row in rows.rows_of(data, "positions"):
            if row["symbol"] == name and parse.is_held(row) and side in ("", parse.side_of(row)):
                return int(row["positionId"])
        return 0

    async def find_stop(self, symbol: str, client_id: str) -> str:
        """The venue's id of an open conditional order of ours, empty where none is it.

        Raises:
            Unavailable: another one is just like it.
        """
        if not self._link.stops.venue_id(client_id):
            plans = await self._plans(symbol=self._link.venue_symbol(symbol), states=parse.UNTRIGGERED)
            self._stop_rows(plans, symbol).recognise(self._link.stops)
        return self._link.stops.venue_id(client_id)

    async def _fetch_stop(self, symbol: str, client_id: str) -> OrderReport | None:
        stops = self._link.stops
        if not stops.has(client_id):
            return None  # it was never sent, and the venue names none
        asked_ms, since_ms = self._link.now_ms(), stops.stamp_ms(client_id) - EARLY_MS
        name = self._link.venue_symbol(symbol) if stops.venue_id(client_id) else ""
        listed = await self._plans(symbol=name, since_ms=since_ms)
        nameless: Defects = []
        plans = self._by_symbol(listed, [symbol], nameless).get(symbol, [])
        if not stops.venue_id(client_id):
            self._stop_rows(plans, symbol).recognise(stops)
        venue_id = stops.venue_id(client_id)
        row = next((row for row in plans if isinstance(row, Mapping) and str(row.get("id")) == venue_id), None)
        if not venue_id or row is None:
            if nameless:
                raise ValueError(nameless[0][1])
            self._check_absence(client_id, listed, asked_ms)
            return None
        found = await self._perp_reports(symbol, [], [row], [])
        report = next((one for one in found if one.venue_id == venue_id), None)
        if report is None or report.defect or report.client_id != client_id:
            raise ValueError(
                report.defect if report is not None and report.defect else f"order {venue_id} cannot be told"
            )
        return report

    def _check_absence(self, client_id: str, listed: Iterable[Any], asked_ms: int) -> None:
        """One list alone shows conditional orders, resting and former ones: nothing else contradicts it.

        Raises:
            ValueError: the list lacks the order and may be behind.
        """
        stops = self._link.stops
        venue_id, until_ms = stops.venue_id(client_id), stops.until_ms(client_id)
        if venue_id and until_ms > asked_ms - PERPS_MS:
            raise ValueError(f"order {venue_id} was taken and is not in the list of conditional orders: it is behind")
        if not proves_absence(until_ms=until_ms, newest_ms=newest_ms(listed, parse.changed_ms), asked_ms=asked_ms):
            raise ValueError("the list of conditional orders lacks it, shows nothing that is newer, and may be behind")

    def _stop_rows(self, plans: Iterable[Any], symbol: str) -> StopRows:
        return compare(
            plans,
            symbol,
            self._link.stops,
            read=lambda row: parse.seen_stop(row, symbol, self.contract(symbol)),
            id_of=_plan_of,
        )

    def _spot_reports(self, symbol: str, listed: Sequence[Any], defects: Defects) -> list[OrderReport]:
        return parse.read_orders(listed, lambda row: parse.spot_report(row, symbol), symbol, defects)

    async def _perp_reports(
        self, symbol: str, plain: Sequence[Any], plans: Sequence[Any], defects: Defects
    ) -> list[OrderReport]:
        """Reports of a perp's orders: one for each plain order, and for each conditional one together with the order
        that it became. What another's has become is not asked for: it is left out where it is not among the plain.
        Without a row nothing is counted: of a perp that is listed no more the size of a contract may not be known."""
        if not (plain or plans):
            return []
        contract, compared = self._counted(symbol), self._stop_rows(plans, symbol)
        by_id = {_id_of(row): row for row in plain}
        children = {found for row in plans if (found := parse.child_id(row))}
        ours = {*self._link.stops.recognise(compared.seen), *filter(self._link.stops.client_id, map(_plan_of, plans))}
        kept = ours | compared.unclear.keys()
        plans = [row for row in plans if parse.child_id(row) in {"", *by_id} or _plan_of(row) in kept]
        failed: dict[str, str] = {}
        wanted = {parse.child_id(row) for row in plans if _plan_of(row) in ours} - {""}
        for missing in sorted(wanted - by_id.keys()):
            try:
                by_id[missing] = await self._perp("contractPrivateGetOrderGetOrderId", order_id=missing)
            except (*UNREADABLE, Unavailable) as error:
                failed[missing] = f"the order that it became cannot be read: {error}"
        own = [row for name, row in by_id.items() if name not in children]
        reports = parse.read_orders(
            own, lambda row: parse.perp_report(row, symbol, self.contract(symbol)), symbol, defects, contract
        )

        def read_plan(row: Any) -> OrderReport:
            child_id = parse.child_id(row)
            if child_id in failed:
                raise ValueError(failed[child_id])
            child = by_id.get(child_id)
            fired = None if child is None else parse.perp_report(child, symbol, self.contract(symbol))
            return parse.plan_report(row, symbol, self.contract(symbol), fired)

        stops = parse.read_orders(
            {_plan_of(row): row for row in plans}.values(),
            read_plan,
            symbol,
            defects,
            contract,
        )
        return reports + compared.named(self._link.stops, stops, defects)

    def _counted(self, symbol: str) -> Decimal:
        """The same for rows that cannot be read: without it their sizes are not known, and count as none."""
        try:
            return self.contract(symbol)
        except ValueError:
            return ZERO

    async def _parents(self, symbol: str, fills: Sequence[Any], since_ms: int) -> Mapping[str, str]:
        """The conditional order of each order that one became, where a fill names no client id."""
        if all(_named(row) for row in fills):
            return {}
        plans = await self._plans(symbol=self._link.venue_symbol(symbol), since_ms=max(0, since_ms - PERPS_MS))
        return {parse.child_id(row): str(row["id"]) for row in plans if parse.child_id(row)}

    async def _fired_of(self, symbol: str, resting: Collection[str]) -> list[Any]:
        """Conditional orders that have fired and rest as one of these orders, or as one that they do not name."""
        fired = await self._plans(symbol=self._link.venue_symbol(symbol), states=parse.EXECUTED)
        return [row for row in fired if parse.child_id(row) in {"", *resting}]

    async def _plans(self, symbol: str = "", *, states: int = 0, since_ms: int | None = None) -> list[Any]:
        """Rows of conditional orders: of one perp or of all, in one state or in any."""
        asked: dict[str, Any] = {"symbol": symbol} if symbol else {}
        if states:
            asked["states"] = states
        if since_ms is not None:
            now_ms = self._link.now_ms()
            asked |= {"start_time": max(0, since_ms, now_ms - PERPS_MS), "end_time": now_ms + 1_000}
        return await self._perp_pages("contractPrivateGetPlanorderListOrders", "conditional orders", **asked)

    async def _perp_past(self, method: str, what: str, name: str, since_ms: int) -> list[Any]:
        """All rows of a perp's list since then, as far back as the venue has them."""
        now_ms = self._link.now_ms()
        start_ms = max(0, since_ms, now_ms - PERPS_MS)
        return await self._perp_pages(method, what, symbol=name, start_time=start_ms, end_time=now_ms + 1_000)

    async def _until(self, method: str, what: str, time: str, since_ms: int) -> list[Any]:
        """Rows of a list that is newest first, page by page, until they are older."""
        found: list[Any] = []
        for page in range(1, PAGE + 1):
            data = await self._perp(method, page_num=page, page_size=PAGE)
            listed = rows.rows_of(data["resultList"], what)
            found += listed
            last = listed[-1].get(time) if listed and isinstance(listed[-1], Mapping) else None
            if len(listed) < PAGE or (isinstance(last, int) and last < since_ms):
                return found
        raise TypeError(f"{what}: more than {PAGE} pages")

    async def _spot_open_of(self, symbol: str, defects: Defects) -> list[Any]:
        """Open orders of one pair of many. A pair that the venue no longer lists has none; those of one that it lists
        and refuses to answer for are not known."""
        try:
            return await self._spot_open(symbol)
        except SymbolUnknown as error:
            if symbol in self._link.instruments:
                defects.append((symbol, f"open orders: {error}"))
            return []

    async def _spot_open(self, symbol: str) -> list[Any]:
        return await self._spot_list("spotPrivateGetOpenOrders", self._link.venue_symbol(symbol))

    async def _spot_list(self, method: str, name: str, **params: Any) -> list[Any]:
        return rows.rows_of(await self._spot(method, symbol=name, **params), "orders and fills")

    def _by_symbol(self, listed: Sequence[Any], perps: Sequence[str], defects: Defects) -> dict[str, list[Any]]:
        """Rows of one list by our symbols; those of other perps are left out."""
        names = {self._link.venue_symbol(symbol): symbol for symbol in perps}
        found: dict[str, list[Any]] = {}
        for row in listed:
            name = row.get("symbol") if isinstance(row, Mapping) else None
            if not isinstance(name, str) or not name:
                defects.append(("", rows.message_of("open orders", row, KeyError("symbol"))))
            elif name in names:
                found.setdefault(names[name], []).append(row)
        return found


def _id_of(row: Any) -> str:
    return str(row.get("orderId")) if isinstance(row, Mapping) and row.get("orderId") else repr(row)


def _plan_of(row: Any) -> str:
    """What a row of a conditional order is called here, whatever it is."""
    return str(row.get("id")) if isinstance(row, Mapping) else repr(row)


def _named(row: Any) -> bool:
    """Whether a row says by a client id, or by a cause, whose order it is."""
    return isinstance(row, Mapping) and parse.client_id(row) is not None


def _of_parent(row: Any, parents: Mapping[str, str]) -> Any:
    """A fill as one of the conditional order that its order was before."""
    parent = parents.get(_id_of(row))
    return row if parent is None else {**row, "orderId": parent}


async def _nothing() -> list[Any]:
    return []
