"""`sectorbot cost`: what older holdings were paid for, from a file or from the venue's trades, as a fact of the journal
that later starts go by."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from bot.domain.money import ZERO
from bot.domain.symbol import base_of
from bot.feeds.cost_basis import older_cost
from bot.journal.reader import JournalReader
from bot.ports import SetupFailed, Unavailable, Venue, defects_of
from bot.runtime.settings.chosen_journal import open_to_write
from bot.runtime.settings.cost_basis import CostBasis, read_cost_file
from bot.runtime.settings.model import Settings

COST_IMPORTED, COST_FETCHED = "cost_imported", "cost_fetched"


@dataclass(frozen=True, slots=True)
class FetchedCost:
    """What the venue's trades say of one token: how much of it is `older` than the journal, the part whose cost is
    known by them, and why that is not taken, empty where it is."""

    token: str
    older: Decimal
    basis: CostBasis | None = None
    refusal: str = ""

    @property
    def size(self) -> Decimal:
        return self.basis.size if self.basis is not None else ZERO


def import_costs(settings: Settings, path: Path) -> Mapping[str, CostBasis]:
    """Read a file and write it down; it replaces what was imported before.

    Raises:
        CostFileError: the file cannot be used; nothing is written.
        JournalError: the journal cannot be written, for instance because the bot runs.
    """
    result = read_cost_file(path, settings.universe.tokens)
    asyncio.run(_write(settings, result, path.name))
    return result


async def fetch_costs(settings: Settings, venue: Venue, since_ms: int) -> tuple[FetchedCost, ...]:
    """Read the trades of what is held of the listed tokens and write down the cost that is known by them.

    What they explain in part only is left to `[cost_basis]` or an imported file where one names the token.

    Args:
        venue: the account of the settings; it is opened, read and closed.
        since_ms: the beginning of the history that is asked for.

    Raises:
        SetupFailed: the settings are of a paper account, or the venue cannot be used as configured; nothing is written.
        Unavailable: an answer is missing or cannot be read whole; nothing is written.
        JournalError: the journal cannot be written, for instance because the bot runs.
    """
    if settings.mode != "trade":
        raise SetupFailed(
            f"mode = {settings.mode}: trades of the real account say nothing about what a paper account holds; set "
            "mode=trade, or state the cost in a file: sectorbot cost import FILE"
        )
    async with open_to_write(settings) as journal:
        try:
            await venue.open()
            found = await _read_costs(settings, venue, journal.reader, since_ms)
        finally:
            await venue.close()
        costs = {one.token: one.basis for one in found if one.basis is not None and not one.refusal}
        payload = {token: {"size": str(basis.size), "price": str(basis.price)} for token, basis in costs.items()}
        await journal.record_fact(COST_FETCHED, {"since_ms": since_ms, "costs": payload})
    return found


async def _read_costs(
    settings: Settings, venue: Venue, reader: JournalReader, since_ms: int
) -> tuple[FetchedCost, ...]:
    account = await venue.fetch_account()
    fills = [fill for fill, _ in reader.load_fills_after(0, 0)]
    stated = {**settings.cost_basis, **_costs_of(reader, COST_IMPORTED)}
    found = []
    for symbol in await venue.fetch_instruments(settings.universe.spot_symbols):
        token, balance = base_of(symbol), account.balances.get(base_of(symbol))
        if balance is None or balance.total <= 0:
            continue
        trades = await venue.fetch_fills(symbol, since_ms)
        if defects := defects_of(trades):
            raise Unavailable(f"a trade of {symbol} cannot be read ({defects[0][1]}); state its cost in a file")
        cost, older = older_cost(symbol, balance.total, trades, [fill for fill in fills if fill.symbol == symbol])
        if older <= 0:
            continue
        basis = CostBasis(size=cost.size, price=cost.value_quote / cost.size) if cost is not None else None
        is_stated = basis is not None and basis.size < older and token in stated
        found.append(FetchedCost(token, older, basis, "its stated cost stays" if is_stated else ""))
    return tuple(found)


async def _write(settings: Settings, found: Mapping[str, CostBasis], name: str) -> None:
    costs = {token: {"size": str(one.size), "price": str(one.price)} for token, one in found.items()}
    async with open_to_write(settings) as journal:
        await journal.record_fact(COST_IMPORTED, {"file": name, "costs": costs})


def given_costs(settings: Settings, reader: JournalReader) -> Mapping[str, CostBasis]:
    """The setting `cost_basis`, over which the last imported file and the last fetched trades go token by token, the
    younger of them over the other."""
    facts = [fact for kind in (COST_IMPORTED, COST_FETCHED) for fact in reader.load_facts(kind, limit=1)]
    kinds = [fact.kind for fact in sorted(facts, key=lambda fact: fact.seq)]
    result = dict(settings.cost_basis)
    for kind in kinds:
        result |= _costs_of(reader, kind)
    return result


def _costs_of(reader: JournalReader, kind: str) -> dict[str, CostBasis]:
    facts = reader.load_facts(kind, limit=1)
    costs = facts[0].payload["costs"] if facts else {}
    return {token: CostBasis.model_validate(one) for token, one in costs.items()}
