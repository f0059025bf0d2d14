"""What all commands share: the options that name settings, each declared once, and one line instead of a traceback.

Errors of sectorbot are recognised by the names of their classes, because importing their modules would cost every
command the time that only some need.
"""

import errno
import getpass
import inspect
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NoReturn, Protocol, TypeVar

import typer

from bot.runtime.exit_codes import CommandFailed, ExitCode
from bot.runtime.redaction import Redactor

Config = Annotated[
    list[Path] | None,
    typer.Option("--config", "-c", metavar="FILE", help="Settings file over the defaults; may be repeated."),
]
Assign = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="One setting, such as risk.gross_max=1.5; may be repeated."),
]
Environment = Annotated[
    str | None,
    typer.Option("--environment", "-e", metavar="sim|testnet|mainnet", help="Same as --set environment=…"),
]
Mode = Annotated[str | None, typer.Option("--mode", metavar="dry-run|trade", help="Same as --set mode=…")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JournalPath = Annotated[
    Path | None, typer.Option("--journal", metavar="PATH", help="Read this journal instead of the configured one.")
]
State = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="State directory; default: as far as the configuration can be read."),
]
CODES = {
    "SettingsProblem": ExitCode.CONFIGURATION,
    "SetupFailed": ExitCode.CONFIGURATION,
    "Unavailable": ExitCode.TIMEOUT,
    "JournalError": ExitCode.ERROR,
    "CommandFailed": ExitCode.ERROR,
    "OSError": ExitCode.ERROR,
}


_FILE_ERRORS = {
    errno.EISDIR: "is a folder, where a file is meant; remove it or name a file",
    errno.EEXIST: "is a file, where a folder is meant; remove it or name a folder",
    errno.ENOTDIR: "leads through a file, where a folder is meant; remove that or name another path",
    errno.EACCES: "may not be used by this user; change its rights, or run as its owner",
    errno.EPERM: "may not be used by this user; change its rights, or run as its owner",
    errno.EROFS: "is on a disk that cannot be written; mount it for writing",
    errno.ENOSPC: "cannot be written, the disk is full; free space",
    errno.EDQUOT: "cannot be written, the quota of this user is used up; free space",
    errno.ENOENT: "is not there; name one that is",
}


class SettingsLike(Protocol):
    """What commands ask of settings whose module they have not loaded."""

    @property
    def key_problem(self) -> str: ...


Checked = TypeVar("Checked", bound=SettingsLike)


SETTINGS = ("config", "assign")
RUN = (*SETTINGS, "environment", "mode")
_SHARED: Mapping[str, tuple[Any, Any]] = {
    "journal": (JournalPath, None),
    "state": (State, None),
    "config": (Config, None),
    "assign": (Assign, None),
    "environment": (Environment, None),
    "mode": (Mode, None),
    "as_json": (Json, False),
}


@dataclass(frozen=True, slots=True)
class SharedOptions:
    """The shared options of a command line: settings, journal, state directory, and whether to print JSON."""

    files: tuple[Path, ...] = ()
    assignments: tuple[str, ...] = field(default=())
    journal: Path | None = None
    state: Path | None = None
    as_json: bool = False

    def and_also(self, options: Mapping[str, Any]) -> "SharedOptions":
        """More of them, each stronger than what was there."""
        named = [f"{key}={options[key]}" for key in ("environment", "mode") if options.get(key) is not None]
        return SharedOptions(
            (*self.files, *(options.get("config") or ())),
            (*self.assignments, *(options.get("assign") or ()), *named),
            options.get("journal"),
            options.get("state"),
            bool(options.get("as_json")),
        )


def command(*shared: str, json_help: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare a command with the shared options of these names and `--json`.

    The function gets them as `given`, its first argument, on top of those that stand before the command; its other
    arguments are options of its own. It runs inside `one_line_errors`.
    """

    def declare(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def run(context: typer.Context, **values: Any) -> None:
            before = context.obj if isinstance(context.obj, SharedOptions) else SharedOptions()
            given = before.and_also({name: values.pop(name) for name in (*shared, "as_json")})
            with one_line_errors(as_json=given.as_json):
                function(given, **values)

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
        parameters += [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
        for name in (*shared, "as_json"):
            kind, default = _SHARED[name]
            if name == "as_json" and json_help:
                kind = Annotated[bool, typer.Option("--json", help=json_help)]
            parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default))
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        run.is_command = True  # type: ignore[attr-defined]
        return run

    return declare


def commands_of(module: str) -> list[Callable[..., None]]:
    """The functions of a module that `command` has declared, in the order of the module."""
    return [one for one in vars(sys.modules[module]).values() if getattr(one, "is_command", False)]


@contextmanager
def one_line_errors(*, as_json: bool = False) -> Iterator[None]:
    """Ends the command with its exit code; errors of the user's making become one line on standard error."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except typer.Exit:
        raise
    except Exception as error:
        names = [kind.__name__ for kind in type(error).__mro__]
        code = next((CODES[name] for name in names if name in CODES), None)
        if code is None:
            raise
        said = file_problem(error) if isinstance(error, OSError) else str(error)
        fail(said, getattr(error, "code", code), as_json=as_json)


def file_problem(error: OSError) -> str:
    """Which file, what is wrong with it and what to do; the system's words where these say what no table has."""
    path = error.filename2 or error.filename
    return f"{path} {_FILE_ERRORS[error.errno]}" if path and error.errno in _FILE_ERRORS else str(error)


def fail(message: str, code: ExitCode, *, as_json: bool = False, document: Mapping[str, Any] | None = None) -> NoReturn:
    """Say it on standard error, for `--json` on standard output as well, and end."""
    message = Redactor(()).text(message)
    typer.echo(f"sectorbot: {message}", err=True)
    if as_json:
        print_json({**(document or {}), "error": message, "exit_code": int(code)})
    raise typer.Exit(int(code)) from None


def tradeable(settings: Checked) -> Checked:
    """The settings, when they hold the keys that their mode needs: nobody waits for the network to learn that.

    Raises:
        CommandFailed: the keys are missing.
    """
    if settings.key_problem:
        raise CommandFailed(settings.key_problem, ExitCode.CONFIGURATION)
    return settings


def operator() -> str:
    """Who calls this command: the user and the machine."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a container's user without a name
        return f"user {os.getuid()}@{socket.gethostname()}"


def print_json(document: Mapping[str, Any] | list[Any]) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def print_result(message: str, document: Mapping[str, Any], *, as_json: bool) -> None:
    """One line, or the document of `--json`."""
    if as_json:
        print_json(document)
    else:
        typer.echo(message)


def require_extra(package: str, extra: str, otherwise: str) -> None:
    """Check that an optional package is installed.

    Args:
        extra: the extra of this project that holds it.
        otherwise: what can be done without it.

    Raises:
        CommandFailed: it is not.
    """
    if find_spec(package) is None:
        remedy = f"run `make data` in the checkout, or `pip install '.[{extra}]'`; {otherwise}"
        raise CommandFailed(f"this needs the package {package}: {remedy}")
