"""What the command's exit codes mean: the one list that `--help` and the documentation print."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Stable across versions: scripts and supervisors may rely on them."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_RUNNING = 3
    TIMEOUT = 5
    KILLED = 10
    MISMATCH = 11
    CONFIGURATION = 78

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    ExitCode.OK: "done",
    ExitCode.ERROR: "an error, said in one line; for healthcheck: running, but a part of it is late",
    ExitCode.USAGE: "the command line was not understood",
    ExitCode.NOT_RUNNING: "no daemon runs on this state directory, or it has no journal",
    ExitCode.TIMEOUT: "the venue or the daemon did not answer in time",
    ExitCode.KILLED: "the kill switch is engaged",
    ExitCode.MISMATCH: "journal and exchange do not agree",
    ExitCode.CONFIGURATION: "the configuration cannot be used; every problem is listed with its place",
}


class CommandFailed(Exception):
    """A command cannot do what was asked: one sentence, and the exit code where it is not 1."""

    def __init__(self, message: str, code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__(message)
        self.code = code
