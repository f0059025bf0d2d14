"""`sectorbot cost import`: what older holdings were paid for, as a fact of the journal that later starts go by."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from bot.journal.reader import JournalReader
from bot.runtime.settings.chosen_journal import open_to_write
from bot.runtime.settings.cost_basis import CostBasis, read_cost_file
from bot.runtime.settings.model import Settings

COST_IMPORTED = "cost_imported"


def import_costs(settings: Settings, path: Path) -> Mapping[str, CostBasis]:
    """Read a file and write it down; it replaces what was imported before.

    Raises:
        CostFileError: the file cannot be used; nothing is written.
        JournalError: the journal cannot be written, for instance because the bot runs.
    """
    result = read_cost_file(path, settings.universe.tokens)
    asyncio.run(_write(settings, result, path.name))
    return result


async def _write(settings: Settings, found: Mapping[str, CostBasis], name: str) -> None:
    costs = {token: {"size": str(one.size), "price": str(one.price)} for token, one in found.items()}
    async with open_to_write(settings) as journal:
        await journal.record_fact(COST_IMPORTED, {"file": name, "costs": costs})


def given_costs(settings: Settings, reader: JournalReader) -> Mapping[str, CostBasis]:
    """The setting `cost_basis`, over which the last imported file goes token by token."""
    facts = reader.load_facts(COST_IMPORTED, limit=1)
    imported = facts[0].payload["costs"] if facts else {}
    return {**settings.cost_basis, **{token: CostBasis.model_validate(one) for token, one in imported.items()}}
