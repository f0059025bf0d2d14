"""The account at prices, journaled every quarter of an hour and at the first cycle of a day.

Profit, loss and charts are read from it when the snapshots of that time are gone."""

from dataclasses import replace

from bot.domain.codec import decode, encode
from bot.domain.durations import DAY_MS, MINUTE_MS
from bot.domain.turn.valuation import VALUATION, Valuation
from bot.execution.reconcile import Truth
from bot.execution.unknown_outcomes import UNKNOWN_OUTCOME_STATES
from bot.journal.journal import Journal
from bot.playbook.book.valuation import value_account
from bot.playbook.policy.membership import Sectors
from bot.runtime.turn import CYCLE, Numbers, TurnPlan

VALUATION_EVERY_MS = 15 * MINUTE_MS


async def record_valuation(journal: Journal, plan: TurnPlan, truth: Truth, numbers: Numbers) -> None:
    """Journal what the account was worth, unless the last time is less than a quarter of an hour ago.

    Nothing is written while journal and account differ: that would read as a gain or a loss. Nor while the outcome of
    an order is unknown: what its fill and what else came in meanwhile is in the account and not in the books, and would
    count twice once it is booked. A holding that counted
    before and has no price holds it back for a day at most; after that its market has ended, and valuations name it as
    unpriced. So they do from the first one on where the venue does not list it.

    Raises:
        JournalError: the journal failed.
    """
    inputs, account, sectors = plan.inputs, truth.account, numbers.sectors
    if inputs.kind != CYCLE or not truth.is_agreed or account.unreadable:
        return
    if any(order.state in UNKNOWN_OUTCOME_STATES for order in truth.working):
        return
    last = journal.reader.load_facts(VALUATION, limit=1)
    before = decode(Valuation, last[0].payload) if last else None
    age_ms = account.at_ms - before.at_ms if before is not None else 0
    if before is not None and account.at_ms // DAY_MS == before.at_ms // DAY_MS and age_ms < VALUATION_EVERY_MS:
        return
    if age_ms < DAY_MS and any(_is_awaited(asset, before, plan, sectors) for asset in plan.portfolio.unpriced):
        return
    decision = plan.decision
    value = value_account(account, inputs.snapshot, sectors, decision.condition.value)
    value = replace(value, stance=decision.stance.value, neutral=numbers.policy.allocation.neutral_spot)
    await journal.record_fact(VALUATION, encode(value))


def _is_awaited(asset: str, before: Valuation | None, plan: TurnPlan, sectors: Sectors) -> bool:
    """Whether a holding without a price is expected to have one again."""
    if before is None:
        return asset in sectors.tokens and sectors.spot(asset) in plan.inputs.snapshot.instruments
    return asset in before.spot or (asset in sectors.tokens and asset not in before.unpriced)
