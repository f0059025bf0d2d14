"""`python -m tests.soak --minutes 30 --seed 7`: a soak and its numbers; see `tests.soak`."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bot.simex.server import FIRST_DIALECTS
from bot.venues.registry import FOLDERS
from tests.soak.driver import soak
from tests.soak.intrusions import Intrusion


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="wall time before the settling life")
    parser.add_argument("--seed", type=int, default=1, help="draws faults, kills and market")
    parser.add_argument("--scenario", default="golden", help="golden, quiet, risk-off or downtrend")
    parser.add_argument("--venue", choices=sorted(FOLDERS), default=FIRST_DIALECTS[0], help="default: %(default)s")
    parser.add_argument("--spot-venue", choices=sorted(FOLDERS), help="where spot is traded, by an account of its own")
    parser.add_argument("--perp-venue", choices=sorted(FOLDERS), help="where perps are traded, by one of its own")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep journal, logs and dump here")
    kinds = [kind.name.lower() for kind in Intrusion]
    parser.add_argument(
        "--with",
        dest="allowed",
        nargs="*",
        choices=kinds,
        default=kinds,
        help="what happens beside kills; all of it by default: second_bot, restore, full_disk (where file systems can "
        "be mounted); nothing after the word for none",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        return asyncio.run(_run(options, options.keep or Path(temporary)))


async def _run(options: argparse.Namespace, directory: Path) -> int:
    began = time.monotonic()
    apart = {"spot": options.spot_venue, "perp": options.perp_venue}
    venues = (f"venue.id={options.venue}", *(f"venue.{kind}.id={name}" for kind, name in apart.items() if name))
    run, verdict, hours = await soak(
        directory,
        seconds=options.minutes * 60,
        seed=options.seed,
        scenario=options.scenario,
        allowed=frozenset(Intrusion[name.upper()] for name in options.allowed),
        venues=venues,
    )
    tally, plan = run.tally, run.plan
    print(f"soak              {(time.monotonic() - began) / 60:.1f} minutes, seed {options.seed}, {options.scenario}")
    print(f"virtual           {hours:.1f} hours, {tally.rotations} rotations")
    print(f"lives             {tally.lives}, exit codes {dict(sorted(tally.exits.items()))}")
    _table("ends", tally.ends)
    _table("happenings", tally.happenings)
    _table("beside", tally.intrusions)
    if tally.seconds:
        print(f"second bots       exit codes {dict(tally.seconds)}")
    print(f"faults            {plan.counts.total()} in {plan.requests} requests, {plan.write_counts.total()} on writes")
    _table("", {f"{kind} ({plan.write_counts[kind]} on writes)": count for kind, count in plan.counts.items()})
    print(f"compared          {verdict.orders} orders, {verdict.fills} fills, {verdict.legs} legs")
    print(f"problems          {len(tally.problems)}")
    print(f"mismatches        {len(verdict.mismatches)}")
    for words in (*tally.problems, *verdict.mismatches):
        print(f"  - {words}")
    print(
        f"again             python -m tests.soak --minutes {options.minutes:g} --seed {options.seed}"
        f" --scenario {options.scenario} --venue {options.venue}"
        f"{''.join(f' --{kind}-venue {name}' for kind, name in apart.items() if name)}"
        f" --with {' '.join(options.allowed)}".rstrip()
    )
    return 1 if tally.problems or verdict.mismatches else 0


def _table(name: str, counts: Mapping[str, int]) -> None:
    for index, (kind, count) in enumerate(sorted(Counter(counts).items(), key=lambda item: (-item[1], item[0]))):
        print(f"{name if index == 0 else '':<18}{count:>6}  {kind}")


if __name__ == "__main__":
    sys.exit(main())
