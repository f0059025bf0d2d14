"""What runs: the names by which a log line or a journal can be traced to code, configuration and place."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bot import __version__
from bot.runtime.settings.model import Settings


def started(settings: Settings) -> Mapping[str, str]:
    """Version, digest of the code, digest of the configuration, and where it trades. Nothing in it is a secret."""
    return {
        "version": __version__,
        "code": code_digest(),
        "config": settings.digest,
        "venue": settings.venue.name,
        "account": settings.venue.account,
        "environment": settings.environment,
        "mode": settings.mode,
    }


@cache
def code_digest() -> str:
    """Sixteen hex digits over every module of the bot: a machine that was not updated shows another one."""
    root = Path(__file__).resolve().parent.parent
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]
