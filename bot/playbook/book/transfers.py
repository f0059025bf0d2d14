"""Whose money the perp wallet holds, and whether a transfer has happened (PLAYBOOK §2).

A futures sleeve is capital: `Memory.labels` divides the perp wallet between sectors. Fees, funding and profit move the
wallet without moving a label, so every reading spreads the difference over the labels in proportion.

A transfer is asked for once, with the wallet's balance of that moment written down in the tranche. It has happened when
the wallet is nearer to "that balance plus the transfer" than to that balance. So a crash neither repeats nor loses it:
before the request nothing shows and it is asked for again, after the request the wallet shows it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from bot.domain.campaign import Memory, Tranche, Transfer
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import ZERO
from bot.domain.portfolio import Account
from bot.domain.states import TrancheState
from bot.playbook.policy.numbers import Policy, sectors_of


def settle_transfer(memory: Memory, account: Account) -> Memory:
    """Memory with the transfer under way marked as done, and the labels moved, when the perp wallet shows it."""
    tranche = running_tranche(memory)
    if tranche is None or tranche.transfer_level is None or tranche.transfers_done >= len(tranche.transfers):
        return memory
    transfer = tranche.transfers[tranche.transfers_done]
    change = account.perp_wallet - tranche.transfer_level
    required = transfer.amount if transfer.to_perp else -transfer.amount
    if abs(change - required) >= abs(change):
        return memory
    return finish_transfer(memory, transfer)


def finish_transfer(memory: Memory, transfer: Transfer, *, moves_labels: bool = True) -> Memory:
    """Memory after the running tranche's next transfer; without `moves_labels` it was given up.

    Raises:
        ValueError: no tranche is running.
    """
    tranche = running_tranche(memory)
    if tranche is None or memory.campaign is None:
        raise ValueError("there is no running tranche whose transfer could be finished")
    done = replace(tranche, transfers_done=tranche.transfers_done + 1, transfer_level=None, transfer_sent_ms=0)
    tranches = tuple(done if t.index == tranche.index else t for t in memory.campaign.tranches)
    labels = _moved(memory.labels, transfer) if moves_labels else memory.labels
    return replace(memory, campaign=replace(memory.campaign, tranches=tranches), labels=labels)


def _moved(labels: Mapping[str, Decimal], transfer: Transfer) -> dict[str, Decimal]:
    result = dict(labels)
    sign = 1 if transfer.to_perp or transfer.source else -1
    result[transfer.sector] = result.get(transfer.sector, ZERO) + sign * transfer.amount
    if transfer.source:
        result[transfer.source] = result.get(transfer.source, ZERO) - transfer.amount
    return result


def running_tranche(memory: Memory) -> Tranche | None:
    """The tranche at work, None when the campaign waits or is over."""
    campaign = memory.campaign
    if campaign is None or campaign.is_over:
        return None
    current = campaign.current
    return current if current is not None and current.state is TrancheState.RUNNING else None


def read_labels(memory: Memory, account: Account, policy: Policy) -> Mapping[str, Decimal]:
    """Capital of the perp wallet by sector. Adds up to `perp_wallet`, except in a unified wallet: there the labels are
    all there is, limited by the cash."""
    known = settle_transfer(memory, account).labels
    pot = max(ZERO, account.perp_wallet)
    if account.is_unified:
        pot = min(sum(known.values(), ZERO), max(ZERO, account.cash))
    return _spread(known, pot, _futures_weights(policy))


def first_labels(cash: Decimal, book: Decimal, policy: Policy) -> Mapping[str, Decimal]:
    """The futures sleeves of a unified wallet that has no labels yet: their neutral shares of the book, as far as its
    cash beyond the reserve goes."""
    weights = _futures_weights(policy)
    pot = min(sum(weights.values(), ZERO) * book, max(ZERO, cash - policy.allocation.reserve_quote))
    return _spread({}, pot, weights)


def _futures_weights(policy: Policy) -> dict[str, Decimal]:
    return {
        name: policy.allocation.neutral.get(f"{name}.futures", ZERO) for name in sectors_of(policy.allocation.neutral)
    }


def _spread(labels: Mapping[str, Decimal], pot: Decimal, weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    names = tuple(dict.fromkeys((*weights, *labels)))
    base = {name: max(ZERO, labels.get(name, ZERO)) for name in names}
    if sum(base.values(), ZERO) == pot:
        return base
    if not any(base.values()):
        base = {name: weights.get(name, ZERO) for name in names}
    total = sum(base.values(), ZERO)
    if not total or not names:
        return base
    spread = {name: pot * part / total for name, part in base.items()}
    largest = max(names, key=lambda name: spread[name])
    spread[largest] += pot - sum(spread.values(), ZERO)
    return spread


def wallet_names(instruments: Iterable[Instrument]) -> tuple[str, str]:
    """What the spot and the perp wallet are called: by their venues, where those are two."""
    venues: dict[Kind, set[str]] = {kind: set() for kind in Kind}
    for instrument in instruments:
        venues[instrument.kind].add(instrument.venue)
    (spot, *_), (perp, *_) = (sorted(venues[kind]) or [""] for kind in (Kind.SPOT, Kind.PERP))
    if spot == perp or not spot or not perp:
        return "the spot wallet", "the perp wallet"
    return f"spot at {spot}", f"perps at {perp}"


def free_margin(account: Account) -> Decimal:
    """Quote money that can become margin now."""
    return max(ZERO, account.cash_free if account.is_unified else account.perp_free)
