"""`python -m tests.model`: every world with all rules, every rule switched off, every assumption broken.

`--traces` prints the shortest way to each violation, `--deep` explores larger worlds too (some minutes).
"""

import argparse
import sys
from collections.abc import Sequence

from tests.model.cases import ASSUMPTIONS, CASES, DEEP_WORLDS, WORLDS
from tests.model.checker import Exploration, explore, lines_of
from tests.model.protocol import Protocol
from tests.model.rules import Rules, World

HEAD = ("without", "world", "states", "transitions", "depth", "seconds", "violation", "steps")
WIDTHS = (62, 15, 8, 11, 5, 7, 20, 5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 when anything is not as `tests.model.cases` says."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--traces", action="store_true", help="print the shortest way to each violation")
    parser.add_argument("--deep", action="store_true", help="explore larger worlds too")
    chosen = parser.parse_args(arguments)
    rows: list[tuple[str, World, Rules, str | None]]
    rows = [("nothing", world, Rules(), None) for world in (*WORLDS, *(DEEP_WORLDS if chosen.deep else ()))]
    rows += [(case.rule, case.world, case.rules, case.violation) for case in CASES]
    rows += [(words, world, Rules(), violation) for words, (world, violation) in ASSUMPTIONS.items()]
    surprises, states, transitions, seconds = 0, 0, 0, 0.0
    print(_line(HEAD))
    for words, world, rules, expected in rows:
        seen = explore(Protocol(rules, world))
        name = None if seen.finding is None else seen.finding.name
        surprises += name != expected
        states, transitions, seconds = states + seen.states, transitions + seen.transitions, seconds + seen.seconds
        print(_line((words, world.name, *_figures(seen))) + ("" if name == expected else f" expected {expected}"))
        if chosen.traces and seen.finding is not None:
            print("\n".join(lines_of(seen.finding)))
    print(_line(("all", "", states, transitions, "", f"{seconds:.1f}", "", "")))
    return 1 if surprises else 0


def _figures(seen: Exploration) -> tuple[object, ...]:
    name, steps = ("none", "") if seen.finding is None else (seen.finding.name, len(seen.finding.trace))
    return seen.states, seen.transitions, seen.depth, f"{seen.seconds:.1f}", name, steps


def _line(cells: Sequence[object]) -> str:
    texts = (str(cell) for cell in cells)
    return " ".join(
        text.rjust(width) if column in (2, 3, 4, 5, 7) else text.ljust(width)[:width]
        for column, (text, width) in enumerate(zip(texts, WIDTHS, strict=True))
    ).rstrip()


if __name__ == "__main__":
    sys.exit(main())
