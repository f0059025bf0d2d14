"""`sectorbot exchange`: the embedded exchange for clients that are not this bot."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli.common import SharedOptions, command
from bot.cli.grouped_help import HelpGroup
from bot.runtime.exit_codes import CommandFailed, ExitCode


class ClockKind(StrEnum):
    """What the exchange's time is."""

    WALL = "wall"
    OWN = "own"


LatencyOption = Annotated[int, typer.Option(metavar="MS", min=0, help="What a request's way takes, there and back.")]
JitterOption = Annotated[int, typer.Option(metavar="MS", min=0, help="Up to so much more, drawn for each request.")]
DepthOption = Annotated[
    float,
    typer.Option(min=0.0001, max=1000, help="How deep books are; below 1 more orders are filled in parts."),
]
LimitsOption = Annotated[
    float, typer.Option(metavar="FACTOR", min=0.001, help="What every rate limit is multiplied by.")
]
PublicKeyOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME:FILE",
        help="Ed25519 or RSA public key (PEM) of an account that signs with the private one; may be repeated.",
    ),
]
AccountOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME:ASSET=AMOUNT,perp.ASSET=AMOUNT",
        help="An account and what it begins with; may be repeated. Default: main with 10,000 USDT in each wallet.",
    ),
]


@command()
def exchange(  # noqa: PLR0913, PLR0917 - one argument per option
    given: SharedOptions,
    http_port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of plain HTTP; 0 picks one.")] = 0,
    https_port: Annotated[int, typer.Option(min=0, max=65535, help="Of HTTPS; 0 picks one.")] = 0,
    clock: Annotated[ClockKind, typer.Option(help="wall: this machine's time. own: from --start at --speed.")] = (
        ClockKind.WALL
    ),
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day of the exchange's own time.")
    ] = None,
    speed: Annotated[float | None, typer.Option(min=0.001, max=100_000, help="Exchange seconds per second.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic market.")] = 1,
    scenario: Annotated[str, typer.Option(help="golden, risk-off, downtrend or quiet.")] = "golden",
    market: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Real candles instead: a directory of them; needs --start.")
    ] = None,
    tokens: Annotated[str | None, typer.Option(metavar="A,B", help="Which tokens trade; default: 33 of them.")] = None,
    account: AccountOption = None,
    public_key: PublicKeyOption = None,
    faults: Annotated[Path | None, typer.Option(metavar="FILE", help="JSON list of faults (docs/exchange.md).")] = None,
    venue: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Whose wire it speaks, by venue.id; may be repeated."),
    ] = None,
    latency: LatencyOption = 0,
    jitter: JitterOption = 0,
    depth: DepthOption = 1.0,
    limits: LimitsOption = 1.0,
    control: Annotated[
        bool, typer.Option("--control", help="Answer control requests under /simex/, on loopback.")
    ] = False,
    state: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep accounts, keys and prices here over a restart.")
    ] = None,
) -> None:
    """Serve the embedded exchange on loopback until it is stopped. Needs no keys and no network."""
    start_ms = _start_ms(clock, start, speed, market)

    from bot.runtime import logs
    from bot.runtime.simulator.serve import ServeOptions, serve

    logs.configure(level="warning")
    options = ServeOptions(http_port, https_port, start_ms, speed or 1.0, seed, scenario, market)
    chosen: dict[str, Any] = {"faults": faults, "control": control, "state": state}
    chosen |= {"latency_ms": latency, "jitter_ms": jitter, "depth": depth, "limits_scale": limits}
    if tokens is not None:
        chosen["tokens"] = tuple(dict.fromkeys(name.strip().upper() for name in tokens.split(",") if name.strip()))
    if account:
        chosen["accounts"] = tuple(account)
    if venue:
        chosen["venues"] = tuple(dict.fromkeys(venue))
    if public_key:
        chosen["public_keys"] = tuple(public_key)
    serve(replace(options, **chosen), _print_json if given.as_json else _print_guide)


def _start_ms(clock: ClockKind, start: datetime | None, speed: float | None, market: Path | None) -> int | None:
    """Where the exchange's own time begins, None for the wall clock. Raises CommandFailed."""
    if clock is ClockKind.WALL and start is None and speed is None:
        start_ms = None
    elif start is None:
        raise CommandFailed("--clock own and --speed need --start DATE: the first day", ExitCode.USAGE)
    else:
        start_ms = int(start.replace(tzinfo=UTC).timestamp() * 1000)
    if market is not None and start_ms is None:
        raise CommandFailed(f"--market {market} needs --start DATE: its candles lie in the past", ExitCode.USAGE)
    return start_ms


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document))


def _print_guide(document: dict[str, Any]) -> None:
    from bot.runtime.simulator.reach import lines_of

    for line in lines_of(document):
        typer.echo(line)


def add_commands(app: typer.Typer) -> None:
    app.command(rich_help_panel=HelpGroup.TRY)(exchange)
