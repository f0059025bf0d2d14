"""The last word of a simulation: faults have stopped, the rotation has had its cycles; journal and exchange agree."""

import contextlib
from collections.abc import Collection, Iterable
from dataclasses import replace
from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import OrderType
from bot.domain.order_ids import is_ours
from bot.domain.states import OrderState
from bot.execution.another_writer import AnotherWriter
from bot.execution.books.agreed import BASELINE
from bot.execution.books.unexplained import counted_trades
from bot.execution.reconcile import Truth
from bot.simex.engine.refusal import Refusal
from bot.simex.engine.types import NewOrder
from tests.sim.wire import ACCOUNT, engine_number, true_order
from tests.sim.world import Life, World


def check_end(world: World, life: Life, truth: Truth, forgotten: Collection[str] = ()) -> None:
    """Everything that must be true of a world at rest. `forgotten`: orders that a restored journal does not know."""
    _check_truth(world, truth)
    _check_orders(world, life, forgotten)
    _check_fills(world, life, forgotten)
    _check_spot(world, life)
    _check_exits(world, life, forgotten)
    try:
        world.exchange.audit()
    except AssertionError as error:
        world.violate("the exchange adds up", str(error))
    try:
        life.app.journal.reader.verify()
    except Exception as error:  # noqa: BLE001 - whatever it says is the finding
        world.violate("the journal replays to its projections", repr(error))


def close_by_hand(world: World, symbols: Iterable[str]) -> bool:
    """The operator closes others' positions that the bot pages about and cannot put right: no stop can be placed, or
    they are on cross margin, which the venue changes for nobody while a position is open. True when he closes one."""
    has_closed = False
    world.exchange.advance(world.now_ms())
    for held in world.exchange.positions(ACCOUNT):
        is_theirs = held.symbol.split("/", 1)[0] in world.is_strange
        if held.symbol not in symbols or not is_theirs or not world.exchange.is_open(held.symbol):
            continue
        side, now = Side.of(-held.size), world.exchange.instruments[held.symbol]
        # The venue's own page closes a position that a coarser grid has left too small or too odd for any order.
        step = Decimal(1).scaleb(int(held.size.as_tuple().exponent))
        world.exchange.replace_instrument(replace(now, size_step=step, size_min=step, notional_min=ZERO))
        with contextlib.suppress(Refusal):
            world.exchange.cancel_all(ACCOUNT, held.symbol)  # beside a stop it may take no close
            order = NewOrder(held.symbol, side, OrderType.MARKET, abs(held.size), reduce_only=True)
            world.exchange.place(ACCOUNT, order)
            world.note(f"the operator closes {held.size} {held.symbol}")
            has_closed = True
        world.exchange.replace_instrument(now)
    return has_closed


def _check_truth(world: World, truth: Truth) -> None:
    if not truth.is_agreed or truth.locked:
        words = "; ".join(note.words for note in truth.notes)[:300]
        world.violate("agreement at the end", f"agreed {truth.is_agreed}, locked {sorted(truth.locked)}: {words}")
    doubtful = [order.client_id for order in truth.working if order.state is not OrderState.OPEN]
    if doubtful:
        world.violate("no doubt is left", ", ".join(doubtful))


def _check_orders(world: World, life: Life, forgotten: Collection[str]) -> None:
    """Every order of ours at the exchange is in the journal, executed as far, live or over in both; one that a restored
    journal does not know is over, or journaled as unknown."""
    reader, posted = life.app.journal.reader, {request.client_id for request in world.wire.sent}
    exchange = world.exchange
    for symbol in exchange.instruments:
        for theirs in exchange.orders(ACCOUNT, symbol, limit=1_000_000):
            is_anothers = (symbol, theirs.id) in world.used_again
            if theirs.client_id not in posted or theirs.parent_id is not None or is_anothers:
                continue
            child = exchange.order(ACCOUNT, symbol, order_id=theirs.child_id) if theirs.child_id else None
            became, ours = child or theirs, reader.load_order(theirs.client_id)
            if ours is None and theirs.client_id in forgotten:
                # A reduce-only stop of a flat perp does nothing; where no position and no plan leads to its symbol,
                # nobody asks for it.
                is_idle = became.reduce_only and not any(p.symbol == symbol for p in exchange.positions(ACCOUNT))
                is_known = theirs.client_id in AnotherWriter(life.app.journal).unknown_ids()
                if became.is_open and not is_known and not is_idle:
                    world.violate("no order is forgotten", f"{theirs.client_id} rests, from before the restore")
            elif ours is None:
                world.violate("no order is forgotten", theirs.client_id)
            elif ours.filled_size != became.filled_size or ours.state.is_live != became.is_open:
                world.violate(
                    "orders agree at the end",
                    f"{ours.client_id} is {ours.state} {ours.filled_size}, at the exchange {became.status} "
                    f"{became.filled_size}",
                )
    for order in reader.load_orders(1_000_000):
        if order.filled_size and true_order(exchange, order.symbol, order.client_id) is None:
            world.violate("no fill is invented", order.client_id)


def _check_fills(world: World, life: Life, forgotten: Collection[str]) -> None:
    """Every execution with our mark is in the journal. One of an order that the journal lacks, from before its books
    began, is in the account that they began with: a journal that was lost has another beginning."""
    reader = life.app.journal.reader
    origin_ms = next((int(fact.payload["origin_ms"]) for fact in reader.load_facts(BASELINE, 1)), 0)
    fills = reader.load_fills(1_000_000)
    written = {(fill.symbol, engine_number(fill.trade_id)) for fill in fills}
    for symbol in world.exchange.instruments:
        for trade in world.exchange.trades(ACCOUNT, symbol, limit=1_000_000):
            is_anothers = (symbol, trade.order_id) in world.used_again
            is_owed = is_ours(trade.client_id, ACCOUNT) and trade.client_id not in forgotten and not is_anothers
            is_older = trade.at_ms <= origin_ms and reader.load_order(trade.client_id) is None
            if (symbol, trade.id) not in written and is_owed and not is_older:
                world.violate("every fill is written", f"{symbol} {trade.id} of {trade.client_id}")


def _check_spot(world: World, life: Life) -> None:
    """Tokens: what there was, what was traded, less fees, plus what operators accepted and exchanges made of them.

    What is off by one bps of a holding passes for rounding, and is over each time the books begin afresh: of what was
    held then, which may be many times what is held at the end.

    A token that others have moved and whose market the exchange has removed is left out: nobody is asked to accept what
    was done to it, because it is no part of the book any more."""
    reader, held = life.app.journal.reader, world.exchange.balances(ACCOUNT)
    baseline = reader.load_facts(BASELINE, 1_000_000)[-1]
    first = baseline.payload
    amounts = {key: Decimal(amount) for key, amount in first["amounts"].items()}
    expected = {key.removeprefix("spot:"): amount for key, amount in amounts.items() if key.startswith("spot:")}
    later = {fact.payload["trade_id"] for fact in reader.load_facts_after("fill", baseline.seq)}
    accepted = counted_trades(reader, baseline.seq)
    for fill in reader.load_fills(1_000_000):
        is_counted = fill.trade_id in later and (
            fill.at_ms > first["origin_ms"] or reader.load_order(fill.client_id or "") is not None
        )
        if ":" not in fill.symbol and is_counted and (fill.symbol, fill.trade_id) not in accepted:
            token = fill.symbol.split("/", 1)[0]
            expected[token] = expected.get(token, ZERO) + fill.size * fill.side.sign
            expected[fill.fee_asset] = expected.get(fill.fee_asset, ZERO) - fill.fee
    for fact in reader.load_facts("adjustment", 1_000_000):
        if fact.payload["key"].startswith("spot:"):
            token = fact.payload["key"].removeprefix("spot:")
            expected[token] = expected.get(token, ZERO) + Decimal(fact.payload["amount"])
    for fact in reader.load_facts("conversion", 1_000_000):
        found = fact.payload
        expected[found["was"]] = expected.get(found["was"], ZERO) - Decimal(found["taken"])
        expected[found["becomes"]] = expected.get(found["becomes"], ZERO) + Decimal(found["given"])
    anew = [fact.payload["amounts"] for fact in reader.load_facts_after(BASELINE, baseline.seq)]
    for token, amount in expected.items():
        has = held[token].total if token in held else ZERO
        rounded = sum((Decimal(amounts.get(f"spot:{token}", "0")) for amounts in anew), ZERO) / 10_000
        is_known = world.exchange.is_listed(f"{token}/USDT") or token not in world.is_strange
        is_compared = token != "USDT" and is_known
        if is_compared and abs(has - amount) > rounded + max(has, amount) / 10_000:
            world.violate("tokens add up", f"{token}: the exchange has {has}, the journal explains {amount}")


def _check_exits(world: World, life: Life, forgotten: Collection[str]) -> None:
    """A long, and a short that is no hedge, has an exit plan, and its stop rests at the exchange or it is being
    closed. One that orders opened which a restored journal does not know has its stop alone."""
    lost = {request.symbol for request in world.wire.sent if request.client_id in forgotten}
    memory = life.app.journal.reader.load_memory()
    exits = {held.symbol: held for held in memory.exits}
    for position in world.exchange.positions(ACCOUNT):
        is_hedge = position.size < 0 and position.symbol in memory.hedges
        if not position.size or is_hedge or position.symbol.split("/", 1)[0] in world.is_strange:
            continue
        plan = exits.get(position.symbol)
        if plan is None and position.symbol in lost:
            stops = [o for o in world.exchange.open_orders(ACCOUNT, position.symbol) if o.type is OrderType.STOP]
            if all(stop.size < abs(position.size) for stop in stops) and position.symbol not in memory.unguarded:
                world.violate("exits of a position", f"{position.symbol} {position.size}: no stop rests")
            continue
        if plan is None:
            world.violate("exits of a position", f"{position.symbol} {position.size} has none")
            continue
        stops = [o for o in world.exchange.open_orders(ACCOUNT, position.symbol) if o.type is OrderType.STOP]
        is_inside = (position.mark - plan.plan.stop_price) * plan.side.sign > 0
        if not plan.closing and not stops and is_inside:
            world.violate("exits of a position", f"{position.symbol} {position.size}: no stop rests")
