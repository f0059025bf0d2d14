"""Where trials run: in processes of this machine. The Dask engine has a file of its own, for its import."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Protocol

from bot.lab.sweep.trial import Trial, TrialResult, run_trial
from bot.runtime import logs
from bot.runtime.exit_codes import CommandFailed


class Engine(Protocol):
    """Runs trials and gives their outcomes in whatever order they end."""

    def run(self, trials: Sequence[Trial]) -> Iterator[TrialResult]: ...

    def close(self) -> None: ...


class Processes:
    """A pool of processes. Each starts anew instead of by fork: a fork copies locks of threads that do not exist."""

    def __init__(self, jobs: int) -> None:
        self._pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare)

    def run(self, trials: Sequence[Trial]) -> Iterator[TrialResult]:
        """See `Engine`.

        Raises:
            CommandFailed: a process has died.
        """
        futures = [self._pool.submit(run_trial, trial) for trial in trials]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise CommandFailed(
                "a process of the pool has died, most likely for want of memory; finished trials are kept: repeat the "
                "command with fewer --jobs"
            ) from error

    def close(self) -> None:
        """End at once; what is under way is lost."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()


def _prepare() -> None:
    """In each process: no log lines, no Ctrl-C of its own, and no life after the command's, however that ended."""
    logs.configure(level="error")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
