"""The daemon process: `bot.runtime.daemon` over `bot.runtime.wiring`, told where its exchange is, and when to die.

`python -m tests.soak.daemon LIFE.json` with {"world", "directory", "assignments", "trap", "once"}; `world` is the
exchange's first line. A trap is {"method", "nth", "when", "signal"}: at the nth call of that method of the journal or
the venue the process sends itself the signal, before or after the call.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
from sqlite_utils import Database

from bot.domain.instrument import Kind
from bot.domain.market import Tvl
from bot.domain.order import Order
from bot.journal.journal import Journal
from bot.runtime import daemon, logs
from bot.runtime.start import attempts as start_attempts
from bot.runtime.wiring import build
from bot.simex.server import ApiKey
from bot.simex.tls import loopback_session
from bot.venues.ccxt.venue import CcxtVenue
from tests.feeds.static_sources import StaticMacro
from tests.soak.clock import SharedClock
from tests.soak.exchange import soak_settings

_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class NoTvl:
    """Nobody counts what is locked here; the soak sets the condition itself."""

    async def fetch_tvl(self, names: Sequence[str]) -> Mapping[str, Tvl]:
        return {}


class Remote:
    """An exchange in another process, which lasts as long as the journal does. A `SimulatorControl`."""

    identity = ""

    def __init__(self, world: Mapping[str, Any]) -> None:
        self.clock = SharedClock.of(world["clock"])
        self.keys = [ApiKey(*key) for key in world["keys"]]
        self.tvl = NoTvl()
        self.macro = StaticMacro(())
        self._port, self._ca = int(world["https_port"]), Path(world["ca"])

    @property
    def key(self) -> ApiKey:
        return self.keys[0]

    def key_of(self, kind: Kind) -> ApiKey:
        """One account trades both markets, or one spot and one perps."""
        return self.keys[-1] if kind is Kind.PERP else self.keys[0]

    def session(self) -> aiohttp.ClientSession:
        return loopback_session(self._port, self._ca)

    async def stop(self) -> None:
        """It belongs to somebody else."""


def set_trap(trap: Mapping[str, Any]) -> None:
    """Make the nth call of a method the last one."""
    owner: Any = Journal if hasattr(Journal, trap["method"]) else CcxtVenue
    original, left = getattr(owner, trap["method"]), [int(trap["nth"])]

    async def trapped(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        is_last = left[0] == 0  # others may be called meanwhile
        if is_last and trap["when"] == "before":
            os.kill(os.getpid(), trap["signal"])
        answer = await original(*args, **kwargs)
        if is_last and trap["when"] == "after":
            os.kill(os.getpid(), trap["signal"])
        return answer

    setattr(owner, trap["method"], trapped)


def spoil_disk(disk: Mapping[str, Any]) -> None:
    """The journal's disk fails once orders are sent: `full` lets it grow by so many pages, `file` lets every file grow
    to so many bytes, `read-only` refuses the nth write after the first order."""
    if disk["kind"] == "file":
        resource.setrlimit(resource.RLIMIT_FSIZE, (disk["bytes"], disk["bytes"]))
        return
    original, left = Journal._write_submitting, [int(disk["nth"])]

    def write(journal: Journal, db: Database, order: Order, decided: Decimal | None) -> None:
        left[0] -= 1
        if left[0] == 0 and disk["kind"] == "full":
            pages = db.execute("PRAGMA page_count").fetchone()[0]
            db.execute(f"PRAGMA max_page_count = {pages + disk['pages']}")
        elif left[0] == 0:
            db.execute("PRAGMA query_only = ON")
        original(journal, db, order, decided)

    setattr(Journal, "_write_submitting", write)  # noqa: B010


def main() -> int:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
    life = json.loads(Path(sys.argv[1]).read_text())
    logs.configure(style="json", level="info", secrets=[secret for _, secret, _ in life["world"]["keys"]])
    settings = soak_settings(Path(life["directory"]), *life["assignments"])
    if life.get("trap"):
        set_trap(life["trap"])
    if life.get("disk"):
        spoil_disk(life["disk"])
    with patch.object(start_attempts, "build", partial(build, embedded=Remote(life["world"]))):
        return daemon.run_daemon(settings, once=life.get("once", False))


if __name__ == "__main__":
    sys.exit(main())
