"""What an operator reads when the gate refuses or a breaker trips: every sentence and every number, row by row.

`python -m tests.risk.test_words` writes `words.txt` anew; its difference is to be read like any other change.
"""

from pathlib import Path

from bot.risk import Limits, Refused, review, tripped
from tests.risk.test_breakers import TROUBLES
from tests.risk.test_checks import ROWS

WORDS = Path(__file__).parent / "words.txt"


def spoken() -> str:
    lines = []
    for name, row in ROWS.items():
        (verdict,) = review([row.refused], row.refused_in(), row.limits)
        assert isinstance(verdict, Refused), name
        lines.append(f"{name} | {verdict.note.subject} | {verdict.note.words} | {_numbers(verdict.note.numbers)}")
    lines += [
        f"breaker {reason.value} | {note.subject} | {note.words} | {_numbers(note.numbers)}"
        for reason, world in TROUBLES.items()
        for note in tripped(world, Limits())
    ]
    return "\n".join(lines) + "\n"


def _numbers(numbers: object) -> str:
    assert isinstance(numbers, dict)
    return ", ".join(f"{name}={value}" for name, value in numbers.items())


def test_every_refusal_says_what_why_and_by_how_much() -> None:
    assert spoken() == WORDS.read_text(encoding="utf-8")


if __name__ == "__main__":
    WORDS.write_text(spoken(), encoding="utf-8")
