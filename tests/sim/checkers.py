"""What must hold at every moment of a simulation, judged by the exchange's truth and never by the bot's own arithmetic.

Before every POST: written down first, an id used once, one live order per intent, inside the approved bound, allowed
by the switch, inside the caps with everything that may still execute at full size. At every execution: inside its
approval, no hedge without its spot. After every turn: what the journal has added is lawful.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import Intent, Order, Purpose
from bot.domain.states import ORDER_TABLE, KillLevel, OrderEvent, OrderState, highest
from bot.execution.another_writer import UNKNOWN_OUTCOME_STATES
from bot.journal.facts import Fact
from bot.journal.journal import JournalReader
from bot.ports import OrderRequest
from bot.simex.engine.types import EventKind, ExchangeEvent, SimOrder, SimTrade
from tests.sim.faults import Kind
from tests.sim.market import GIFT
from tests.sim.wire import ACCOUNT, QUIET_MS, engine_number, true_order
from tests.sim.world import Life, Seam, World

SLACK = Decimal("1.05")  # prices move between the gate and the wire
LEG_SLACK = Decimal("1.01")  # what a fee takes of the tokens is bought again
TURNOVER_SLACK = Decimal("1.01")  # of what has been traded the price is known
DAY_MS, MINUTE_MS = 86_400_000, 60_000


@dataclass
class Approval:
    """One bound the gate gave, and the ids of the orders that were sent under it."""

    intent: Intent
    size: Decimal
    client_ids: set[str] = field(default_factory=set)


class Checkers:
    """All rules over one world. `attach` joins a new life."""

    def __init__(self, world: World) -> None:
        self._world, self._exchange, self._wire = world, world.exchange, world.wire
        self._own_reader = JournalReader(world.journal_path)
        self._file: tuple[Path, int] | None = None  # that it reads
        self._seen_seq = 0
        self._states: dict[str, OrderState] = {}
        self._trades: dict[tuple[str, int], SimTrade] = {}
        self._filled: dict[str, Decimal] = {}
        self._journaled: set[tuple[str, str]] = set()
        self._current: dict[str, Approval] = {}
        self._batch: set[str] = set()  # intents of the batch that the bot carries out
        self._approvals: dict[str, Approval] = {}
        self._intents: dict[str, str] = {}  # as the order was written: a stop may be sent under the bound of another's
        self._stops_of_batch: set[str] = set()  # working when the bot began to carry out a batch, or sent since
        self._posted: dict[str, OrderRequest] = {}
        self._posted_ms: dict[str, int] = {}
        self._legs: dict[str, Decimal] = {}
        self._moved: dict[str, Decimal] = {}
        self._wagered: dict[str, Decimal] = {}  # contracts short that are no hedge, by perp
        self.forgotten: set[str] = set()  # ids of orders that a journal put in place of a later one does not know
        self._disturbed: set[str] = set()  # tokens that exits and flattening have moved as well
        self.is_stranger_at_work = False  # what happens now is another's order, whatever id it names
        self.on_journal: list[Callable[[Fact], None]] = []
        self.level = KillLevel.OFF
        self._exchange.listeners.append(self._on_event)
        self._wire.on_submit.append(self._on_submit)
        self._wire.on_cancel.append(self._on_cancel)
        self._wire.on_write.append(self._on_write)

    def attach(self, life: Life) -> None:
        """See every approval of a life, and the switch as it finds it."""
        executor: Any = life.app.cycle.parts.executor
        act = executor.act

        async def spied(approved: Any, *held: Any) -> Any:
            self._batch = {item.intent.id for item in approved}
            for item in approved:
                self._current[item.intent.id] = Approval(item.intent, item.size)
                self._note_leg(item.intent)
                if item.intent.purpose.is_directional and item.intent.exits is None:
                    self._world.violate("exits of an entry", f"{item.intent.id} has none")
            stops = (order for order in self._reader.load_working() if order.order_type.is_trigger)
            self._stops_of_batch = {order.client_id for order in stops}
            return await act(approved, *held)

        executor.act = spied
        self.level = life.app.kill.level()

    @property
    def _reader(self) -> JournalReader:
        """Of the file that the bot writes: the journal, or the copy of a locked one."""
        path = self._world.file_in_use()
        if self._file != (file := (path, path.stat().st_ino)):  # a copy may have gone and another come, at one path
            self._own_reader.follow(path)
            self._file = file
        return self._own_reader

    def _note_leg(self, intent: Intent) -> None:
        """How much the leg of a rotation was meant to move when it was first worked on."""
        campaign = self._reader.load_memory().campaign
        if campaign is None or campaign.number != intent.campaign or intent.id in self._legs:
            return
        for tranche in campaign.tranches:
            for leg in tranche.legs:
                if (tranche.index, leg.index) == (intent.tranche, intent.leg):
                    self._legs[intent.id] = abs(leg.size_to - leg.size_from)

    def switch_thrown(self, level: KillLevel) -> None:
        self.level = max(self.level, level, key=lambda one: one.severity)

    # before a request leaves

    def _on_submit(self, request: OrderRequest) -> None:
        world, name = self._world, request.client_id
        if name in self._posted:
            world.violate("an id is used once", name)
        self._posted[name], self._posted_ms[name] = request, world.now_ms()
        order = self._reader.load_order(name)
        if order is None or order.state is not OrderState.SUBMITTING:
            world.violate("written before it is sent", f"{name} is {order and order.state} in the journal")
            return
        if written_as(order) != sent_as(request):
            world.violate("sent as it is written", f"{name}: {sent_as(request)}, written {written_as(order)}")
        self._check_switch(order)
        self._check_phases(order)
        self._check_bound(order)
        if self._is_entry(order):
            self._check_caps(order)

    def _check_switch(self, order: Order) -> None:
        level = self._level_now()
        if level is KillLevel.OFF:
            return
        is_reducing = order.reduce_only or (":" not in order.symbol and order.side is Side.SELL)
        is_allowed = {
            KillLevel.PAUSE: is_reducing or order.purpose is Purpose.HEDGE,
            KillLevel.REDUCE_ONLY: is_reducing,
            KillLevel.CANCEL: order.is_exit,
            KillLevel.CANCEL_ALL: False,
            KillLevel.FLATTEN: is_reducing and order.purpose is Purpose.FLATTEN,
        }[level]
        if not is_allowed:
            self._world.violate("nothing after the switch", f"{order.client_id} {order.purpose} at {level}")

    def settle_level(self) -> None:
        """Before the switch is thrown again: what an earlier resume has ended is over."""
        self._level_now()

    def _level_now(self) -> KillLevel:
        """The level in force; an operator's resume ends it once the bot has latched that."""
        life = self._world.life
        is_free = life is not None and life.app.kill.level() is KillLevel.OFF
        if is_free and self._reader.load_latch().reason.startswith("looked at"):
            self.level = KillLevel.OFF
        return self.level

    def _check_bound(self, order: Order) -> None:
        approval = self._approval_of(order)
        if approval is None:
            self._world.violate("approved before it is sent", f"{order.client_id} of {order.intent_id}")
            return
        for other in self._posted:
            if self._is_lost_stop(other):
                continue  # the restored life places its own until an operator has accepted the account
            if other != order.client_id and self._intents.get(other) == order.intent_id and self._may_live(other):
                self._world.violate("one live order per intent", f"{other} and {order.client_id} of {order.intent_id}")
        worst = approval.intent.worst_price
        if order.price is not None and (order.price - worst) * order.side.sign > 0:
            self._world.violate("inside the approved bound", f"{order.client_id} at {order.price}, approved is {worst}")
        if order.time_in_force.may_rest and ":" in order.symbol and not order.order_type.is_trigger:
            self._world.violate("nothing rests on a perp but stops", order.client_id)
        approval.client_ids.add(order.client_id)
        self._approvals[order.client_id], self._intents[order.client_id] = approval, order.intent_id
        if order.order_type.is_trigger:
            self._stops_of_batch.add(order.client_id)
        done = sum((self._filled.get(name, ZERO) for name in approval.client_ids), ZERO)
        if done + order.size > approval.size:
            self._world.violate(
                "children within parent", f"{order.client_id}: {done} done and {order.size} more of {approval.size}"
            )

    def _approval_of(self, order: Order) -> Approval | None:
        """The bound that an order was sent under: for a stop that takes the place of another at its trigger, which a
        close was in the way of, that one's. A stop that was over before the batch began has no successor."""
        current = self._current.get(order.intent_id)
        is_approved = current and current.intent.trigger_price == order.trigger_price
        if not order.order_type.is_trigger or (is_approved and order.intent_id in self._batch):
            return current
        for name in reversed(self._approvals):
            former = self._approvals[name].intent
            if name not in self._stops_of_batch:
                continue
            is_same = (former.symbol, former.side, former.trigger_price) == (
                order.symbol,
                order.side,
                order.trigger_price,
            )
            if is_same and former.reduce_only and order.reduce_only and not self._may_live(name):
                return self._approvals[name]
        return None

    def _check_phases(self, order: Order) -> None:
        """A doubt in one phase of a rotation stops the later ones; a hedge's stops no sale that has waited its time,
        once evidence could have settled that doubt."""
        mine = self._current.get(order.intent_id)
        if mine is None or not mine.intent.campaign:
            return
        for other in self._reader.load_working():
            theirs = self._approvals.get(other.client_id)
            if theirs is None or other.state is not OrderState.IN_DOUBT or other.purpose.reduces_leverage:
                continue
            is_sale_after_hedge = (other.purpose, order.purpose) == (Purpose.HEDGE, Purpose.REDUCE)
            if is_sale_after_hedge and self._has_waited_for_hedge() and not self._is_fresh(other):
                continue
            if theirs.intent.campaign == mine.intent.campaign and other.purpose.phase < order.purpose.phase:
                words = f"{order.client_id} {order.purpose} beside {other.client_id}"
                self._world.violate("a doubt stops the next phase", words)

    def _has_waited_for_hedge(self) -> bool:
        """Whether the sales of the running tranche have waited for `hedge_wait_minutes`."""
        life, campaign = self._world.life, self._reader.load_memory().campaign
        tranche = campaign.current if campaign is not None else None
        if life is None or tranche is None or not tranche.hedge_wait_ms:
            return False
        waited_ms = life.app.clock.now_ms() - tranche.hedge_wait_ms
        return waited_ms >= life.app.settings.playbook.rotation.hedge_wait_minutes * MINUTE_MS

    def _is_fresh(self, order: Order) -> bool:
        """Whether the quiet period of an order that was posted is not over, by the exchange's clock and the bot's."""
        life, world = self._world.life, self._world
        by_bot = life.venue.now_ms() - order.sent_ms if life is not None else 0
        by_exchange = world.now_ms() - self._posted_ms.get(order.client_id, 0)
        return max(by_bot, by_exchange) < QUIET_MS + order.receive_window_ms

    def _is_lost_stop(self, client_id: str) -> bool:
        """Whether an order is a reduce-only stop that a restored journal does not know."""
        request = self._posted[client_id]
        return client_id in self.forgotten and request.reduce_only and request.trigger_price is not None

    def _may_live(self, client_id: str) -> bool:
        """Whether an order that was posted is open at the exchange, or may still arrive there."""
        request = self._posted[client_id]
        order = self._our_order(request.symbol, client_id)
        if order is not None:
            return order.is_open
        is_in_time = self._world.now_ms() <= request.stamp_ms + request.receive_window_ms
        return is_in_time and any(one.client_id == client_id for one in self._wire.under_way)

    def _our_order(self, symbol: str, client_id: str) -> SimOrder | None:
        """The exchange's order under an id, unless it is another's that used the id again."""
        order, anothers = true_order(self._exchange, symbol, client_id), self._world.used_again
        if order is None or (symbol, order.id) not in anothers:
            return order
        orders = self._exchange._state.account(ACCOUNT).orders.get(symbol, {}).values()
        ours = [one for one in orders if one.client_id == client_id and (symbol, one.id) not in anothers]
        return ours[-1] if ours else None

    def _is_entry(self, order: Order) -> bool:
        return not order.reduce_only and (":" in order.symbol or order.side is Side.BUY)

    def _check_caps(self, order: Order) -> None:
        life = self._world.life
        if life is None or Kind.QUOTE_OFF in self._world.plan.kinds:
            return
        limits, price = life.app.cycle.parts.limits, self._price(order.symbol)
        worst = max(order.price or price, price)
        equity = self._equity()
        if order.size * (order.price or price) > limits.order_notional_max_quote * SLACK:
            self._world.violate("cap on an order", f"{order.client_id} is worth {order.size * worst:.2f}")
        pending = [self._posted[name] for name in self._posted if self._may_live(name)]
        if order.client_id not in {request.client_id for request in pending}:
            pending.append(self._posted[order.client_id])
        perps = self._perp_gross() + sum((self._worth(r) for r in pending if ":" in r.symbol), ZERO)
        if ":" in order.symbol and perps > limits.account_leverage_max * equity * SLACK:
            self._world.violate(
                "cap on leverage", f"{order.client_id}: perps of {perps:.2f} could stand against {equity:.2f}"
            )
        bought = sum((self._worth(r) for r in pending if ":" not in r.symbol and r.side is Side.BUY), ZERO)
        gross = self._spot_value() + bought + perps
        if gross > limits.gross_max * equity * SLACK:
            self._world.violate("cap on gross exposure", f"{order.client_id}: {gross:.2f} of {equity:.2f}")
        traded = self._turnover() + sum((self._worth(r, reducing=True) for r in pending), ZERO)
        if self._world.now_ms() % DAY_MS > 2 * MINUTE_MS and traded > limits.turnover_max * equity * TURNOVER_SLACK:
            self._world.violate("cap on turnover", f"{order.client_id}: {traded:.2f} of {equity:.2f}")

    def _worth(self, request: OrderRequest, *, reducing: bool = False) -> Decimal:
        """Value of what an order may still execute."""
        if (request.reduce_only and not reducing) or request.trigger_price is not None:
            return ZERO
        left = request.size - self._filled.get(request.client_id, ZERO)
        return left * self._price(request.symbol)

    def _on_cancel(self, client_id: str) -> None:
        order = self._reader.load_order(client_id)
        life, level = self._world.life, self._level_now()
        if life is not None and life.app.journal.is_substituted:
            level = highest(level, KillLevel.REDUCE_ONLY)  # what is in force while the journal is locked
        if order is not None and order.state.is_live and order.is_withdrawn_at(level):
            return  # the switch acts before it writes: a cancel does no harm twice
        if order is None or order.state is not OrderState.CANCELING:
            self._world.violate("written before it is sent", f"cancel of {client_id}, {order and order.state}")

    def _on_write(self, what: str) -> None:
        if self._level_now() is not KillLevel.OFF:
            self._world.violate("nothing after the switch", f"{what} at {self.level}")

    # at the exchange

    def _on_event(self, event: ExchangeEvent) -> None:
        if event.kind is EventKind.LIQUIDATION:
            self._world.is_strange.add(event.symbol.split("/", 1)[0])
        if event.kind is EventKind.ORDER_PLACED and event.order is not None and not self.is_stranger_at_work:
            self._check_belief(event.order.client_id, "arrives")
        trade = event.trade
        if trade is None:
            return
        self._world.note(f"fill {trade.symbol} {trade.id} {trade.side} {trade.size} at {trade.price} {trade.client_id}")
        self._trades[trade.symbol, trade.id] = trade
        if trade.client_id not in self._posted or self.is_stranger_at_work:
            return
        self._filled[trade.client_id] = self._filled.get(trade.client_id, ZERO) + trade.size
        approval = self._approvals.get(trade.client_id)
        if approval is None:
            return
        done = sum((self._filled.get(name, ZERO) for name in approval.client_ids), ZERO)
        if done > approval.size:
            self._world.violate("children within parent", f"{approval.intent.id}: {done} filled of {approval.size}")
        self._check_leg(approval.intent, trade)
        self._note_wager(approval.intent, trade)
        self._check_hedge(approval, trade)

    def _check_leg(self, intent: Intent, trade: SimTrade) -> None:
        """All orders of a leg together, over all turns and lives, move no more than it was meant to."""
        token = trade.symbol.split("/", 1)[0]
        if intent.purpose in (Purpose.EXIT, Purpose.FLATTEN):
            self._disturbed.add(token)
            return
        parent = self._legs.get(intent.id)
        if parent is None or token in self._disturbed or token in self._world.is_strange:
            return
        self._moved[intent.id] = moved = self._moved.get(intent.id, ZERO) + trade.size
        step = self._exchange.instruments[trade.symbol].size_step
        if moved > parent * LEG_SLACK + 2 * step:
            words = f"{trade.client_id}: {moved} of {intent.id}, meant are {parent} {trade.symbol}"
            self._world.violate("a leg is moved once", words)

    def _check_belief(self, client_id: str, what: str) -> None:
        """An order that the journal calls rejected must not come to be."""
        if client_id in self._posted and self._states.get(client_id) is OrderState.REJECTED:
            self._world.violate("a rejected order does not exist", f"{client_id} {what}")

    def _note_wager(self, intent: Intent, trade: SimTrade) -> None:
        """What a speculative short or a scalp has sold, until it is bought back. A perp is never both hedge and wager:
        what a wager has not sold of a short must not be there when it sells, nor must a hedge be sold on top of it."""
        held = self._exchange._state.account(ACCOUNT).size_of(trade.symbol)
        short, wagered = max(ZERO, -held), self._wagered.get(trade.symbol, ZERO)
        is_strange = trade.symbol.split("/", 1)[0] in self._world.is_strange
        if intent.purpose in (Purpose.TACTICAL_SHORT, Purpose.SCALP) and trade.side is Side.SELL:
            self._wagered[trade.symbol] = wagered = wagered + trade.size
            if short > wagered and not is_strange:
                words = f"{trade.client_id}: {wagered} wagered of a short of {short} {trade.symbol}"
                self._world.violate("hedge or wager", words)
        elif intent.purpose is Purpose.HEDGE and wagered and not is_strange:
            self._world.violate("hedge or wager", f"{trade.client_id} hedges on a wager of {wagered} {trade.symbol}")
        self._wagered[trade.symbol] = min(self._wagered.get(trade.symbol, ZERO), short)

    def _check_hedge(self, approval: Approval, trade: SimTrade) -> None:
        """No execution of ours makes shorts stand without their spot, or makes such an excess larger."""
        sector, sectors = approval.intent.sector, self._sectors()
        tokens = [token for token, weights in sectors.items() if sector in weights]
        if self._world.is_strange & set(tokens) or trade.side is not Side.SELL:
            return
        account = self._exchange._state.account(ACCOUNT)
        shorts = lot = spot = ZERO
        for token in tokens:
            symbol, perp = f"{token}/USDT", f"{token}/USDT:USDT"
            price = self._price(perp)
            shorts += max(ZERO, -account.size_of(perp) - self._wagered.get(perp, ZERO)) * price
            lot = max(lot, self._exchange.instruments[perp].size_step * price)
            spot += self._exchange._state.ledger.held(account.spot, token) * self._price(symbol)
        excess = shorts - spot
        if shorts and excess > lot + shorts / 100:
            self._world.violate(
                "hedge within spot", f"{trade.client_id}: shorts of {shorts:.2f} over {spot:.2f} of {sector}"
            )

    def _sectors(self) -> dict[str, Any]:
        life = self._world.life
        return dict(life.app.settings.universe.tokens) if life is not None else {}

    # after a turn

    def read_journal(self) -> None:
        """Every new event is lawful: states along the table, ids and fills once, fills as the exchange made them."""
        while events := self._reader.load_events(1_000, self._seen_seq):
            for event in events:
                self._seen_seq = event.seq
                self._world.note(f"journal {event.seq} {event.at_ms} {event.kind}")
                if event.kind == "order_submitting":
                    name = event.payload["order"]["client_id"]
                    if name in self._states:
                        self._world.violate("an id is used once", f"{name} is written twice")
                    self._states[name] = OrderState.SUBMITTING
                elif event.kind == "order_event":
                    self._read_step(event.payload)
                elif event.kind == "fill":
                    self._read_fill(event.payload)
                for listener in self.on_journal:
                    listener(event)

    def unknown_outcomes(self) -> list[str]:
        """Client ids of the orders whose outcome is unknown at the event of the journal that is being read."""
        return [name for name, state in self._states.items() if state in UNKNOWN_OUTCOME_STATES]

    def journal_replaced(self) -> None:
        """The file is another one now: it is read anew, while what was sent and executed stays known, and so does how
        much of a leg was moved."""
        self._own_reader.close()
        self._own_reader = JournalReader(self._world.journal_path)
        self._seen_seq = 0
        self._states.clear()
        self._journaled.clear()
        self._legs = {name: size for name, size in self._legs.items() if self._moved.get(name)}
        listeners, self.on_journal = self.on_journal, []
        if self._world.journal_path.exists():
            self.read_journal()  # what the rules have heard once
        self.on_journal = listeners
        known = self._world.journal_path.exists()
        self.forgotten = {name for name in self._posted if not known or self._reader.load_order(name) is None}
        self._world.is_strange |= {symbol.split("/", 1)[0] for symbol, size in self._wagered.items() if size}

    def _read_step(self, payload: Any) -> None:
        name, before, after = payload["client_id"], OrderState(payload["before"]), OrderState(payload["state"])
        self._world.note(f"{name} {before} {payload['event']} {after} {payload['reason'][:60]}")
        if ORDER_TABLE[before].get(OrderEvent(payload["event"])) is not after or self._states.get(name) is not before:
            self._world.violate("states along the table", f"{name}: {before} {payload['event']} {after}")
        self._states[name] = after
        theirs = self._our_order(self._posted[name].symbol, name) if name in self._posted else None
        if theirs is not None:
            self._check_belief(name, "is at the exchange")
            if theirs.is_open and not self._reader_says_live(name):
                self._world.violate("what is over is over", f"{name} is {after} and open at the exchange")

    def _reader_says_live(self, client_id: str) -> bool:
        order = self._reader.load_order(client_id)
        return order is not None and order.state.is_live

    def _read_fill(self, payload: Any) -> None:
        key = (payload["symbol"], payload["trade_id"])
        trade = self._trades.get((payload["symbol"], engine_number(payload["trade_id"])))
        if key in self._journaled:
            self._world.violate("a fill counts once", f"{key}")
        self._journaled.add(key)
        written = (payload["side"], *(Decimal(payload[name]) for name in ("size", "price", "fee")))
        amounts = None
        if trade is not None:
            amounts = (str(trade.side), trade.size, self._said_price(trade, written[2]), trade.fee)
        if amounts != written:
            self._world.violate("a fill is the exchange's", f"{key}: {written}, the exchange has {amounts}")

    def _said_price(self, trade: SimTrade, written: Decimal) -> Decimal:
        """At the wire a perp's prices have the decimals of its tick; forced trades at mark, and those from before a
        coarser tick, have more."""
        is_cut = (
            self._world.seam is Seam.WIRE and ":" in trade.symbol and 0 <= trade.price - written < trade.price / 100
        )
        return written if is_cut else trade.price

    # numbers of the account

    def _price(self, symbol: str) -> Decimal:
        state = self._exchange._state
        return state.mark(symbol) if ":" in symbol else state.mid(symbol)

    def _spot_value(self) -> Decimal:
        held = self._exchange.balances(ACCOUNT).items()
        return sum((b.total * self._price(f"{name}/USDT") for name, b in held if name not in ("USDT", GIFT)), ZERO)

    def _perp_gross(self) -> Decimal:
        account = self._exchange._state.account(ACCOUNT)
        return sum((abs(p.size) * self._price(symbol) for (symbol, _), p in account.positions.items() if p.size), ZERO)

    def _equity(self) -> Decimal:
        wallet, cash = self._exchange.wallet(ACCOUNT), self._exchange.balances(ACCOUNT).get("USDT")
        return self._spot_value() + (cash.total if cash else ZERO) + wallet.balance + wallet.unrealised_pnl

    def _turnover(self) -> Decimal:
        """What our own orders executed today: the cap is on the bot, strangers trade as they like."""
        since = self._world.now_ms() - self._world.now_ms() % DAY_MS
        ours = (trade for trade in self._trades.values() if trade.client_id in self._posted)
        return sum((t.quote for t in ours if t.at_ms >= since and not self._is_flattening(t.client_id)), ZERO)

    def _is_flattening(self, client_id: str) -> bool:
        """What a flatten trades counts in no limit on entries."""
        approval = self._approvals.get(client_id)
        return approval is not None and approval.intent.purpose is Purpose.FLATTEN

    def close(self) -> None:
        self._own_reader.close()


def written_as(order: Order) -> tuple[Any, ...]:
    return (
        order.symbol,
        order.side,
        order.size,
        order.price,
        order.order_type,
        order.time_in_force,
        order.reduce_only,
        order.trigger_price,
        order.sent_ms,
        order.receive_window_ms,
    )


def sent_as(request: OrderRequest) -> tuple[Any, ...]:
    return (
        request.symbol,
        request.side,
        request.size,
        request.price,
        request.order_type,
        request.time_in_force,
        request.reduce_only,
        request.trigger_price,
        request.stamp_ms,
        request.receive_window_ms,
    )
