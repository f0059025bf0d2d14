"""Between two lives the journal is an earlier copy of itself, put in place as the README says, or it is gone."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

from bot.journal.disk.backup import back_up
from bot.journal.errors import JournalError
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT

COPIED = 0.08  # part of the moments at which somebody takes a copy
COPIES_MAX = 8


class JournalIsOlder(Disturbance):
    """An operator restores a copy, or starts without a journal, and accepts the account some time later."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._copies: list[Path] = []

    async def act(self) -> None:
        plan, path = self.plan, self.world.journal_path
        if Kind.JOURNAL_RESTORED not in plan.kinds or plan.between(Kind.JOURNAL_RESTORED, 0, 1) > COPIED:
            return
        if len(self._copies) >= COPIES_MAX or not path.is_file():
            return
        copy = self.world.directory / f"copy-{len(self._copies)}.db"
        try:
            back_up(path, copy)
        except JournalError as error:  # nothing to copy yet
            message = str(error).replace(f"{self.world.directory}/", "")  # a trace names no path of this machine
            self.world.note(f"no copy: {message}")
            return
        self._copies.append(copy)
        self.world.note(f"the journal is copied to {copy.name}")

    async def between_lives(self) -> None:
        """At most one of the two. The one who does it needs minutes to hours."""
        plan, world = self.plan, self.world
        if not world.journal_path.is_file():
            return
        if self._copies and plan.strikes(Kind.JOURNAL_RESTORED):
            copy = plan.choose(Kind.JOURNAL_RESTORED, self._copies)
            await self._put_in_place(Kind.JOURNAL_RESTORED, copy)
        elif plan.strikes(Kind.JOURNAL_LOST):
            await self._put_in_place(Kind.JOURNAL_LOST, None)

    async def _put_in_place(self, kind: Kind, copy: Path | None) -> None:
        world, path = self.world, self.world.journal_path
        for end in ("", "-wal", "-shm", ".substitute", ".substitute-wal", ".substitute-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        world.forget_copy()
        if copy is not None:
            shutil.copy(copy, path)
        world.note(f"{kind.value}: {copy.name if copy else 'nothing'}")
        self.chaos._checkers.journal_replaced()
        world.hooks.journal_replaced()
        await asyncio.sleep(self.plan.between(kind, 300, 7_200))
        self._withdraw_nameless()
        world.loop.call_later(self.plan.between(kind, 60, 14_400), self._accept)

    def _withdraw_nameless(self) -> None:
        """As docs/venues/bingx.md asks: stops without a client id, which no older journal can know, would
        hold what new ones could reduce."""
        for order in self.exchange.open_orders(ACCOUNT, is_trigger=True):
            if order.client_id in self.chaos._checkers.forgotten and self.world.is_nameless(order):
                self.exchange.cancel(ACCOUNT, order.symbol, order_id=order.id)
                self.world.note(f"the operator withdraws the stop {order.client_id} of {order.symbol}")

    def _accept(self) -> None:
        """The operator's command, once a daemon runs that can serve it; before the end, the scenario accepts."""
        life = self.world.life
        if not self.plan.is_armed:
            return
        if life is None or life.doom.is_dead:
            self.world.loop.call_later(60, self._accept)
            return
        life.watch_switch()
        self.world.resume(accepts=True)
        self.world.note("the operator accepts the account")


WORLDS = (JournalIsOlder,)
