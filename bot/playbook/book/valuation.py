"""The account at the prices of a snapshot."""

from bot.domain.market import Snapshot
from bot.domain.money import ZERO
from bot.domain.portfolio import Account
from bot.domain.turn.valuation import PerpValue, SpotValue, Valuation
from bot.playbook.book.portfolio import asset_price
from bot.playbook.policy.membership import Sectors


def value_account(account: Account, snapshot: Snapshot, sectors: Sectors, condition: str = "") -> Valuation:
    """Every holding with its price, and the prices of the sectors' other tokens. Equity is what `build_portfolio` makes
    of the same account and snapshot: assets without a price count nothing there, and perps that settle in another
    currency neither."""
    spot, unpriced = {}, {}
    for asset, balance in account.balances.items():
        price = None if asset == account.quote else asset_price(asset, snapshot, sectors)[0]
        if price is not None and balance.total > 0:
            spot[asset] = SpotValue(balance.total, price)
        elif balance.total > 0 and asset in sectors.tokens:
            unpriced[asset] = balance.total
    perps = {
        symbol: PerpValue(held.size, held.entry_price, held.mark_price, held.unrealised_pnl)
        for symbol, held in account.positions.items()
        if held.size and held.settles_in in ("", account.quote)
    }
    wallet = ZERO if account.is_unified else account.perp_wallet
    held = sum((value.size * value.price for value in spot.values()), ZERO) + account.unrealised_pnl
    return Valuation(
        at_ms=account.at_ms,
        quote=account.quote,
        equity=account.cash + wallet + held,
        cash=account.cash,
        wallet=wallet,
        spot=spot,
        perps=perps,
        condition=condition,
        is_unified=account.is_unified,
        unpriced=unpriced,
        prices={
            token: price
            for token in sectors.tokens
            if token not in spot and (price := snapshot.price(sectors.spot(token))) is not None
        },
    )
