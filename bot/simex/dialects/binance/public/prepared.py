"""Lists of instruments, made and written once for each state of the listings: the longest answers of all."""

import json
from collections.abc import Callable, Hashable, Mapping
from typing import Any

_TIME = "serverTime"
_MOST = 64


class PreparedObject(dict[str, Any]):
    """A JSON object that has been written already. Nobody may change it."""

    def __init__(self, content: Mapping[str, Any], text: str) -> None:
        super().__init__(content)
        self.text = text


class PreparedLists:
    """Answers by what was asked. They are valid for one state of the listings and dropped at the next."""

    def __init__(self) -> None:
        self._state: Hashable = None
        self._made: dict[Hashable, tuple[Mapping[str, Any], str, str]] = {}

    def answer(
        self, state: Hashable, asked: Hashable, now_ms: int, make: Callable[[], Mapping[str, Any]]
    ) -> PreparedObject:
        """The answer with the time of now in it, made anew where state or question are new."""
        if state != self._state:
            self._state = state
            self._made.clear()
        found = self._made.get(asked)
        if found is None:
            if len(self._made) >= _MOST:
                self._made.clear()
            content: Mapping[str, Any] = {**make(), _TIME: 0}
            before, after = json.dumps(content, separators=(",", ":")).split(f'"{_TIME}":0', 1)
            found = self._made[asked] = content, f'{before}"{_TIME}":', after
        content, before, after = found
        return PreparedObject({**content, _TIME: now_ms}, f"{before}{now_ms}{after}")
