"""The file of `sectorbot dashboard --bots FILE`: bots of this machine by their state directory, others by the address
of their own dashboard."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.operate.dashboard.source import BotSource, make_source
from bot.runtime.settings.layers import SettingsProblem, read_toml
from bot.runtime.settings.model import load_settings

_NAME = re.compile(r"[A-Za-z0-9_\-]{1,40}")
_KEYS = frozenset({"state", "config", "url", "token_file"})


@dataclass(frozen=True, slots=True)
class RemoteBot:
    """A bot whose own dashboard answers at `url`."""

    name: str
    url: str
    token_file: Path | None = None

    def load_token(self) -> str:
        """The token for its API; empty where none is named.

        Raises:
            OSError: the file cannot be read.
        """
        return self.token_file.read_text(encoding="utf-8").strip() if self.token_file else ""


def read_bots(file: Path) -> tuple[Sequence[BotSource], Sequence[RemoteBot]]:
    """The bots of a file, in its order. Relative paths count from the file's directory.

    Raises:
        SettingsProblem: the file, or the configuration of one of the bots, cannot be used.
    """
    layer = read_toml(file)
    bots = layer.content.get("bots")
    unknown = sorted(set(layer.content) - {"bots"})
    if unknown or not isinstance(bots, Mapping) or not bots:
        what = f"unknown key {unknown[0]}" if unknown else "it names no bot"
        raise SettingsProblem([f'{file}: {what}; write [bots.NAME] with state = "DIR" or url = "http://…"'])
    sources: list[BotSource] = []
    remotes: list[RemoteBot] = []
    problems: list[str] = []
    for name, entry in bots.items():
        if problem := _problem(name, entry):
            problems.append(f"{layer.place(('bots', name))}: bots.{name}: {problem}")
        elif "url" in entry:
            token = entry.get("token_file")
            remotes.append(RemoteBot(name, entry["url"], file.parent / token if token else None))
        else:
            files = [file.parent / entry["config"]] if "config" in entry else []
            settings = load_settings(files, [f'state_directory="{(file.parent / entry["state"]).absolute()}"'])
            sources.append(make_source(settings, name=name))
    if problems:
        raise SettingsProblem(problems)
    return sources, remotes


def _problem(name: str, entry: Any) -> str:
    if not _NAME.fullmatch(name):
        return "the name is part of addresses: use letters, digits, - and _"
    if not isinstance(entry, Mapping) or not all(isinstance(value, str) for value in entry.values()):
        return 'write [bots.NAME] with state = "DIR" or url = "http://…"'
    if unknown := sorted(set(entry) - _KEYS):
        return f"unknown key {unknown[0]}; known are {', '.join(sorted(_KEYS))}"
    if ("state" in entry) == ("url" in entry):
        return "give either state, a state directory, or url, the address of another dashboard"
    if "url" in entry and (
        urlsplit(entry["url"]).scheme not in {"http", "https"} or not urlsplit(entry["url"]).hostname
    ):
        return f"url = {entry['url']!r} is no address; write http://HOST:PORT/"
    return ""
