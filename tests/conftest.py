"""What every test gets: no network beyond this machine, no secret left behind, and the folder of shared material.

The guard raises and remembers. Code under test may swallow the error, as a retry loop would; the session fails all the
same when it ends, with the name of the test. So it does when a key used by any test is found in what the suite printed,
logged or wrote. Where workers run the tests, they hand over what they know when they end, and the session that started
them fails.
"""

import decimal
import gc
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.venues.ccxt.loader import load_exchange_class
from tests import profiles
from tests.base_temp import BaseTemp, has_room
from tests.commands import ROOT, finished_run, kept_logging, workplace
from tests.secret_watch import WATCH, watch_keys

profiles.load()
load_exchange_class("binance")  # before a test imports ccxt whole: a hundred exchanges, in each worker

__all__ = ["ROOT", "finished_run", "workplace"]  # the fixtures are for every folder of tests
BREACHES: list[str] = []
FOLDERS: list[Path] = []
GC_THRESHOLDS = (50_000, 20, 100)  # most tests make no garbage in cycles; those that do are collected all the same
HANDED_OVER = "sectorbot"  # what a worker has noted, in what it reports when it ends
IN_MEMORY, HAS_FAILED = pytest.StashKey[BaseTemp](), pytest.StashKey[bool]()
_patches = pytest.MonkeyPatch()


class NetworkForbiddenError(AssertionError):
    """A test tried to leave this machine. Not an OSError, so that no handler of network trouble takes it for one."""


def _is_local(host: object) -> bool:
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("ascii", "replace")
    if host is None or host == "":
        return True  # the wildcard address of a listening socket
    name = str(host).rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse(what: str) -> None:
    breach = f"{what} in {os.environ.get('PYTEST_CURRENT_TEST', 'collection')}"
    BREACHES.append(breach)
    raise NetworkForbiddenError(breach)


def _guarded_method(name: str, *, address_at: int, needed: int) -> Callable[..., Any]:
    original = getattr(socket.socket, name)

    def guarded(sock: socket.socket, *args: Any) -> Any:
        address = args[address_at] if len(args) >= needed else None
        if address and sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
            _refuse(f"{name} to {address!r}")
        return original(sock, *args)

    return guarded


def _guarded_lookup(name: str) -> Callable[..., Any]:
    original = getattr(socket, name)

    def guarded(host: object, *args: Any, **kwargs: Any) -> Any:
        if not _is_local(host):
            _refuse(f"{name} of {host!r}")
        return original(host, *args, **kwargs)

    return guarded


def is_worker(config: pytest.Config) -> bool:
    """Whether this process only runs tests that another one hands to it and reports on."""
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if not is_worker(config):
        config.pluginmanager.register(WATCH)
        if config.option.basetemp is None and has_room():
            config.stash[IN_MEMORY] = in_memory = BaseTemp()
            config.option.basetemp = str(in_memory.base)
    # From here on, so that importing the test modules is watched as well.
    for method, address_at, needed in (("connect", 0, 1), ("connect_ex", 0, 1), ("sendto", -1, 2), ("sendmsg", 3, 4)):
        _patches.setattr(socket.socket, method, _guarded_method(method, address_at=address_at, needed=needed))
    for lookup in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        _patches.setattr(socket, lookup, _guarded_lookup(lookup))
    watch_keys(_patches)


def pytest_unconfigure(config: pytest.Config) -> None:
    _patches.undo()
    if in_memory := config.stash.get(IN_MEMORY, None):
        in_memory.release(keeps=config.stash.get(HAS_FAILED, False))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a table marked `sweep`, all cases but `keep` of them, spread over the table, are slow."""
    tables: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sweep"):
            tables.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for cases in tables.values():
        mark = cases[0].get_closest_marker("sweep")
        assert mark is not None
        kept = {index * len(cases) // mark.kwargs["keep"] for index in range(mark.kwargs["keep"])}
        for index, case in enumerate(cases):
            if index not in kept:
                case.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """All modules and cases are there now and stay until the end. The collector of cycles need not visit them again and
    again, which took a seventh of the time of all tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


@pytest.fixture(autouse=True)
def _own_arithmetic() -> None:
    """Each test begins with the decimal arithmetic of a new process: ccxt changes the rounding of who calls it."""
    decimal.setcontext(decimal.DefaultContext.copy())


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A test that sets up the log of its process leaves none to the tests that the same worker runs after it."""
    with kept_logging():
        yield


@pytest.fixture(scope="session", autouse=True)
def _kept_for_the_search(tmp_path_factory: pytest.TempPathFactory) -> None:
    FOLDERS.append(tmp_path_factory.getbasetemp())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A worker has ended: what it has noted counts here. A worker that has crashed has failed the session already."""
    if HANDED_OVER in getattr(node, "workeroutput", {}):
        secrets, breaches, folders = node.workeroutput[HANDED_OVER]
        WATCH.add(secrets)
        BREACHES.extend(breaches)
        FOLDERS.extend(map(Path, folders))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Searched when the last test is over, with workers in the process that they report to."""
    config = session.config
    if is_worker(config):
        config.workeroutput[HANDED_OVER] = (list(WATCH.secrets), BREACHES, [str(folder) for folder in FOLDERS])
        return
    WATCH.search_outputs()
    for folder in FOLDERS:
        WATCH.search_folder(folder)
    if (BREACHES or WATCH.leaks) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    config.stash[HAS_FAILED] = session.exitstatus == pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if IN_MEMORY in config.stash and config.stash.get(HAS_FAILED, False):
        terminalreporter.line(f"files of the tests, until the next run: {config.stash[IN_MEMORY].base}")
    counts = ", ".join(f"{count} {name}" for name, count in WATCH.searched.items())
    terminalreporter.line(f"searched for {len(WATCH.secrets)} secrets: {counts}, found {len(WATCH.leaks)}")
    if WATCH.leaks:
        terminalreporter.section("secret watch: the session fails", red=True)
        for leak in WATCH.leaks:
            terminalreporter.line(leak)
    if BREACHES:
        terminalreporter.section("network guard: the session fails", red=True)
        for breach in BREACHES:
            terminalreporter.line(breach)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material that is not part of the project, or a skip."""
    path = Path(os.environ.get("SECTORBOT_SHARED") or ROOT.parent / "shared")
    if not path.is_dir():
        pytest.skip(f"shared reference material absent: {path.name}")
    return path
