"""The capital that the settings need at their venue, as far as it is known without a connection."""

from bot.domain.instrument import Kind
from bot.domain.symbol import base_of
from bot.playbook.book.minimum_capital import CapitalNeed, capital_lines, capital_needs
from bot.runtime.settings.model import Settings
from bot.venues.registry import abilities_of


def known_needs(settings: Settings) -> tuple[CapitalNeed, ...]:
    """By the least orders that are known of the exchange."""
    of_spot, of_perps = (
        abilities_of(settings.venue.account_of(kind).id).least_orders for kind in (Kind.SPOT, Kind.PERP)
    )
    sectors = settings.universe
    minimums = dict.fromkeys(sectors.spot_symbols, of_spot.spot)
    minimums |= {symbol: of_perps.perps.get(base_of(symbol), of_perps.perp) for symbol in sectors.perp_symbols}
    return capital_needs(settings.playbook.sized_by(settings.risk.sizing), sectors, minimums)


def capital_lines_of(settings: Settings) -> list[str]:
    """What a dry-run's own book cannot trade; else from which book on everything trades."""
    needs = known_needs(settings)
    is_paper = settings.mode == "dry-run" and not all(account.has_keys for account in settings.venue.accounts)
    short = capital_lines(needs, settings.paper.book_quote, settings.universe.quote) if is_paper else []
    return short or capital_lines(needs, None, settings.universe.quote)
