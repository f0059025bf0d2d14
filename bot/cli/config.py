"""`sectorbot config`: what is set, where it comes from, and whether it can be used."""

import typer

from bot.cli import common
from bot.cli.common import RUN, SharedOptions, command
from bot.cli.grouped_help import HelpGroup
from bot.runtime.exit_codes import ExitCode

app = typer.Typer(
    help="The settings: check them, show them, print their schema.",
    rich_help_panel=HelpGroup.RUN,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
)


@app.command()
@command(*RUN)
def check(given: SharedOptions) -> None:
    """Every problem as place key = value: reason. Ends with 78 when there is one."""
    from bot.cli.services import service_lines, service_problems
    from bot.runtime.settings.capital import capital_lines_of
    from bot.runtime.settings.layers import SettingsProblem
    from bot.runtime.settings.model import load_settings
    from bot.runtime.settings.reference import warnings

    try:
        settings = load_settings(given.files, given.assignments)
        if settings.key_problem:
            raise SettingsProblem([settings.key_problem])
        if problems := service_problems(settings):
            raise SettingsProblem(problems)
    except SettingsProblem as error:
        unusable = {"usable": False, "problems": error.problems, "warnings": []}
        common.fail(str(error), ExitCode.CONFIGURATION, as_json=given.as_json, document=unusable)
    result, capital = warnings(settings), capital_lines_of(settings)
    roles = settings.venue.words_for(settings.environment)
    if given.as_json:
        usable = {"usable": True, "problems": [], "warnings": result, "capital": capital, "digest": settings.digest}
        common.print_json(usable | {"venues": roles, "services": service_lines(settings)})
        return
    for message in result:
        typer.echo(f"warning: {message}")
    for message in capital:
        typer.echo(f"capital: {message}")
    for role, words in roles.items():
        typer.echo(f"venue: {role} at {words}")
    for line in service_lines(settings):
        typer.echo(line)
    typer.echo(f"usable: environment {settings.environment}, mode {settings.mode}, digest {settings.digest}")


@app.command()
@command(*RUN)
def show(
    given: SharedOptions,
    with_origin: bool = typer.Option(False, "--origin", help="Name the source of every value."),
) -> None:
    """Every setting in force; secrets as stars."""
    from bot.runtime.settings.model import Sources, redacted, validate
    from bot.runtime.settings.reference import flatten

    layers = Sources(given.files, given.assignments).read()
    settings = validate(layers)
    if given.as_json and not with_origin:
        common.print_json(redacted(settings))
        return
    rows = flatten(settings, layers)
    if given.as_json:
        common.print_json({key: {"value": value, "origin": place} for key, value, place in rows})
        return
    widest = max(len(f"{key} = {value}") for key, value, _ in rows if len(f"{key} = {value}") <= 60)
    for key, value, place in rows:
        typer.echo(f"{key} = {value}".ljust(widest) + f"  {place}" if with_origin else f"{key} = {value}")


@app.command()
@command()
def schema(given: SharedOptions) -> None:  # noqa: ARG001 - it is JSON either way
    """The JSON schema of the settings, for editors."""
    from bot.runtime.settings.reference import settings_schema

    common.print_json(settings_schema())
