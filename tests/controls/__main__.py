"""`python -m tests.controls`: take each control out in turn; exit 1 where no named test notices, or one is idle."""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from tests.controls.removals import WITHOUT_CONTROL, Removal
from tests.controls.tree import Copy, removals_of
from tests.test_controls import ROWS, Row


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.controls", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[row.number for row in ROWS], help="only these")
    parser.add_argument("--jobs", type=int, default=1, help="copies of the tree that work at the same time (default 1)")
    options = parser.parse_args()
    started, chosen = time.monotonic(), [row for row in ROWS if row.number in options.rows]
    with tempfile.TemporaryDirectory(prefix="controls-") as directory:
        copies: Queue[Copy] = Queue()
        for number in range(options.jobs):
            copies.put(Copy(Path(directory) / str(number)))

        def judge(row: Row) -> list[str]:
            copy = copies.get()
            try:
                return problems(row, copy)
            except RuntimeError as error:
                return [str(error)]
            finally:
                copies.put(copy)

        count = 0
        with ThreadPoolExecutor(options.jobs) as pool:
            for row, found in zip(chosen, pool.map(judge, chosen), strict=True):
                count += len(removals_of(row))
                _print(row, found)
                if found:
                    chosen = [one for one in chosen if one is not row]
    wrong = len([row for row in ROWS if row.number in options.rows]) - len(chosen)
    print(f"{len(chosen)} rows proved, {wrong} not, {count} removals, {time.monotonic() - started:.0f} s")
    return int(wrong > 0)


def problems(row: Row, copy: Copy) -> list[str]:
    """What is wrong with the proof of one row."""
    removals = removals_of(row)
    if row.number in WITHOUT_CONTROL:
        return ["it has a test, and is listed as one without a control"] if row.tests else []
    if not removals or not row.tests:
        return ["nothing is taken out, or no test is named"]
    found = [f"{test} fails as things are" for test, fails in copy.failures(row.tests).items() if fails]
    noticed: set[str] = set()
    for removal in removals:
        failing = {test for test, fails in copy.failures(row.tests, removal).items() if fails}
        noticed |= failing
        if not failing:
            found.append(f"no test notices that {_words(removal)}")
    return [*found, *(f"{test} passes whatever is taken out" for test in row.tests if test not in noticed)]


def _words(removal: Removal) -> str:
    return f"{removal.place} is without its control ({removal!r})"


def _print(row: Row, found: list[str]) -> None:
    if row.number in WITHOUT_CONTROL:
        print(f"{row.number:>3} no control: {WITHOUT_CONTROL[row.number]}")
    else:
        print(f"{row.number:>3} {'NOT PROVED' if found else 'proved'}: {row.control}", flush=True)
    for words in found:
        print(f"      {words}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
