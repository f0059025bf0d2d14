"""The files that are made from the code: settings, reasons, and the playbook's tables of signals.

`python -m tests.runtime.settings_files` writes them.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bot.playbook.market import derivative_signals, flow_signals, price_signals
from bot.playbook.policy.default_evidence import DEFAULT_EVIDENCE
from tests.domain.reasons_page import reasons_page
from tests.runtime.configuration_page import configuration_page
from tests.runtime.default_file import default_file, schema_file

ROOT = Path(__file__).parents[2]
GROUPS = {"prices": price_signals.READERS, "perps": derivative_signals.READERS, "outside": flow_signals.READERS}
BEGIN, END = "<!-- made by `make reference` -->\n", "<!-- end -->\n"


def playbook_page() -> str:
    """The page with its tables of signals made anew."""
    before, _, rest = (ROOT / "docs" / "playbook.md").read_text(encoding="utf-8").partition(BEGIN)
    signals = [f"| {group} | {', '.join(f'`{name}`' for name in readers)} |" for group, readers in GROUPS.items()]
    weights = [
        f"| {condition.value} | {', '.join(f'{name} {weight}' for name, weight in evidence.items())} |"
        for condition, evidence in DEFAULT_EVIDENCE.items()
    ]
    lines = [
        "| group | signals |",
        "|---|---|",
        *signals,
        "",
        "| condition | weights (negative: a negative score speaks for the condition) |",
        "|---|---|",
        *(row.replace("-", "−") for row in weights),
    ]
    return before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2]


MADE_FILES: Mapping[str, Callable[[], str]] = {
    "config/default.toml": default_file,
    "config/schema.json": schema_file,
    "docs/configuration.md": configuration_page,
    "docs/playbook.md": playbook_page,
    "docs/reasons.md": reasons_page,
}
"""What makes each of them, by path within the project."""


if __name__ == "__main__":
    for name, make in MADE_FILES.items():
        content = make()
        (ROOT / name).write_text(content, encoding="utf-8")
        sys.stdout.write(f"{name}: {len(content.splitlines())} lines\n")
