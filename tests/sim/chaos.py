"""What the exchange, the operator and strangers do while the bot runs: one task that wakes up at seeded moments."""

import asyncio
from dataclasses import replace
from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.instrument import Kind as MarketKind
from bot.domain.money import ZERO, floor_to
from bot.domain.order import OrderType
from bot.domain.order_ids import ClientOrderId
from bot.domain.states import KillLevel
from bot.journal.journal import Journal, JournalBusy, JournalError
from bot.simex.dialects.grids import is_written_in_digits
from bot.simex.engine.ledger import DEPOSITS
from bot.simex.engine.refusal import Refusal
from bot.simex.engine.rules import Rules, make_brackets
from bot.simex.engine.types import NewOrder
from tests.sim.checkers import Checkers
from tests.sim.faults import Kind
from tests.sim.market import NEW, OLD, RATIO, TOKENS, brackets_of, instruments, shifted
from tests.sim.wire import ACCOUNT, true_order
from tests.sim.world import CONDITIONS, Seam, World

LEVELS = (KillLevel.PAUSE, KillLevel.REDUCE_ONLY, KillLevel.CANCEL, KillLevel.CANCEL_ALL, KillLevel.FLATTEN)


class Chaos:
    """Events of one world. `heal` undoes what would keep a rotation from ending."""

    def __init__(self, world: World, checkers: Checkers) -> None:
        self._world, self._checkers = world, checkers
        self._plan, self._exchange = world.plan, world.exchange
        self._is_converted = False
        self._strangers_orders: list[tuple[str, str]] = []

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._world.chance.uniform(1, 60) * self._world.chance.choice([1, 1, 10]))
            self._exchange.advance(self._world.now_ms())
            self._market()
            self._strangers()
            await self._machine()
            self._people()
            await self._world.hooks.act()

    def heal(self) -> None:
        """The exchange is itself again: what is halted trades, filters and brackets are as they were."""
        self._exchange.advance(self._world.now_ms())
        for symbol, client_id in self._strangers_orders:
            self._withdraw(symbol, client_id)
        for symbol, instrument in instruments(renames=self._is_converted).items():
            if not self._exchange.is_listed(symbol):
                continue
            self._exchange.resume(symbol)
            now = self._exchange.instruments[symbol]
            # Sizes that were rounded to a coarser grid are still about; prices are off a coarser one by the market.
            self._exchange.replace_instrument(replace(instrument, size_step=now.size_step, size_min=now.size_min))
            if ":" in symbol:
                self._exchange.reset_brackets(symbol)
        self._world.hooks.heal()

    def _market(self) -> None:
        plan, exchange = self._plan, self._exchange
        if plan.strikes(Kind.HALT):
            symbol = self._any_symbol(Kind.HALT)
            exchange.halt(symbol)
            self._world.note(f"{symbol} is halted")
            self._world.loop.call_later(plan.between(Kind.HALT, 5, 900), self._resume, symbol)
        if plan.strikes(Kind.DELISTING):
            symbol = self._any_symbol(Kind.DELISTING)
            self._strange(symbol)
            exchange.delist(symbol)
            self._world.note(f"{symbol} is delisted")
        if plan.strikes(Kind.FILTER_CHANGE):
            symbol = self._any_symbol(Kind.FILTER_CHANGE)
            other = shifted(exchange.instruments[symbol], plan._chances[Kind.FILTER_CHANGE])
            if self._can_be_written(other):
                exchange.replace_instrument(other)
                self._world.note(f"{symbol} has other filters")
        if plan.strikes(Kind.BRACKET_CHANGE):
            symbol = plan.choose(Kind.BRACKET_CHANGE, [s for s in sorted(exchange.instruments) if ":" in s])
            table = brackets_of(Rules())[symbol]
            kept = table[plan.count(Kind.BRACKET_CHANGE, 0, 3) :]
            rows = tuple((str(one.notional_cap), one.leverage_max, str(one.maintenance_rate)) for one in kept)
            if exchange.is_listed(symbol):
                exchange.set_brackets(symbol, make_brackets(rows, kept[0].leverage_max))
        if plan.strikes(Kind.DELEVERAGING):
            self._deleverage()
        if self._world.renames and not self._is_converted and plan.strikes(Kind.CONVERSION):
            self._is_converted = True
            for token in (OLD, NEW):
                self._strange(f"{token}/USDT")
            exchange.convert(OLD, NEW, Decimal(RATIO))
            self._world.note(f"{OLD} is {NEW} now")

    def _resume(self, symbol: str) -> None:
        self._exchange.advance(self._world.now_ms())
        if self._exchange.is_listed(symbol):
            self._exchange.resume(symbol)

    def _deleverage(self) -> None:
        """The exchange closes part of a position of ours at mark."""
        held = self._exchange.positions(ACCOUNT)
        if not held:
            return
        position = self._plan.choose(Kind.DELEVERAGING, held)
        step = self._exchange.instruments[position.symbol].size_step
        size = floor_to(abs(position.size) * self._plan.choose(Kind.DELEVERAGING, [Decimal("0.3"), Decimal(1)]), step)
        if not size or not self._exchange.is_listed(position.symbol) or not self._exchange.is_open(position.symbol):
            return
        self._strange(position.symbol)
        self._exchange.deleverage(ACCOUNT, position.symbol, size, position.side)
        self._world.note(f"{position.symbol} is deleveraged by {size}")

    def _strangers(self) -> None:
        plan = self._plan
        for kind in (Kind.FOREIGN_ORDER, Kind.FOREIGN_TRADE, Kind.TWIN_ORDER):
            if plan.strikes(kind):
                self._foreign(kind)
        if plan.strikes(Kind.DEPOSIT):
            self._deposit()

    def _foreign(self, kind: Kind) -> None:
        """Somebody else's order: one that rests for a while, one that executes, or one of a twin of this bot."""
        plan, exchange, now_ms = self._plan, self._exchange, self._world.now_ms()
        symbol = self._any_symbol(kind)
        if not exchange.is_open(symbol):
            return
        side = plan.choose(kind, list(Side))
        quote = exchange.quote(symbol)
        instrument = exchange.instruments[symbol]
        is_resting = kind is not Kind.FOREIGN_TRADE
        away = Decimal("0.9") if side is Side.BUY else Decimal("1.1")
        price = instrument.nearest_price(quote.mid * (away if is_resting else Decimal(2) - away))
        size = max(instrument.size_min, instrument.size_for(Decimal(plan.count(kind, 20, 400)), quote.mid))
        client_id = f"web_{now_ms}"
        if kind is Kind.TWIN_ORDER:
            client_id = ClientOrderId(ACCOUNT, 40_000, 1, 1, now_ms % 46_000, 0).text
        self._strange(symbol)
        try:
            exchange.place(ACCOUNT, NewOrder(symbol, side, OrderType.LIMIT, size, price, client_id=client_id))
        except Refusal:
            return
        self._strangers_orders.append((symbol, client_id))
        self._world.note(f"a stranger {side}s {size} {symbol} at {price}")
        self._world.loop.call_later(plan.between(kind, 3, 300), self._withdraw, symbol, client_id)

    def _withdraw(self, symbol: str, client_id: str) -> None:
        self._exchange.advance(self._world.now_ms())
        order = true_order(self._exchange, symbol, client_id)
        if order is not None and order.is_open and self._exchange.is_listed(symbol):
            self._exchange.cancel(ACCOUNT, symbol, client_id=client_id)

    def _deposit(self) -> None:
        """Money or tokens come in, or money goes out."""
        plan, state = self._plan, self._exchange._state
        account = state.account(ACCOUNT)
        asset = plan.choose(Kind.DEPOSIT, ["USDT", "USDT", *TOKENS])
        amount = Decimal(plan.count(Kind.DEPOSIT, 10, 300))
        if asset != "USDT" and not self._exchange.is_listed(f"{asset}/USDT"):
            return
        if asset != "USDT":
            amount = floor_to(amount / self._exchange.quote(f"{asset}/USDT").mid, Decimal("0.0001"))
            self._strange(f"{asset}/USDT")
        elif plan.choose(Kind.DEPOSIT, [True, False]):
            amount = -min(amount, max(ZERO, state.free(account, asset)))
        state.ledger.move(asset, DEPOSITS, account.spot, amount)
        self._world.note(f"deposit of {amount} {asset}")

    async def _machine(self) -> None:
        plan, world = self._plan, self._world
        if plan.strikes(Kind.CLOCK_JUMP):
            world.clock_error_ms += plan.count(Kind.CLOCK_JUMP, -20_000, 20_000)
            world.note(f"the clock is off by {world.clock_error_ms} ms")
        if world.life is not None and not world.life.doom.is_dead and plan.strikes(Kind.SECOND_DAEMON):
            try:
                second = await Journal.open(
                    world.journal_path, account=ACCOUNT, now_ms=world.clock.now_ms, threaded=False
                )
            except JournalBusy:
                return
            except JournalError as error:
                world.violate("one writer", f"a second daemon met {error!r}")
                return
            await second.close()
            world.violate("one writer", "a second daemon opened the journal")

    def _people(self) -> None:
        plan, world = self._plan, self._world
        if plan.strikes(Kind.CONFIG_EDIT):
            if plan.choose(Kind.CONFIG_EDIT, [True, False]):
                world.condition = plan.choose(Kind.CONFIG_EDIT, CONDITIONS)
            else:
                world.limits["orders_per_minute_max"] = str(plan.choose(Kind.CONFIG_EDIT, [10, 20, 40]))
            world.write_user_file()
            world.note(f"configuration: {world.condition} {world.limits}")
        if plan.strikes(Kind.KILL):
            self.throw_switch(Kind.KILL)

    def throw_switch(self, kind: Kind) -> None:
        """Somebody asks the bot to stop, by signal or by file, and lets go of it within minutes."""
        plan, world, life = self._plan, self._world, self._world.life
        if life is None or life.doom.is_dead:
            return
        self._checkers.settle_level()
        level = plan.choose(kind, LEVELS)
        if plan.choose(kind, [True, False]):
            life.app.kill.engage(level, "operator")
        else:
            (world.directory / "KILL").write_text(f"{level.value}\n", encoding="utf-8")
            life.app.kill.poll()
        world.note(f"kill switch: {level.value}")
        self._checkers.switch_thrown(level)
        life.watch_switch()
        world.loop.call_later(plan.between(kind, 1, 120), self._let_go)

    def _let_go(self) -> None:
        self._world.resume(accepts=self._plan.choose(Kind.KILL, [True, False]))

    def _can_be_written(self, instrument: Instrument) -> bool:
        """Whether the venue has words for its grids. Where it has none, no market of it can have such a grid."""
        world = self._world
        is_by_digits = world.seam is Seam.WIRE and world.spoken_at(instrument.kind).writes_digits
        return instrument.kind is not MarketKind.PERP or not is_by_digits or is_written_in_digits(instrument)

    @property
    def traded(self) -> list[str]:
        """The symbols that are left, but for those of the market's own token."""
        return [symbol for symbol in sorted(self._exchange.instruments) if not symbol.startswith("BTC")]

    def _any_symbol(self, kind: Kind) -> str:
        return self._plan.choose(kind, self.traded)

    def _strange(self, symbol: str) -> None:
        """From now on the holdings of a token are not only ours."""
        self._world.is_strange.add(symbol.split("/", 1)[0])
