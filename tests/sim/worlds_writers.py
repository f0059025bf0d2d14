"""Money that leaves the account without a record of the venue: a theft, a wrong fee, a fault of the venue."""

from decimal import Decimal

from bot.domain.money import ZERO
from bot.simex.engine.ledger import DEPOSITS
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT

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


WORLDS = (CashVanishes,)
