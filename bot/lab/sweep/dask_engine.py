"""Trials on a Dask cluster. Importing this module needs `distributed` (the extra `sweep`).

Workers read the directory of candles under the same path, and import the same version of this package.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import distributed

from bot.lab.sweep.trial import Trial, TrialResult, run_trial
from bot.runtime import logs
from bot.runtime.exit_codes import CommandFailed, ExitCode


class Cluster:
    """A connected scheduler with one worker at least."""

    def __init__(self, address: str, *, timeout_seconds: float) -> None:
        """Connect.

        Raises:
            CommandFailed: the address is none, nothing answers there in time, or no worker has joined it.
        """
        self._address = address
        library: Any = distributed  # half of its functions have types, and none of those that are called here
        self._as_completed = library.as_completed
        try:
            self._client = library.Client(address, timeout=timeout_seconds)
        except ValueError as error:
            raise CommandFailed(
                f"--scheduler {address}: is no address of a scheduler ({error}); write tcp://HOST:PORT", ExitCode.USAGE
            ) from error
        except OSError as error:  # a time-out is one
            raise CommandFailed(
                f"--scheduler {address}: no Dask scheduler answers there within {timeout_seconds:g} s; start one "
                "(`dask scheduler`), or correct the address",
                ExitCode.TIMEOUT,
            ) from error
        try:
            self._client.wait_for_workers(1, timeout=timeout_seconds)
        except TimeoutError as error:
            self._client.close()
            raise CommandFailed(
                f"--scheduler {address}: has no worker after {timeout_seconds:g} s; start one "
                f"(`dask worker {address}`)",
                ExitCode.TIMEOUT,
            ) from error

    def run(self, trials: Sequence[Trial]) -> Iterator[TrialResult]:
        """See `Engine`. A trial that the cluster has lost again and again is a failed one.

        Raises:
            CommandFailed: the scheduler has gone.
        """
        # Tried once more: what fails on one machine (a full disk, a directory that is not mounted) may pass on another.
        futures = {self._client.submit(_run_quietly, trial, pure=False, retries=1): trial for trial in trials}
        for future in self._as_completed(list(futures)):
            if future.status == "finished":
                yield future.result()
            elif future.status in ("cancelled", "lost"):
                raise CommandFailed(
                    f"--scheduler {self._address}: the connection was lost; finished trials are kept: repeat the "
                    "command when the scheduler is back",
                    ExitCode.TIMEOUT,
                )
            else:
                error = future.exception()
                message = f"{type(error).__name__}: {error}".splitlines()[0]
                yield TrialResult(futures[future].key, (), message, 0.0)

    def close(self) -> None:
        """Leave the cluster; what it still runs of ours is dropped."""
        self._client.close()


def _run_quietly(trial: Trial) -> TrialResult:
    logs.configure(level="error")
    return run_trial(trial)
