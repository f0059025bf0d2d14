"""Order lists: orders of which one ends the other (OCO), or of which one begins the others once it is filled (OTO).

An OTO list may begin an OCO pair. Both orders of a pair are paid out of one lock: the larger one. Where an order of a
list is canceled, all of them are.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import OrderType
from bot.simex.engine.orders.admission import Admission, AdmittedOrder
from bot.simex.engine.orders.matching import Matching, request_of
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.state import AccountState, State
from bot.simex.engine.types import Contingency, EventKind, ExpiryReason, NewOrder, OrderList, OrderStatus, SimOrder


class Lists:
    """The order lists of all accounts. `follow` is called after everything that may have changed an order."""

    def __init__(self, state: State, admission: Admission, matching: Matching) -> None:
        self._state, self._admission, self._matching = state, admission, matching

    def place_oco(self, account: str, stop: NewOrder, profit: NewOrder, client_id: str) -> OrderList:
        """Two spot orders that wait on either side of the price; what one fills ends the other.

        Raises:
            Refusal: LIST_PRICES where the price is not between them, DUPLICATE_CLIENT_ID for a list or an order that is
                open already, and what either order alone would be refused for. Nothing has been placed then.
        """
        held = self._state.account(account)
        legs = (stop, profit)
        self._check_names(held, legs, client_id)
        self._check_pair(stop, profit)
        plans = self._shared(held, [self._admission.plan(held, leg) for leg in legs])
        created = self._open(held, stop.symbol, Contingency.OCO, client_id)
        orders = [self._matching.create(held, self._named(plan, created.id)) for plan in plans]
        return self._fill_in(held, created, orders)

    def place_oto(
        self, account: str, working: NewOrder, pending: Sequence[NewOrder], client_id: str
    ) -> tuple[OrderList, tuple[SimOrder, ...]]:
        """A limit order, and one or a pair (stop first) that are placed once it is filled whole.

        The orders are as the matching engine answers: the others wait, also where the first is filled at once; the
        caller has to `follow`.

        Raises:
            Refusal: as for `place_oco`; the waiting orders are checked for their form and filters only.
        """
        held = self._state.account(account)
        self._check_names(held, (working, *pending), client_id)
        if len(pending) == 2:
            self._check_order_of_prices(*pending)
        for order in pending:
            self._admission.check_form(held, order)
        plan = self._matching.plan(held, working)
        created = self._open(held, working.symbol, Contingency.OTO, client_id)
        first = self._matching.create(held, self._named(plan, created.id))
        others = [
            self._matching.create(
                held, AdmittedOrder(replace(order, list_id=created.id)), status=OrderStatus.PENDING_NEW
            )
            for order in pending
        ]
        created = self._fill_in(held, created, [first, *others])
        return created, (self._matching.act(held, first, plan), *others)

    def cancel(self, account: str, list_id: int, cancel_client_id: str = "") -> tuple[SimOrder, ...]:
        """Cancel the open orders of a list; all its orders as they are then.

        Raises:
            Refusal: the list is over (UNKNOWN_ORDER).
        """
        held = self._state.account(account)
        one = held.lists.get(list_id)
        if one is None or one.is_done:
            raise Refusal(RefusalReason.UNKNOWN_ORDER, f"order list {list_id} is not open")
        for order in self.orders(one):
            if order.is_open:
                self._matching.cancel(held, order, cancel_client_id)
        self._follow(held, one)
        return self.orders(one)

    def find(self, account: str, *, list_id: int | None = None, client_id: str | None = None) -> OrderList | None:
        """The list, by client id the newest with it."""
        lists = self._state.account(account).lists
        if list_id is not None:
            return lists.get(list_id)
        return next((one for one in reversed(lists.values()) if one.client_id == client_id), None)

    def of(self, account: str) -> tuple[OrderList, ...]:
        """All lists of an account, oldest first."""
        return tuple(self._state.account(account).lists.values())

    def orders(self, one: OrderList) -> tuple[SimOrder, ...]:
        """A list's orders as they are now."""
        known = self._state.accounts[one.account].orders[one.symbol]
        return tuple(known[number] for number in one.order_ids)

    def follow(self) -> None:
        """Draw the consequences of what has happened to the orders of lists."""
        for account in self._state.accounts.values():
            for list_id in tuple(account.open_lists):
                self._follow(account, account.lists[list_id])

    def _follow(self, account: AccountState, one: OrderList) -> None:
        orders = self.orders(one)
        if any(order.status is OrderStatus.CANCELED for order in orders):
            for order in orders:
                if order.is_open:
                    self._matching.cancel(account, order)
        waiting = [order for order in self.orders(one) if order.status is OrderStatus.PENDING_NEW]
        if waiting and orders[0].status is OrderStatus.FILLED:
            self._begin(account, waiting)
        elif waiting and not orders[0].is_open:
            for order in waiting:
                self._matching.expire(account, order, ExpiryReason.ORDER_LIST)
        if not any(order.is_open for order in self.orders(one)):
            self._close(account, one)

    def _begin(self, account: AccountState, waiting: Sequence[SimOrder]) -> None:
        """Place what has waited; what the exchange would refuse now is rejected, a pair as one."""
        requests = [request_of(order) for order in waiting]
        try:
            if len(requests) == 2:
                self._check_pair(*requests)
            plans = [self._admission.plan(account, request, is_known=True) for request in requests]
        except Refusal:
            for order in waiting:
                self._matching.reject(account, order)
            return
        if len(plans) == 2:
            plans = self._shared(account, plans)
        for order, plan in zip(waiting, plans, strict=True):
            begun = self._matching.begin(account, order, plan)
            self._matching.act(account, begun, plan)

    def _open(self, account: AccountState, symbol: str, contingency: Contingency, client_id: str) -> OrderList:
        state = self._state
        return OrderList(
            id=state.make_list_id(),
            account=account.name,
            symbol=symbol,
            client_id=client_id or state.make_client_id(),
            contingency=contingency,
            order_ids=(),
            created_ms=state.now_ms,
            updated_ms=state.now_ms,
        )

    def _fill_in(self, account: AccountState, made: OrderList, orders: Sequence[SimOrder]) -> OrderList:
        made = replace(made, order_ids=tuple(order.id for order in orders))
        account.keep_list(made)
        self._state.emit(EventKind.ORDER_LIST, account.name, made.symbol, order_list=made)
        return made

    def _close(self, account: AccountState, one: OrderList) -> None:
        done = replace(one, is_done=True, updated_ms=self._state.now_ms)
        account.keep_list(done)
        self._state.emit(EventKind.ORDER_LIST, account.name, done.symbol, order_list=done)

    def _named(self, plan: AdmittedOrder, list_id: int) -> AdmittedOrder:
        return replace(plan, order=replace(plan.order, list_id=list_id))

    def _shared(self, account: AccountState, plans: Sequence[AdmittedOrder]) -> list[AdmittedOrder]:
        """The pair with one lock for both: the order that needs less money holds none."""
        stop, profit = plans
        is_stop_larger = _needs(stop.order) >= _needs(profit.order)
        return [
            replace(stop, order=replace(stop.order, is_lock_shared=not is_stop_larger)),
            replace(profit, order=replace(profit.order, is_lock_shared=is_stop_larger)),
        ]

    def _check_names(self, account: AccountState, orders: Sequence[NewOrder], client_id: str) -> None:
        names = [order.client_id for order in orders if order.client_id]
        is_used = any(account.lists[n].client_id == client_id for n in account.open_lists) if client_id else False
        if is_used or len(set(names)) < len(names):
            raise Refusal(RefusalReason.DUPLICATE_CLIENT_ID, "a client id of the list is in use")
        limit = self._state.rules.orders_max
        if len(account.open.get(orders[0].symbol, {})) + len(orders) > limit:
            raise Refusal(RefusalReason.MAX_ORDERS, f"{limit} orders of {orders[0].symbol} may be open")

        most = self._state.rules.spot_lists_max
        if sum(account.lists[n].symbol == orders[0].symbol for n in account.open_lists) >= most:
            raise Refusal(RefusalReason.MAX_LISTS, f"{most} order lists of {orders[0].symbol} are open")

    def _check_pair(self, stop: NewOrder, profit: NewOrder) -> None:
        """That the price is between the two."""
        self._check_order_of_prices(stop, profit)
        now = self._state.price(stop.symbol, by_mark=False)
        lower, upper = sorted((_edge(stop), _edge(profit)))
        if not lower < now < upper:
            raise Refusal(RefusalReason.LIST_PRICES, f"{now} is not between {lower} and {upper}")

    def _check_order_of_prices(self, stop: NewOrder, profit: NewOrder) -> None:
        is_right = _edge(profit) > _edge(stop) if stop.side is Side.SELL else _edge(profit) < _edge(stop)
        if stop.type is not OrderType.STOP or profit.type is OrderType.STOP or not is_right:
            raise Refusal(RefusalReason.LIST_PRICES, f"stop at {_edge(stop)}, profit at {_edge(profit)}")


def _edge(order: NewOrder) -> Decimal:
    """Where an order of a pair begins to act: its trigger, or its limit price where that is what it waits for."""
    price = order.price if order.type is not OrderType.STOP and order.price is not None else order.trigger_price
    return price if price is not None else ZERO


def _needs(order: NewOrder) -> Decimal:
    """What an order of a pair locks, for comparison with the other one."""
    price = order.price if order.price is not None else order.trigger_price
    return (order.size or ZERO) * (price or ZERO)
