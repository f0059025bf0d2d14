"""`docs/reasons.md`, made from the texts below the members of `Reason`."""

import ast
import inspect
from collections.abc import Mapping

from bot.domain import reason

TO_DO = " To do: "
HEAD = """\
# Reasons

Why something was shrunk, waited for, skipped or refused: one line per member of `bot.domain.reason.Reason`. Our gate
*refuses*, a venue *rejects*. `sectorbot why` prints them with the numbers behind them. `make reference` writes this
page.

| reason | what it means | what to do |
|---|---|---|
"""
ALERTS: Mapping[str, str] = {
    "journal_failed": "The journal cannot be written, so no entry is sent. "
    "To do: See disk space and permissions of the path it names.",
    "config_refused": "A changed configuration was not taken over; the old one stays. "
    "To do: Correct the line it names, or restart for a change that loosens a limit.",
}
"""Alerts that are no reasons; the runbook leads to this page for them as well."""


def explained(tree: ast.Module) -> dict[str, str]:
    """The text of every member of the class `Reason`, in one line; empty where there is none."""
    (owner,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Reason")
    result = {}
    for member, after in zip(owner.body, [*owner.body[1:], ast.Pass()], strict=True):
        if isinstance(member, ast.Assign) and isinstance(member.value, ast.Constant):
            text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            result[str(member.value.value)] = " ".join(str(text).split())
    return result


def reasons_page() -> str:
    """The whole page."""
    texts = {**explained(ast.parse(inspect.getsource(reason))), **ALERTS}
    return HEAD + "".join(
        f"| `{name}` | {meaning} | {remedy} |\n"
        for name, text in texts.items()
        for meaning, _, remedy in (text.partition(TO_DO),)
    )
