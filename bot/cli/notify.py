"""`sectorbot notify`: whether notices arrive."""

import typer

from bot.cli import common
from bot.cli.common import RUN, SharedOptions, command
from bot.cli.grouped_help import HelpGroup
from bot.runtime.exit_codes import CommandFailed, ExitCode

app = typer.Typer(
    help="Notices to the operator: send one to see that it arrives.",
    rich_help_panel=HelpGroup.RUN,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
)


@app.callback()
def group() -> None:
    """Keeps `test` a name of its own while it is the only command."""


@app.command()
@command(*RUN)
def test(given: SharedOptions) -> None:
    """Send a test notice to every destination. Ends with 1 when one of them has not taken it."""
    import asyncio

    from bot.runtime.settings.model import load_settings

    settings = load_settings(given.files, given.assignments)
    if not settings.notify.destinations:
        message = "notify.urls is not set: put Apprise URLs into a secrets file notify__urls, or into "
        raise CommandFailed(message + "SECTORBOT__NOTIFY__URLS in .env; docs/notify.md has examples")

    from bot.operate.notify.trial import send_trial

    try:
        answers = asyncio.run(send_trial(settings))
    except ValueError as error:
        raise CommandFailed(f"notify.urls: {error}", ExitCode.CONFIGURATION) from None
    failed = {name: why for name, why in answers.items() if why}
    lines = [f"{name}: {f'NOT SENT: {why}' if why else 'sent'}" for name, why in answers.items()]
    if given.as_json:
        common.print_json({"sent": [name for name in answers if name not in failed], "failed": failed})
    else:
        for line in lines:
            typer.echo(line)
    raise typer.Exit(int(ExitCode.ERROR if failed else ExitCode.OK))
