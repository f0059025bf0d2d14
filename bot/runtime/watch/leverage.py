"""Sets the leverage of an open position back to what the bot had set, where the venue takes it (PLAYBOOK §7)."""

from collections.abc import Callable
from decimal import Decimal

from bot.domain.campaign import Memory
from bot.domain.portfolio import Account
from bot.domain.reason import Note, Reason
from bot.domain.states import KillLevel
from bot.execution.executor import Executor
from bot.journal.journal import Journal
from bot.ports import Rejection, Venue, VenueRejected

AGAIN_MS = 60_000
AGAIN_AFTER_REFUSAL_MS = 900_000


class LeverageWatch:
    """Sends the leverage that memory names for positions that stand at another. An attempt is a fact before it is sent;
    a refused one is made again after fifteen minutes, an unanswered one after one."""

    def __init__(
        self, venue: Venue, journal: Journal, executor: Executor, *, kill_level: Callable[[], KillLevel]
    ) -> None:
        self._venue, self._journal, self._executor, self._kill_level = venue, journal, executor, kill_level
        self._next_ms: dict[tuple[str, Decimal], int] = {}

    async def set_right(self, memory: Memory, account: Account) -> tuple[Note, ...]:
        """Every position of `memory.leverage_wrong`, once. Whether it took effect, the next account shows.

        Raises:
            JournalError: the attempt cannot be written down; it was not sent.
        """
        notes = []
        for symbol in sorted(memory.leverage_wrong):
            position, required = account.positions.get(symbol), memory.leverages.get(symbol)
            if position is None or position.leverage is None or required is None or position.leverage == required:
                continue
            if self._kill_level().severity > KillLevel.REDUCE_ONLY.severity:
                break
            now_ms, key = self._venue.now_ms(), (symbol, position.leverage)
            if now_ms < self._next_ms.get(key, 0):
                continue
            payload = {"symbol": symbol, "leverage": str(required), "reported": str(position.leverage)}
            ending, why, wait_ms = await self._send(symbol, required, payload)
            self._next_ms[key] = now_ms + wait_ms
            await self._journal.record_fact(ending, payload | ({"why": why} if why else {}))
            message = f"{symbol}: leverage {position.leverage} set back to {required}"
            if why:
                message = f"{symbol}: leverage {position.leverage} is not set back to {required}: {why}"
            notes.append(Note(Reason.LEVERAGE_DIFFERS, message, symbol, {"leverage": str(required)}))
        return tuple(notes)

    async def _send(self, symbol: str, wanted: Decimal, payload: dict[str, str]) -> tuple[str, str, int]:
        await self._journal.record_fact("leverage_sent", payload)
        try:
            async with self._executor.write_deadline():
                await self._venue.set_leverage(symbol, wanted)
        except VenueRejected as refusal:
            if refusal.kind is not Rejection.NO_CHANGE:
                return "leverage_refused", str(refusal), AGAIN_AFTER_REFUSAL_MS
        except Exception as error:  # noqa: BLE001 - the next account shows whether it has happened
            return "leverage_in_doubt", str(error) or repr(error), AGAIN_MS
        return "leverage_done", "", AGAIN_MS
