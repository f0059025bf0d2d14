"""The resume request of an operator to a running daemon: a small file that the daemon consumes."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.atomic_file import read_beginning, write_atomically
from bot.domain.states import KillLevel
from bot.runtime.health.healthcheck import find_running
from bot.runtime.kill.flag_file import FlagFile

RESUME_NAME = "RESUME"
CONFIRM_SECONDS = 5.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """An operator's request to resume. `accept_mismatch`: the account is right where the books differ;
    `rebase_peak`: the peak that the drawdown is measured from begins anew."""

    reason: str
    by: str = "operator"
    accept_mismatch: bool = False
    rebase_peak: bool = False


class ResumeFile:
    """How `sectorbot resume` reaches a running daemon, the journal's only writer: a file that it consumes."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / RESUME_NAME

    def load(self) -> ResumeRequest | None:
        """The request; None when there is none, or one that gives no reason."""
        try:
            result = json.loads(read_beginning(self.path).decode())
            reason, by, accepts = str(result["reason"]).strip(), str(result["by"]).strip(), result["accept_mismatch"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        rebases = result.get("rebase_peak") is True
        return ResumeRequest(reason, by, accepts is True, rebases) if reason and by else None

    def record(self, request: ResumeRequest) -> None:
        """Write it in one step."""
        write_atomically(self.path, json.dumps(asdict(request)))

    def written_at(self) -> float:
        """When the request was written, in seconds since 1970; 0 when there is none."""
        try:
            return self.path.stat().st_mtime
        except OSError:
            return 0.0

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def request(self, request: ResumeRequest) -> bool:
        """Write it and wait until the daemon has consumed it, whatever it answered; False when it does not in time.

        The file lives no longer than the question, so that it cannot release a switch that was thrown later.
        """
        self.record(request)
        deadline = time.monotonic() + CONFIRM_SECONDS
        try:
            while self.path.exists() and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            return not self.path.exists()
        finally:
            self.remove()


def request_from_daemon(directory: Path, request: ResumeRequest) -> KillLevel | None:
    """Ask a daemon that runs; the level it was at when it consumed the request, None when there is none or no answer.

    The flag file goes first: an operator who resumes has taken the hand off the switch.
    """
    health = find_running(directory)
    level = health.get("kill") if health else None
    if level not in set(KillLevel) - {KillLevel.OFF}:
        return None
    FlagFile(directory).remove()
    return KillLevel(level) if ResumeFile(directory).request(request) else None
