"""The numbers a cycle was decided with, kept in the journal beside it, so that `replay` needs no old files.

The models are kept as text: the journal sorts the keys of what it writes, and the order of the tokens in the settings
is the order of the legs.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from bot.journal.journal import Journal
from bot.journal.reader import JournalReader
from bot.playbook.policy.numbers import Policy, Sectors
from bot.risk import Limits
from bot.runtime.settings.model import Settings

KIND = "config"
KEPT_MAX = 1_000


async def record_config(journal: Journal, settings: Settings, policy: Policy) -> None:
    """Write the configuration unless it is the last one written. `policy` is the playbook as the cycle uses it.

    Raises:
        JournalError: when it cannot be written.
    """
    content = {
        "digest": settings.digest,
        "environment": settings.environment,
        "mode": settings.mode,
        "playbook": policy.model_dump_json(),
        "universe": settings.universe.model_dump_json(),
        "risk": settings.risk.model_dump_json(),
    }
    last = journal.reader.load_facts(KIND, limit=1)
    if not last or last[0].payload != content:
        await journal.record_fact(KIND, content)


def load_config(reader: JournalReader, digest: str | None = None) -> Mapping[str, Any] | None:
    """The newest configuration in the journal, or the newest with that digest."""
    for fact in reader.load_facts(KIND, limit=KEPT_MAX if digest else 1):
        if digest is None or fact.payload.get("digest") == digest:
            return fact.payload
    return None


def numbers_of(reader: JournalReader, digest: str) -> tuple[Policy, Sectors] | None:
    """Playbook and sectors of the configuration with that digest."""
    content = load_config(reader, digest)
    if content is None:
        return None
    return Policy.model_validate(_read(content["playbook"])), Sectors.model_validate(_read(content["universe"]))


def limits_of(reader: JournalReader, digest: str) -> Limits | None:
    """The gate's limits of the configuration with that digest, as tightened while it ran."""
    content = load_config(reader, digest)
    return None if content is None else Limits.model_validate(_read(content["risk"]))


def _read(written: Any) -> Any:
    """Journals of older versions hold a mapping, in the order of its keys."""
    return orjson.loads(written) if isinstance(written, str) else written
