"""What an open dashboard costs: CPU of its process while a page is open, and the length of turns with and without it.

A simulated bot with a cycle every ten seconds (the default is 300) runs for SECONDS (first argument, 60) without and
with a dashboard. In the second
run a client does what an open page does: it follows the live channel and asks for the page again at each change.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 20.0


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


def follow(address: str, refreshed: list[float]) -> None:
    """An open page: at each change it is asked for again."""
    try:
        with urllib.request.urlopen(f"{address}live", timeout=600) as stream:  # noqa: S310 - our own server
            for line in stream:
                if line.startswith(b"event: change"):
                    with urllib.request.urlopen(address, timeout=60) as page:  # noqa: S310
                        page.read()
                    refreshed.append(time.monotonic())
    except OSError:
        return


def run(seconds: float, *, is_on: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "bot", "run", "-e", "sim", "--json", "--set", "logs.level=debug"]
        command += [
            "--set",
            "cadence.cycle_seconds=10",
            "--set",
            f"dashboard.enabled={str(is_on).lower()}",
            "--set",
            "dashboard.port=0",
        ]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        with log.open("w") as out, subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=out) as bot:
            found: dict[str, float] = {}
            try:
                time.sleep(START_SECONDS)
                if is_on:
                    events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
                    address = next(event["url"] for event in events if event.get("event") == "dashboard")
                    refreshed: list[float] = []
                    threading.Thread(target=follow, args=(address, refreshed), daemon=True).start()
                    child = child_of(bot.pid)
                    time.sleep(10)  # what the first look costs is paid once
                    before, count, begun = cpu_seconds(child), len(refreshed), time.monotonic()
                    time.sleep(seconds)
                    found["core"] = (cpu_seconds(child) - before) / (time.monotonic() - begun)
                    found["refreshed"] = len(refreshed) - count
                else:
                    time.sleep(seconds + 10)
            finally:
                bot.terminate()
                bot.wait(30)
        events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        turns = [event["seconds"] for event in events if event.get("event") == "cycle" and "seconds" in event]
        return found | {"turns": len(turns), "turn_seconds": median(turns[1:])}


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    without, beside = run(seconds, is_on=False), run(seconds, is_on=True)
    print(f"dashboard process with one open page: {beside['core']:.2%} of a core, {beside['refreshed']:.0f} refreshes")
    alone, together = without["turn_seconds"], beside["turn_seconds"]
    print(f"median cycle: {alone * 1e3:.0f} ms alone, {together * 1e3:.0f} ms beside it, ratio {together / alone:.2f}")


if __name__ == "__main__":
    main()
