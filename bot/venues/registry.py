"""The venues that the bot knows, the folder of each, and what is refused because a venue cannot do it."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from bot.domain.instrument import Kind
from bot.venues.abilities import Abilities, OrderForm

FOLDERS: Mapping[str, str] = {
    path.parent.name: f"bot.venues.{path.parent.name}" for path in sorted(Path(__file__).parent.glob("*/profiles.py"))
}
"""Venue id, as the settings name it, to the folder that states its `ABILITIES` and whose `adapter` module holds an
`ADAPTER`: every folder beside this module that has a profile."""

Needs = Mapping[tuple[Kind, OrderForm], str]
"""Orders that settings ask for, and the setting that does."""


def abilities_of(venue_id: str) -> Abilities:
    """What a venue can do. The modules of its folder are not loaded for it.

    Raises:
        KeyError: the id is not in `FOLDERS`.
    """
    result: Abilities = import_module(FOLDERS[venue_id]).ABILITIES
    return result


def problem_of(
    venue_id: str,
    *,
    environment: str,
    spot_testnet: bool,
    demo: bool,
    needs: Needs,
    streams: bool = False,
    secret: str = "",
    has_maintenance: bool = True,
) -> str:
    """Why the venue cannot be used like that and what to set instead; empty when it can.

    Args:
        has_maintenance: the settings say what maintenance margin perps ask for.
    """
    abilities = abilities_of(venue_id)
    if abilities.has_passphrase and secret and "," not in secret:
        return f"api_secret: a key of {venue_id} has a passphrase; give api_secret as SECRET,PASSPHRASE"
    if spot_testnet and not abilities.has_spot_testnet:
        return f"venue.spot_testnet: {venue_id} has no test network for spot alone; leave it out"
    if demo and not abilities.has_demo:
        return f"venue.demo: {venue_id} has no demo trading beside its test network; leave it out"
    if demo and environment != "testnet":
        return f'venue.demo: demo trading is a test environment; use environment = "testnet", not {environment!r}'
    if streams and not abilities.has_streams:
        return f"venue.streams: the streams of {venue_id} are not understood; leave it out"
    for kind in dict.fromkeys(kind for kind, _ in needs if environment == "testnet" and not spot_testnet):
        if not abilities.test_kinds:
            return (
                f'environment = "testnet": {venue_id} has no test environment; use environment = "mainnet" with '
                'mode = "dry-run", which reads its real market and sends nothing, or environment = "sim"'
            )
        if kind not in abilities.test_kinds:
            return (
                f'environment = "testnet": the test environment of {venue_id} has no {kind.value}; trade {kind.value} '
                f'at another venue (venue.{kind.value}.id), or use environment = "sim"'
            )
    for (kind, form), setting in needs.items():
        if not abilities.takes(kind, form):
            return f"{setting} needs {form} on {kind.value}, and {venue_id} has none"
    is_untold = not abilities.reports_maintenance and environment != "sim" and not has_maintenance
    if is_untold and any(kind is Kind.PERP for kind, _ in needs):
        return (
            f"risk.maintenance_rate: {venue_id} does not report what maintenance margin its perps ask for; set it to "
            "the highest rate that the venue's pages name for the perps and sizes that you trade, above the default, "
            "or trade perps at another venue (venue.perp.id)"
        )
    return ""


def unasked_perps(venue_id: str, uses: Sequence[str]) -> str:
    """Why settings that use perps cannot be, where the venue has perps only for those who ask, and what to do.

    Args:
        uses: what to set so that no perp is needed.
    """
    return (
        f'perps are traded at {venue_id} only where venue.perp.id = "{venue_id}" asks for them (see docs/venues.md '
        f"first); name another venue for perps (venue.perp.id), or do without them: {', '.join(uses)}"
    )
