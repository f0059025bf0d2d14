"""`--help` by what a person wants to do, the first thing first."""

from typing import Any

from typer.core import TyperGroup

GROUPS = {
    "Try": ("demo", "plan", "exchange"),
    "Run": ("run", "config", "cost", "notify", "dashboard", "healthcheck"),
    "Look": ("status", "positions", "pnl", "orders", "history", "why", "signals", "replay", "journal"),
    "Stop": ("halt", "resume"),
    "Research": ("data", "backtest", "report", "sweep"),
}
OTHER = "Other"


class GroupedHelp(TyperGroup):
    """A root command whose help has a section for each group; commands in none of them come last."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the sections."""
        named = {name for names in GROUPS.values() for name in names}
        rest = tuple(name for name in self.list_commands(ctx) if name not in named)
        limit = formatter.width - 6 - max(map(len, self.commands))
        for title, names in {**GROUPS, OTHER: rest}.items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(limit)) for name in names])
