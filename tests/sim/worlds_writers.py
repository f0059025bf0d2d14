"""Money that leaves the account without a record of the venue, and orders of others under ids of ours."""

from decimal import Decimal
from typing import Any

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import OrderType
from bot.domain.symbol import is_perp
from bot.journal.schema import NEVER_CAME_TO_BE
from bot.ports import OrderRequest
from bot.simex.engine.ledger import DEPOSITS
from bot.simex.engine.refusal import Refusal
from bot.simex.engine.types import NewOrder
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT, true_order

SHARES = (Decimal("0.03"), Decimal("0.1"), Decimal("0.3"))


class CashVanishes(Disturbance):
    """A part of the free spot cash is gone, more than the bound that is adjusted without asking."""

    async def act(self) -> None:
        if not self.plan.strikes(Kind.CASH_VANISHES):
            return
        state = self.exchange._state
        account = state.account(ACCOUNT)
        share = self.plan.choose(Kind.CASH_VANISHES, SHARES)
        amount = min(state.free(account, "USDT"), Decimal(100_000) * share)
        if amount > ZERO:
            state.ledger.move("USDT", account.spot, DEPOSITS, amount)
            self.world.note(f"{amount} USDT vanish")


class IdUsedAgain(Disturbance):
    """Somebody's order executes under a client id that the journal knows: the id of an order that is over, which some
    venues take again, or of one that was refused. `used`: those ids, with the moment and whether the journal still knew
    them."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.used: dict[str, float] = {}

    async def act(self) -> None:
        if self.plan.strikes(Kind.ID_USED_AGAIN):
            self.use(Kind.ID_USED_AGAIN)

    def use(self, kind: Kind, *, is_undone: bool = False) -> None:
        """Execute under an id that is over; `is_undone`: a perp's, and the same size is traded back at once."""
        plan, checkers = self.plan, self.chaos._checkers
        known = [r for r in self.world.wire.sent if r not in self.world.wire.under_way and self._is_over(r)]
        known = [r for r in known if r.client_id not in checkers.forgotten and (not is_undone or is_perp(r.symbol))]
        if not known:
            return
        ours = plan.choose(kind, known[-10:])
        instrument = self.exchange.instruments[ours.symbol]
        size = max(instrument.size_min, instrument.size_for(Decimal(plan.count(kind, 20, 400)), self._price(ours)))
        order = NewOrder(ours.symbol, ours.side, OrderType.MARKET, size, client_id=ours.client_id)
        token = ours.symbol.split("/", 1)[0]
        is_strange, checkers.is_stranger_at_work = token in self.world.is_strange, True
        self.world.is_strange.add(token)
        try:
            placed = self.exchange.place(ACCOUNT, order)
        except Refusal as refusal:
            self.world.note(f"a stranger is refused under our id {ours.client_id}: {refusal.reason}")
            if not is_strange:
                self.world.is_strange.discard(token)
            return
        finally:
            checkers.is_stranger_at_work = False
        self.world.note(f"a stranger {ours.side}s {placed.filled_size} {ours.symbol} under our id {ours.client_id}")
        self.world.used_again.add((ours.symbol, placed.id))
        if placed.filled_size:
            self.used[ours.client_id] = self.world.loop.time()
        if placed.filled_size and is_undone:
            back = Side.SELL if ours.side is Side.BUY else Side.BUY
            self.exchange.place(ACCOUNT, NewOrder(ours.symbol, back, OrderType.MARKET, placed.filled_size))

    def _is_over(self, request: OrderRequest) -> bool:
        """Its end is written for certain, and nothing of it may still arrive. Of an order that was given up as never
        having been the bot takes a late execution for its own: nothing in an execution says otherwise."""
        reader = self.chaos._checkers._reader
        written, true = (
            reader.load_order(request.client_id),
            true_order(self.exchange, request.symbol, request.client_id),
        )
        is_late = self.world.now_ms() > request.stamp_ms + request.receive_window_ms + 60_000
        is_over = written is not None and not written.state.is_live and (true is None or not true.is_open)
        is_over = is_over and written is not None and not written.reason.startswith(NEVER_CAME_TO_BE)
        return is_late and is_over and request.trigger_price is None and self.exchange.is_open(request.symbol)

    def _price(self, request: OrderRequest) -> Decimal:
        return self.exchange.quote(request.symbol).mid


WORLDS = (CashVanishes, IdUsedAgain)
