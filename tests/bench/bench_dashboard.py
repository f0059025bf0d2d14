"""What an open dashboard costs: CPU of its process while a page is open, and the length of turns with and without it.

One simulated bot runs for SECONDS (first argument, 120) with its dashboard. In every other stretch of ten seconds a
client does what an open page does: it follows the live channel and asks for the page again at each change. The turns of
both kinds of stretch are compared, so that what else the machine does weighs on both alike.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
PACE = float(os.environ.get("BENCH_PACE", "1"))  # × every wait; the test that starts each bench makes them short
START_SECONDS, STRETCH_SECONDS, SETTLE_SECONDS = 20.0, max(10.0 * PACE, 2.0), PACE
SETTINGS = ("logs.level=debug", "cadence.cycle_seconds=1", "dashboard.enabled=true", "dashboard.port=0")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def child_of(pid: int) -> int:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == pid and b"dashboard" in (entry / "cmdline").read_bytes():
                    return int(entry.name)
            except OSError:
                continue
    raise SystemExit("the dashboard does not run")


class OpenPage:
    """A page that is open until it is closed: at each change it is asked for again."""

    def __init__(self, address: str) -> None:
        self.refreshed, self._address, self._stream = 0, address, urllib.request.urlopen(f"{address}live", timeout=600)  # noqa: S310
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        try:
            for line in self._stream:
                if line.startswith(b"event: change"):
                    with urllib.request.urlopen(self._address, timeout=60) as page:  # noqa: S310 - our own server
                        page.read()
                    self.refreshed += 1
        except (OSError, ValueError, AttributeError):
            return  # it has been closed

    def close(self) -> None:
        self._stream.fp.raw._sock.shutdown(2)
        self._thread.join(5)
        self._stream.close()


def events_in(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def address_in(log: Path) -> str:
    """Where the dashboard is, once the bot has said so and has had its first cycles."""
    for _ in range(600):
        told = [event["url"] for event in events_in(log) if event.get("event") == "dashboard"]
        if told:
            time.sleep(START_SECONDS * PACE)
            return str(told[0])
        time.sleep(0.1)
    raise SystemExit("the dashboard has not started")


def turns_in(events: list[dict[str, Any]], stretches: list[tuple[float, float]]) -> list[float]:
    """Seconds of the cycles that ended in one of these stretches, without its first second."""
    found = []
    for event in events:
        if event.get("event") == "cycle" and "seconds" in event:
            at = datetime.fromisoformat(event["at"]).timestamp()
            if any(begin + SETTLE_SECONDS <= at < end for begin, end in stretches):
                found.append(float(event["seconds"]))
    return found


def measure(seconds: float) -> None:
    command = [sys.executable, "-m", "bot", "run", "-e", "sim", "--json"]
    command += [part for setting in SETTINGS for part in ("--set", setting)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        with log.open("w") as out, subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=out) as bot:
            stretches: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
            cpu, refreshed = 0.0, 0
            try:
                address = address_in(log)
                child, is_open = child_of(bot.pid), True
                first = OpenPage(address)  # what the first look costs is paid once
                time.sleep(3)
                first.close()
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    begun, before = time.time(), cpu_seconds(child)
                    page = OpenPage(address) if is_open else None
                    time.sleep(STRETCH_SECONDS)
                    if page is not None:
                        cpu, refreshed = cpu + cpu_seconds(child) - before, refreshed + page.refreshed
                        page.close()
                    stretches[is_open].append((begun, time.time()))
                    is_open = not is_open
            finally:
                bot.terminate()
                bot.wait(30)
        events = events_in(log)
    beside, alone = turns_in(events, stretches[True]), turns_in(events, stretches[False])
    share = cpu / (STRETCH_SECONDS * len(stretches[True]))
    print(f"dashboard process, a page open, a cycle a second: {share:.2%} of a core, {refreshed} refreshes")
    if not beside or not alone:
        raise SystemExit("no cycle ended in one of the two kinds of stretch")
    print(
        f"median cycle: {median(alone) * 1e3:.0f} ms with no page open ({len(alone)} cycles), "
        f"{median(beside) * 1e3:.0f} ms with one ({len(beside)}), ratio {median(beside) / median(alone):.2f}"
    )


if __name__ == "__main__":
    measure(float(sys.argv[1]) if len(sys.argv) > 1 else 120.0)
