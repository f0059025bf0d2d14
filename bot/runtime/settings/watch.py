"""Settings that change while the bot runs: looked at by polling, applied only where that is safe (DESIGN §8).

At once: the kill switch and limits that become tighter. After a restart: everything else. A file that cannot be used
keeps what was in force, raises an alert, and still throws the kill switch where one can be read in it.
"""

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog

from bot.domain.states import KillLevel
from bot.risk.limits import TIGHTER, Tighter
from bot.runtime.settings import layers as settings_layers
from bot.runtime.settings.layers import KeyPath, SettingsProblem
from bot.runtime.settings.model import Settings, redacted

_KILL_LINE = re.compile(r"""^\s*kill_switch\s*=\s*["']?([\w\-]+)""", re.MULTILINE)
_log = structlog.get_logger("sectorbot.config")
Alert = Callable[[str, Mapping[str, Any]], None]
Stamp = tuple[tuple[int, int, int] | None, ...]
_PIPE = "is a pipe or a device, which is read at the start only; put a file there to change settings while the bot runs"


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two settings, by dotted key: (before, after), secrets as stars."""

    apply_now: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    needs_restart: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


def diff(old: Settings, new: Settings) -> Changes:
    """Divide what has changed into what is safe at once and what waits for a restart."""
    now: dict[str, tuple[Any, Any]] = {}
    later: dict[str, tuple[Any, Any]] = {}
    if old.kill_switch is not new.kill_switch:
        now["kill_switch"] = (old.kill_switch.value, new.kill_switch.value)
    before, after = (dict(_leaves(redacted(one, with_constants=True), ())) for one in (old, new))
    for path in sorted({*before, *after}):
        pair = (before.get(path), after.get(path))
        if _is_same(*pair) or path == ("kill_switch",):
            continue
        is_safe = len(path) == 2 and path[0] == "risk" and _is_tighter(path[1], old, new)
        (now if is_safe else later)[".".join(path)] = pair
    if new.secret_values() != old.secret_values():
        later.setdefault("venue.api_key", ("********", "********"))
    return Changes(now, later)


def apply(old: Settings, new: Settings, changes: Changes) -> Settings:
    """`old` with what may be applied at once."""
    names = [key.removeprefix("risk.") for key in changes.apply_now if key.startswith("risk.")]
    risk = old.risk.model_copy(update={name: getattr(new.risk, name) for name in names})
    return old.model_copy(update={"risk": risk, "kill_switch": new.kill_switch})


class ConfigWatcher:
    """Looks at the files of the settings in force, from the thread of the kill switch.

    `effective` is what the daemon goes by: read it anew every turn. `alert` is called with an event name and its
    fields, in whatever thread looked.
    """

    def __init__(self, settings: Settings, *, alert: Alert | None = None) -> None:
        self.effective = settings
        self._alert = alert or _to_log
        self._files = settings.sources.watched
        self._stamp = read_stamp(self._files)
        self._unsure: Stamp | None = None
        self._reported: Mapping[str, tuple[Any, Any]] = {}
        self._salvaged = KillLevel.OFF

    def poll(self) -> KillLevel:
        """Take in what has changed since the last look; the level that the configuration asks for."""
        stamp = read_stamp(self._files)
        if stamp != self._stamp:
            self._stamp = stamp
            self._reload(is_sure=False)
        elif stamp == self._unsure:
            self._reload(is_sure=True)
        return max(self.effective.kill_switch, self._salvaged, key=lambda level: level.severity)

    def _reload(self, *, is_sure: bool) -> None:
        """A broken file is believed at the second look only: an editor may have been half-way through writing it."""
        self._unsure = None
        try:
            if pipes := [file for file in self._files if _is_pipe(file)]:
                raise SettingsProblem([f"{file}: {_PIPE}" for file in pipes])
            new = self.effective.sources.load()
        except SettingsProblem as error:
            self._salvaged = max(self._salvaged, self._salvage(is_sure=is_sure), key=lambda level: level.severity)
            if is_sure:
                self._alert("config_refused", {"why": str(error), "kept": "the settings in force"})
            else:
                self._unsure = self._stamp
            return
        self._salvaged = KillLevel.OFF
        changes = diff(self.effective, new)
        self.effective = apply(self.effective, new, changes)
        if changes.apply_now:
            self._alert("config_applied", {"changes": _as_text(changes.apply_now)})
        fresh = {key: pair for key, pair in changes.needs_restart.items() if self._reported.get(key) != pair}
        if fresh:
            self._alert("config_needs_restart", {"changes": _as_text(fresh)})
        self._reported = changes.needs_restart

    def _salvage(self, *, is_sure: bool) -> KillLevel:
        """The kill switch as the files say it, while something in them is wrong.

        As in the flag file, a word that nobody knows means `cancel`, unless it may still be half-written.
        """
        result: Any = None
        for file in filter(lambda file: not _is_pipe(file), self._files):
            try:
                result = settings_layers.read_toml(file).content.get("kill_switch", result)
            except SettingsProblem:
                match = _KILL_LINE.search(_text(file))
                result = match[1] if match else result
        said = str(result).lower()
        word = {"true": "cancel", "false": "off", "none": "off"}.get(said, said)
        if word in set(KillLevel):
            return KillLevel(word)
        return KillLevel.CANCEL if is_sure else KillLevel.OFF


def read_stamp(files: tuple[Path, ...]) -> Stamp:
    """Changes when a file is changed or replaced; None for a missing file."""
    return tuple(_stamp_of(file) for file in files)


def _stamp_of(file: Path) -> tuple[int, int, int] | None:
    try:
        result = file.stat()
    except OSError:
        return None
    return 0 if _waits(result.st_mode) else result.st_mtime_ns, result.st_size, result.st_ino


def _is_pipe(file: Path) -> bool:
    """Whether reading a file may wait, or never end: the thread of the kill switch must do neither. The null device,
    which stands for no file, is always at its end."""
    try:
        return _waits(file.stat().st_mode) and not file.samefile(os.devnull)
    except OSError:
        return False


def _waits(mode: int) -> bool:
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _is_same(before: Any, after: Any) -> bool:
    if before == after:
        return True
    try:
        return Decimal(before) == Decimal(after)  # 1.5 and 1.50 are one number
    except (ArithmeticError, TypeError, ValueError):
        return False


def _is_tighter(name: str, old: Settings, new: Settings) -> bool:
    before, after = getattr(old.risk, name), getattr(new.risk, name)
    way = TIGHTER.get(name)
    return way is not None and bool(after < before if way is Tighter.LOWER else after > before)


def _leaves(value: Any, path: KeyPath) -> list[tuple[KeyPath, Any]]:
    if not isinstance(value, Mapping) or not value:
        return [(path, value)]
    return [leaf for name, inner in value.items() for leaf in _leaves(inner, (*path, str(name)))]


def _as_text(changes: Mapping[str, tuple[Any, Any]]) -> dict[str, str]:
    return {key: f"{before} → {after}" for key, (before, after) in changes.items()}


def _to_log(event: str, fields: Mapping[str, Any]) -> None:
    (_log.error if event == "config_refused" else _log.warning)(event, **fields)
