"""Redaction of secrets in text, by the name of a field, by value and by place in a URL."""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

STARS = "********"
LEAST_LENGTH = 4  # a shorter secret would star out half of every text
_SECRET_KEY = re.compile(
    r"secret|password|passphrase|api_?key|signature|authorization|access-(key|sign)|(access|auth|bearer)_?token|listen_?key",
    re.IGNORECASE,
)
# the headers of several venues, X-…-APIKEY, end as api_key does
_NAMES_IN_TEXT = "signature|api_?key|listenKey|authorization|access-(?:key|sign|passphrase)"
_IN_TEXT = re.compile(
    rf"((?:{_NAMES_IN_TEXT})['\"]?\s*[:=]\s*(?:bearer\s+)?['\"]?)[^&\s'\",}}\])]+",
    re.IGNORECASE,
)


class Redactor:
    """Replaces secrets in log events and texts. `secrets` are the values in use."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if len(secret) >= LEAST_LENGTH}
        forms = known | {quote(secret, safe="") for secret in known} | {repr(secret)[1:-1] for secret in known}
        self._secrets = tuple(sorted(forms, key=len, reverse=True))

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        return {self.text(key): self._clean(key, value) for key, value in event.items()}

    def text(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, STARS)
        return _IN_TEXT.sub(lambda match: match[1] + STARS, text)

    def _clean(self, key: str, value: Any) -> Any:
        if _SECRET_KEY.search(key) and value is not None and not isinstance(value, bool):
            return STARS
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._clean(str(name), item) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean("", item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(value.decode(errors="replace") if isinstance(value, bytes | bytearray) else str(value))
