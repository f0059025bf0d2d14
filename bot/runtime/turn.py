"""One turn without its reads and its writes: what is proposed, and what of it is allowed. Pure.

`propose` decides from what was read. The order books of the instruments it wants to trade, and the gate's own inputs,
are read after it; `judge` reviews the proposal with them. Cycle, guard, `plan`, `replay`, back-test and simulation run
these two functions and no others. The journal keeps `TurnInputs` as it is, so `repeat` gives the journaled plan again.
"""

from dataclasses import dataclass, replace

from bot.domain.money import decimal_context
from bot.domain.order import Order
from bot.domain.portfolio import Portfolio
from bot.domain.reason import Note, Reason
from bot.domain.states import KillLevel
from bot.domain.turn.decision import Decision, Verdict
from bot.domain.turn.inputs import TurnBooks, TurnInputs
from bot.execution.reconcile import Truth
from bot.journal.record import CycleRecord
from bot.playbook.book.portfolio import build_portfolio
from bot.playbook.book.universe import sectors_at
from bot.playbook.decide import close_early, decide, guard
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.orders.flatten import flatten
from bot.playbook.policy.numbers import Policy, Sectors
from bot.risk import Approved, Limits, Refused, fit_to_depth, review, shrink, tripped
from bot.runtime.risk_inputs import turn_risk

CYCLE, GUARD, EARLY_EXIT = "cycle", "guard", "early_exit"


@dataclass(frozen=True, slots=True)
class Numbers:
    """The settings that decide: playbook, sectors and the gate's limits. The playbook sizes by these limits."""

    policy: Policy
    sectors: Sectors
    limits: Limits

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", self.policy.sized_by(self.limits.sizing))


@dataclass(frozen=True, slots=True)
class Proposal:
    """The intents of playbook and kill switch, before order books are read."""

    inputs: TurnInputs
    portfolio: Portfolio
    decision: Decision

    @property
    def symbols(self) -> tuple[str, ...]:
        """The instruments to be traded, sorted: their order books are needed."""
        return tuple(sorted({intent.symbol for intent in self.decision.intents}))


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """What the turn does: the decision, one verdict per intent, and the breakers that stop entries. `inputs` are
    complete."""

    inputs: TurnInputs
    portfolio: Portfolio
    decision: Decision
    verdicts: tuple[Approved | Refused, ...]
    breakers: tuple[Note, ...]

    @property
    def approved(self) -> tuple[Approved, ...]:
        return tuple(verdict for verdict in self.verdicts if isinstance(verdict, Approved))


def propose(inputs: TurnInputs, numbers: Numbers, cache: SignalCache | None = None) -> Proposal:
    """What is wanted: the whole playbook in a cycle, exits and hedges in a guard, of which an early exit takes what
    closes the perps that were asked about; only the sales of a flatten while the kill switch asks for one; small first
    orders after a start. `cache` saves a bot that decides again and again time.
    """
    policy, sectors, memory, snapshot = numbers.policy, numbers.sectors, inputs.memory, inputs.snapshot
    with decimal_context():
        signals = cache or SignalCache()
        held = [asset for asset, balance in inputs.account.balances.items() if balance.total > 0]
        sectors = sectors_at(sectors, snapshot, signals, held)
        portfolio = build_portfolio(inputs.account, snapshot, memory, policy, sectors)
        if inputs.kind == CYCLE:
            decision = decide(snapshot, portfolio, memory, policy, sectors, inputs.working, signals, inputs.unseen)
        else:
            decision = guard(snapshot, portfolio, memory, policy, sectors, inputs.working, inputs.unseen)
        if inputs.kind == EARLY_EXIT:
            decision = close_early(decision, memory, inputs.early)
        if inputs.kill is KillLevel.FLATTEN:
            intents = flatten(
                snapshot,
                portfolio,
                memory.hedges,
                slice_share=policy.constants.flatten_slice,
                slippage=policy.constants.flatten_slippage,
            )
            decision = replace(decision, intents=intents, transfers=())
        elif inputs.is_canary:
            decision = replace(decision, intents=shrink(decision.intents, snapshot, numbers.limits))
    return Proposal(inputs, portfolio, decision)


def judge(proposal: Proposal, books: TurnBooks, numbers: Numbers) -> TurnPlan:
    """What is allowed of it: intents cut to the depth of their books, and the gate's verdict on each."""
    inputs, limits = replace(proposal.inputs, snapshot=books.snapshot, risk=books.risk), numbers.limits
    with decimal_context():
        intents = fit_to_depth(proposal.decision.intents, books.snapshot, limits)
        decision = replace(proposal.decision, intents=intents)
        tokens = numbers.sectors.tokens
        context = turn_risk(books.risk, books.snapshot, proposal.portfolio, inputs.working, decision.memory, tokens)
        verdicts, breakers = review(intents, context, limits), tripped(context, limits)
    return TurnPlan(inputs, proposal.portfolio, decision, tuple(verdicts), tuple(breakers))


def stopped_entries(plan: TurnPlan, truth: Truth) -> list[Order]:
    """Resting purchases that what stops entries withdraws. Equity that is not known is no loss: one row that cannot be
    read costs its own instrument alone what rests, and the others only what they have not begun."""
    resting = [order for order in truth.working if order.is_resting_entry]
    reasons = {note.reason for note in plan.breakers}
    if reasons - {Reason.EQUITY_UNKNOWN} or not truth.is_agreed:
        return resting
    return [order for order in resting if reasons and order.symbol in truth.locked]


def repeat(inputs: TurnInputs, numbers: Numbers) -> TurnPlan:
    """The plan of complete inputs, such as those of a record. Raises ValueError where the gate's are missing."""
    return judge(propose(inputs, numbers), inputs.books, numbers)


def record_of(plan: TurnPlan, number: int, config_digest: str) -> CycleRecord:
    """The turn as the journal keeps it."""
    verdicts = tuple(verdict_of(verdict) for verdict in plan.verdicts)
    return CycleRecord(number, plan.inputs, plan.decision, verdicts, config_digest)


def verdict_of(answer: Approved | Refused) -> Verdict:
    """The gate's answer as the journal keeps it."""
    if isinstance(answer, Approved):
        return Verdict(answer.intent.id, True, answer.size)
    return Verdict(answer.intent.id, False, note=answer.note)
