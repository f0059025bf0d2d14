"""`--help` by what a person wants to do, the first thing first."""

from enum import StrEnum
from typing import Any

from typer.core import TyperGroup


class HelpGroup(StrEnum):
    """The sections of the root command's help, in their order; a command names its own as `rich_help_panel`."""

    TRY = "Try"
    RUN = "Run"
    LOOK = "Look"
    STOP = "Stop"
    RESEARCH = "Research"
    OTHER = "Other"


class GroupedHelp(TyperGroup):
    """A root command whose help has a section for each group; commands without one come last."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the sections."""
        limit = formatter.width - 6 - max(map(len, self.commands))
        sections: dict[HelpGroup, list[tuple[str, str]]] = {group: [] for group in HelpGroup}
        for name in self.list_commands(ctx):
            command = self.commands[name]
            group = getattr(command, "rich_help_panel", None) or HelpGroup.OTHER
            sections[HelpGroup(group)].append((name, command.get_short_help_str(limit)))
        for title, rows in sections.items():
            with formatter.section(title.value):
                formatter.write_dl(rows)
