"""Deposits and withdrawals of the spot wallet, each with its states: they complete later than they begin."""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from bot.domain.money import ZERO
from bot.simex.engine.ledger import DEPOSITS
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.state import State


class FlowState(StrEnum):
    """States of a deposit or withdrawal."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Flow:
    """One deposit, or one withdrawal with its fee. A withdrawal has left the wallet while it is pending."""

    id: int
    account: str
    asset: str
    amount: Decimal
    is_deposit: bool
    state: FlowState
    begun_ms: int
    ended_ms: int = 0
    fee: Decimal = ZERO


class Flows:
    """All of them, by number."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[int, Flow] = {}

    def of(self, account: str, *, is_deposit: bool) -> tuple[Flow, ...]:
        """Those of an account, oldest first."""
        result = (flow for flow in self._known.values() if flow.account == account and flow.is_deposit is is_deposit)
        return tuple(result)

    def every(self) -> tuple[Flow, ...]:
        """All of them, oldest first."""
        return tuple(self._known.values())

    def put(self, flow: Flow) -> None:
        """A flow as it was stored."""
        self._known[flow.id] = flow

    def begin_deposit(self, account: str, asset: str, amount: Decimal) -> int:
        """A deposit is on its way; the wallet has it when it is done."""
        return self._begin(account, asset, amount, is_deposit=True, fee=ZERO)

    def begin_withdrawal(self, account: str, asset: str, amount: Decimal, fee: Decimal = ZERO) -> int:
        """Amount and fee leave the wallet at once.

        Raises:
            Refusal: not so much is free (INSUFFICIENT_BALANCE).
        """
        held = self._state.account(account)
        free = self._state.ledger.held(held.spot, asset) - held.locked.get(asset, ZERO)
        if free < amount + fee:
            raise Refusal(RefusalReason.INSUFFICIENT_BALANCE, f"{free} {asset} are free")
        self._state.ledger.move(asset, held.spot, DEPOSITS, amount + fee)
        return self._begin(account, asset, amount, is_deposit=False, fee=fee)

    def end(self, number: int, *, done: bool = True) -> None:
        """A deposit that is done comes in; a withdrawal that fails comes back."""
        flow = self._known[number]
        if flow.is_deposit is done:
            spot = self._state.account(flow.account).spot
            self._state.ledger.move(flow.asset, DEPOSITS, spot, flow.amount + flow.fee)
        state = FlowState.DONE if done else FlowState.FAILED
        self._known[number] = replace(flow, state=state, ended_ms=self._state.now_ms)

    def _begin(self, account: str, asset: str, amount: Decimal, *, is_deposit: bool, fee: Decimal) -> int:
        number = len(self._known) + 1
        self._known[number] = Flow(
            number, account, asset, amount, is_deposit, FlowState.PENDING, self._state.now_ms, fee=fee
        )
        return number
