"""The documents say what the code does: state tables, README commands, links."""

import re
import sys
from pathlib import Path

import pytest

from bot.domain.states import KILL_TABLE, ORDER_TABLE, OrderEvent, OrderState
from bot.playbook.policy.default_evidence import SIGNAL_NAMES

ROOT = Path(__file__).parent.parent
STATES = ROOT / "docs" / "states.md"
HEAD = """# State tables

Printed from `bot/domain/states.py` by `python -m tests.test_docs`; a test compares. An empty cell is a pair that raises
`IllegalTransition`: our bug, never a guess. A fill is a fact, not a transition: it is added once per (venue, trade id)
in any state.
"""


def order_table() -> str:
    lines = ["## Order", "", "| state | " + " | ".join(OrderEvent) + " |", "|---" * (len(OrderEvent) + 1) + "|"]
    for state in OrderState:
        cells = [ORDER_TABLE[state].get(event, "") for event in OrderEvent]
        lines.append(f"| {state} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def kill_table() -> str:
    lines = ["## Kill switch", "", "The strongest level that anybody asks for is in force.", ""]
    lines += ["| severity | level | withdraws | still sent |", "|---|---|---|---|"]
    lines += [f"| {level.severity} | {level} | {' | '.join(row)} |" for level, row in KILL_TABLE.items()]
    return "\n".join(lines)


def states_page() -> str:
    tables = [order_table(), kill_table()]
    return "\n\n".join([HEAD.rstrip(), *tables]) + "\n"


def test_the_printed_state_tables_equal_the_code() -> None:
    assert STATES.read_text() == states_page(), "run: python -m tests.test_docs"


def test_the_number_of_signals_that_a_page_names_is_that_of_the_code() -> None:
    words = {18: "Eighteen", 19: "Nineteen", 20: "Twenty", 21: "Twenty-one", 22: "Twenty-two"}
    assert f"**Read.** {words[len(SIGNAL_NAMES)]} signals" in (ROOT / "docs" / "how-it-decides.md").read_text()


def test_the_commands_of_the_readme_are_the_ones_ci_runs() -> None:
    readme, gate = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    for command in ("make demo", "make test-all"):
        assert command in readme
        assert command in gate


def markdown_pages() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", markdown_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_of_a_page_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


if __name__ == "__main__":
    sys.stdout.write(f"{STATES.write_text(states_page())} characters written to {STATES.name}\n")
