"""Moves money where a decision says so: cash between the wallets, margin to a position.

Every move is a fact in the journal before it is sent. None is repeated here: what it has done, the next account shows.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from bot.domain.campaign import Transfer
from bot.domain.money import ZERO
from bot.domain.reason import Note, Reason
from bot.domain.states import KillLevel
from bot.execution.executor import Executor
from bot.execution.reconcile import Truth
from bot.journal.journal import Journal
from bot.ports import Venue, VenueRejected


class MoneyMoves:
    """Sends what one decision moves. The level of the kill switch is asked before each move. Raises JournalError."""

    def __init__(
        self, venue: Venue, journal: Journal, executor: Executor, *, kill_level: Callable[[], KillLevel]
    ) -> None:
        self._venue, self._journal, self._executor, self._kill_level = venue, journal, executor, kill_level

    async def move_cash(self, transfers: Sequence[Transfer], kill: KillLevel, truth: Truth) -> tuple[Note, ...]:
        """Move cash between the wallets. Whether a transfer has happened is read off the wallets by the next decision,
        so one that ends in doubt only needs to be given the quiet period before it is looked at again."""
        if kill is not KillLevel.OFF or not truth.is_agreed:
            return ()
        notes, venue, journal = [], self._venue, self._journal
        for transfer in transfers:
            if transfer.amount == ZERO or self._kill_level() is not KillLevel.OFF:
                continue
            payload = {"amount": str(transfer.amount), "to_perp": transfer.to_perp, "sector": transfer.sector}
            await journal.record_fact("transfer_sent", payload)
            try:
                async with self._executor.write_deadline():
                    await venue.move_cash(transfer.amount, to_perp=transfer.to_perp)
                ending = "transfer_done"
            except VenueRejected as error:
                ending, payload = "transfer_rejected", payload | {"why": str(error)}
            except Exception as error:  # noqa: BLE001 - whatever is not recognised may have happened
                ending, payload = "transfer_in_doubt", payload | {"why": str(error) or repr(error)}
            await journal.record_fact(ending, payload)
            where = "spot → perp wallet" if transfer.to_perp else "perp → spot wallet"
            notes.append(
                Note(
                    Reason.TRANSFER_NEEDED,
                    f"{where}: {transfer.amount} {truth.account.quote}, {ending.removeprefix('transfer_')}",
                    transfer.sector,
                    {"amount": str(transfer.amount), "moved": "yes" if ending == "transfer_done" else ""},
                )
            )
            if ending == "transfer_in_doubt":
                await asyncio.sleep(venue.quiet_period_ms / 1000)
        return tuple(notes)

    async def top_up(self, amounts: Mapping[str, Decimal]) -> tuple[Note, ...]:
        """Add margin to positions whose liquidation came too near. The next account shows it."""
        notes = []
        for symbol, amount in amounts.items():
            if self._kill_level().severity > KillLevel.REDUCE_ONLY.severity:
                break
            payload = {"symbol": symbol, "amount": str(amount)}
            await self._journal.record_fact("margin_sent", payload)
            try:
                async with self._executor.write_deadline():
                    await self._venue.move_margin(symbol, amount)
                ending = "margin_done"
            except Exception as error:  # noqa: BLE001 - the next account shows whether it has happened
                ending, payload = "margin_failed", payload | {"why": str(error) or repr(error)}
            await self._journal.record_fact(ending, payload)
            message = (
                f"{symbol}: margin topped up by {amount}" if ending == "margin_done" else f"{symbol}: {payload['why']}"
            )
            notes.append(Note(Reason.LIQUIDATION_NEAR, message, symbol, {"amount": str(amount)}))
        return tuple(notes)
