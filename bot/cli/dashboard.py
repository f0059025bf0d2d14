"""`sectorbot dashboard`: the web page of a bot, as a process of its own."""

import json
import os
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Protocol

import typer

from bot.cli.common import RUN, SharedOptions, command
from bot.cli.grouped_help import HelpGroup
from bot.runtime.exit_codes import CommandFailed, ExitCode

NICENESS = 10  # the turns of the bot come first


class RoleName(StrEnum):
    """What an account may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@command("journal", "state", *RUN, json_help="Print the address as JSON, and log JSON.")
def dashboard(
    given: SharedOptions,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Same as --set dashboard.port=…")] = None,
    bots: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Several bots: a file that names them (docs/dashboard.md).")
    ] = None,
    account: Annotated[
        str, typer.Option(metavar="NAME", help="Ask for a password and print the account's lines for the settings.")
    ] = "",
    role: Annotated[RoleName, typer.Option(help="Of --account: viewer reads, operator acts as well.")] = (
        RoleName.VIEWER
    ),
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """The web page of a bot, until it is stopped.

    What it holds, why, what it did.
    """
    if account:
        _print_account(account, role)
        return
    import asyncio

    from bot.operate.dashboard.bots_file import read_bots
    from bot.operate.dashboard.server import serve
    from bot.operate.dashboard.source import make_source
    from bot.runtime import logs
    from bot.runtime.settings.model import load_settings

    requested = [f"dashboard.port={port}"] if port is not None else []
    requested += [f"state_directory={given.state}"] if given.state else []
    given = replace(given, assignments=(*given.assignments, *requested))
    settings = load_settings(given.files, given.assignments)
    style = "json" if given.as_json else settings.logs.format
    logs.configure(style=style, level=settings.logs.level, secrets=settings.secret_values())
    if parent is not None:
        os.nice(NICENESS)
    if given.journal is not None and not given.journal.is_file():
        raise CommandFailed(f"{given.journal}: there is no journal; give an existing one with --journal")
    if given.journal is not None and given.state is not None:
        raise CommandFailed("--journal and --state: give one of them", ExitCode.USAGE)

    def announce(address: str) -> None:
        if given.as_json:
            typer.echo(json.dumps({"url": address}))
        else:
            typer.echo(f"dashboard at {address}; Ctrl-C ends it")

    if bots is not None and (given.journal or given.state):
        raise CommandFailed("--bots names the bots: leave --journal and --state out", ExitCode.USAGE)
    sources, remotes = read_bots(bots) if bots is not None else ([make_source(settings, given.journal)], [])
    asyncio.run(serve(sources, settings.dashboard, announce, parent, remotes))


def _print_account(name: str, role: RoleName) -> None:
    """The settings of an account: hashes only. The token is shown once."""
    from bot.operate.dashboard.access.passwords import PASSWORD_MIN, hash_password, hash_token, new_token

    if not re.fullmatch(r"[A-Za-z0-9_\-]{1,40}", name):
        raise CommandFailed(f"--account {name}: use letters, digits, - and _", ExitCode.USAGE)
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if len(password) < PASSWORD_MIN:
        raise CommandFailed(f"the password has fewer than {PASSWORD_MIN} characters", ExitCode.USAGE)
    token = new_token()
    typer.echo(f"Put this into sectorbot.toml. The token for /api/v1, shown only now: {token}", err=True)
    typer.echo(f"[dashboard.accounts.{name}]")
    typer.echo(f'role = "{role.value}"')
    typer.echo(f'password_hash = "{hash_password(password)}"')
    typer.echo(f'token_hash = "{hash_token(token)}"')


class _RunSettings(Protocol):
    """What is asked of settings whose module the command has loaded."""

    @property
    def environment(self) -> str: ...

    @property
    def dashboard(self) -> "_PageSettings": ...


class _PageSettings(Protocol):
    @property
    def enabled(self) -> bool | None: ...


def beside_run(settings: _RunSettings, given: SharedOptions, *, has_end: bool) -> AbstractContextManager[object]:
    """The dashboard of a run, where it has one: as the settings say, else in a simulation without end."""
    is_on = settings.dashboard.enabled
    if is_on is None:
        is_on = settings.environment == "sim" and not has_end
    if not is_on:
        return nullcontext()
    from bot.operate.dashboard.beside import arguments_of, dashboard_beside

    return dashboard_beside(arguments_of(given.files, given.assignments))


def add_commands(app: typer.Typer) -> None:
    """Put it under the root command."""
    app.command(rich_help_panel=HelpGroup.RUN)(dashboard)
