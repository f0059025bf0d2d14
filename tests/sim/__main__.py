"""`python -m tests.sim --seeds 100`: simulate seeds; print what was tried, what was found and how to see it again."""

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any

from tests.sim.faults import Kind
from tests.sim.known import known_reason
from tests.sim.scenario import LIVES, Report, simulate
from tests.sim.spoken import SPOKEN
from tests.sim.world import MIXED, Seam, venue_of


def main() -> int:
    options = _options()
    if options.seed is not None:
        report = simulate(
            options.seed,
            lives=options.lives,
            heaviness=options.heaviness,
            seam=options.seam,
            renames=options.renames,
            venue=options.venue or venue_of(options.seed),
            options=True,
            tell=print if options.trace else None,
        )
        _print_seed(report)
        for error in report.errors:
            traceback.print_exception(error)
        return int(bool(_news(report)))
    started, reports, broken = time.monotonic(), [], 0
    for report in _all(options):
        if isinstance(report, RuntimeError):
            broken += 1
            continue
        reports.append(report)
        if _news(report):
            _print_seed(report)
    _print_sum(reports, time.monotonic() - started)
    print(f"broken seeds   {broken}")
    return int(bool(broken) or any(_news(report) for report in reports))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds (default 100)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument(
        "--seam", type=Seam, choices=list(Seam), default=Seam.PORT, help="where faults are put in (default: port)"
    )
    parser.add_argument("--trace", action="store_true", help="with --seed: print all that happens")
    parser.add_argument("--lives", type=int, default=LIVES, help="lives under faults in a seed (default %(default)s)")
    parser.add_argument("--heaviness", type=float, help="factor of all fault rates (default: each seed draws its own)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no seed after so many seconds")
    parser.add_argument("--renames", action="store_true", help="with a token that the exchange turns into another")
    parser.add_argument("--venue", choices=[*SPOKEN, MIXED], help="where the bot trades (default: each seed draws it)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    return parser.parse_args()


def _all(options: argparse.Namespace) -> Iterator[Report | RuntimeError]:
    """The reports as they come; an error of a seed that the simulation itself could not bring to its end."""
    deadline, seeds = time.monotonic() + options.seconds, iter(range(options.first, options.first + options.seeds))
    with ProcessPoolExecutor(options.jobs) as pool:
        running: dict[Future[Report], int] = {}
        while True:
            while len(running) < options.jobs and time.monotonic() < deadline:
                if (seed := next(seeds, None)) is None:
                    break
                task = pool.submit(
                    _simulated,
                    seed,
                    lives=options.lives,
                    heaviness=options.heaviness,
                    seam=options.seam,
                    renames=options.renames,
                    venue=options.venue or venue_of(seed),
                    options=True,
                )
                running[task] = seed
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                seed = running.pop(future)
                if (error := future.exception()) is not None:
                    broken = RuntimeError(f"the simulation of seed {seed} broke")
                    broken.__cause__ = error
                    traceback.print_exception(broken)
                    yield broken
                    continue
                yield future.result()


def _simulated(seed: int, **options: Any) -> Report:
    """The same in a process of its own. An error of any kind is told by its words: not each can be sent to another."""
    try:
        return simulate(seed, **options)
    except Exception:  # noqa: BLE001 - told, whatever it is
        raise RuntimeError(traceback.format_exc()) from None


def _news(report: Report) -> list[str]:
    return [sentence for sentence in report.violations if not known_reason(sentence)]


def _print_seed(report: Report) -> None:
    print(
        f"seed {report.seed}: {report.orders} orders, {report.turns} turns, {report.lives} lives, "
        f"{report.virtual_hours:.1f} h, {report.faults.total()} faults, trace {report.trace[:16]}"
    )
    for sentence in report.violations:
        reason = known_reason(sentence)
        print(f"  {'known' if reason else 'VIOLATION'}: {sentence}{f' ({reason})' if reason else ''}")
    print(
        f"  again: python -m tests.sim --seed {report.seed} --trace, with the same --seam, --venue, --lives …",
        flush=True,
    )


def _print_sum(reports: list[Report], seconds: float) -> None:
    faults: Counter[Kind] = Counter()
    known: Counter[str] = Counter()
    for report in reports:
        faults += report.faults
        known += Counter(known_reason(s) for s in report.violations if known_reason(s))
    orders = sum(report.orders for report in reports)
    print(f"seeds          {len(reports)}")
    print(f"lives          {sum(report.lives for report in reports)}")
    print(f"turns          {sum(report.turns for report in reports)}")
    cpu = sum(report.cpu_seconds for report in reports) or 1.0
    turns = sum(report.turns for report in reports)
    print(f"orders         {orders}, {orders / seconds:.1f} in a second")
    print(f"in a CPU-second {orders / cpu:.1f} orders, {turns / cpu:.1f} turns, {faults.total() / cpu:.1f} faults")
    print(f"virtual hours  {sum(report.virtual_hours for report in reports):.1f}")
    print(f"faults         {faults.total()}")
    for kind, count in sorted(faults.items(), key=lambda pair: -pair[1]):
        print(f"  {kind:<32} {count}")
    if codes := Counter(code for report in reports for code in report.codes.elements()):
        print(f"refusals       {codes.total()}, with {len(codes)} codes of the error tables")
    for reason, count in known.items():
        print(f"known          {count} × {reason}")
    print(f"violations     {sum(len(_news(report)) for report in reports)}")
    print(f"seconds        {seconds:.1f}")


if __name__ == "__main__":
    sys.exit(main())
