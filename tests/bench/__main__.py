"""Run every bench and write what it prints into `docs/performance.md`: `python -m tests.bench [NAME ...]`.

Two run at a time: of one row the figures are CPU seconds and memory, so that what runs beside them changes them little;
the others measure wall time against a baseline in the same run. All of them take at most 20 minutes on two idle cores.
"""

import asyncio
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench import rig

PAGE = rig.ROOT / "docs" / "performance.md"
BRIEF_PACE = "0.02"


@dataclass(frozen=True, slots=True)
class Run:
    """One bench with its arguments; `brief` are those of the test that only sees it work. `FOLDER` stands for a folder
    of recorded candles, which the project does not have."""

    name: str
    full: str
    brief: str

    def command(self, *, is_brief: bool, folder: str = "") -> list[str]:
        arguments = (self.brief if is_brief else self.full).replace("FOLDER", folder)
        return [sys.executable, str(rig.HERE.parent / f"bench_{self.name}.py"), *arguments.split()]

    @property
    def needs_data(self) -> bool:
        return "FOLDER" in self.full


CPU_FIGURES = (
    Run("idle", "6 40", "2 4"),
    Run("cycle", "5 40 160", "1 4"),
    Run("backtest", "3 --years 1,3", "1 --counts 4 --span 0.02"),
    Run("journal", "288 40 2", "5 2 1"),
    Run("month", "5 60", "2 600"),
)
WALL_FIGURES = (
    Run("start", "5", "1"),
    Run("plan", "5 40", "1 4"),
    Run("orders", "3 40", "1 4"),
    Run("restart", "5 0 100 10000", "1 0 10"),
    Run("open", "3 1000 100000", "1 100"),
    Run("switch", "1", "1 pause"),
    Run("dashboard", "60", "4"),
    Run("streams", "10 12", "0 1"),
    Run("exchange", "--sockets 1000 --orders 200 --seconds 60", "--requests 10 --sockets 5 --orders 5 --seconds 3"),
    Run("hedge", "FOLDER", "FOLDER --from 2020-06-01 --to 2020-06-04"),
)
RUNS = (*CPU_FIGURES, *WALL_FIGURES)


def brief_environment() -> dict[str, str]:
    """Of a bench that only has to be seen to work: its waits are short."""
    return rig.environment() | {"BENCH_PACE": BRIEF_PACE}


def with_block(page: str, name: str, text: str) -> str:
    """The page with this text between the marks of a bench.

    Raises:
        ValueError: the page has no marks of that name.
    """
    pattern = re.compile(rf"(<!-- bench {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    page, count = pattern.subn(lambda found: f"{found[1]}```text\n{text.strip()}\n```\n{found[2]}", page)
    if count != 1:
        raise ValueError(f"docs/performance.md has {count} places for the figures of bench {name}, one is needed")
    return page


async def run_row(runs: Sequence[Run], failed: list[str]) -> None:
    """One bench after the other; each writes its figures when it ends."""
    for run in runs:
        started = time.monotonic()
        with tempfile.TemporaryFile("w+") as output:
            process = await asyncio.create_subprocess_exec(
                *run.command(is_brief=False), env=rig.environment(), stdout=output, stderr=subprocess.STDOUT
            )
            status = await process.wait()
            output.seek(0)
            text = output.read()
        seconds = time.monotonic() - started
        print(f"--- {run.name} ({seconds:.0f} s){', failed' if status else ''}\n{text}", flush=True)
        if status:
            failed.append(run.name)
            continue
        lines = [line for line in text.splitlines() if not re.match(r"\d{4}-\d\d-\d\d \d\d:", line)]  # the bot's log
        machine = f"CPython {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}"
        head = f"$ python tests/bench/bench_{run.name}.py {run.full}".rstrip()
        PAGE.write_text(with_block(PAGE.read_text(), run.name, "\n".join((head, f"({machine})", *lines))))


async def main(names: Sequence[str]) -> int:
    """Run what is named, without names all that need no data; the exit code."""
    unknown = set(names) - {run.name for run in RUNS}
    if unknown:
        print(f"unknown benches: {', '.join(sorted(unknown))}; known: {', '.join(run.name for run in RUNS)}")
        return 2
    failed: list[str] = []

    def chosen(runs: Sequence[Run]) -> list[Run]:
        return [run for run in runs if run.name in names or (not names and not run.needs_data)]

    await asyncio.gather(run_row(chosen(CPU_FIGURES), failed), run_row(chosen(WALL_FIGURES), failed))
    if failed:
        print(f"failed: {', '.join(failed)}; their figures in {PAGE.relative_to(rig.ROOT)} are those of before")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
