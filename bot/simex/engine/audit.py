"""Audit: the ledger is compared with itself, and with orders, trades and statement.

The ledger balances by construction; so trades and statement, which are written apart from it, are summed up again.
"""

from collections.abc import Mapping
from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.simex.engine.margin.requirements import Margin
from bot.simex.engine.state import CENT, AccountState, State
from bot.simex.engine.types import ForcedBy, IncomeKind

_LIQUIDATIONS = (ForcedBy.LIQUIDATION, ForcedBy.INSURANCE)


def audit(state: State, margin: Margin) -> Mapping[str, Decimal]:
    """Sum of all holdings by asset, which is what was deposited.

    Raises:
        AssertionError: naming account, asset and both numbers.
    """
    for asset, total in state.ledger.totals().items():
        _agree(f"all holders of {asset}", total, ZERO, ZERO)
    for account in state.accounts.values():
        _audit_locks(state, account)
        if account.has_forgotten:
            continue  # the rest is summed up from what has been forgotten
        _audit_statement(state, account)
        _audit_liquidations(state, account)
        for symbol in account.trades:
            if state.listings[symbol].instrument.is_perp:
                _audit_position(state, account, symbol)
        if not any(p.size for p in account.positions.values()):
            _agree(f"{account.name} isolated margin when flat", margin.isolated_total(account), ZERO, ZERO)
    return state.ledger.deposited()


def _audit_locks(state: State, account: AccountState) -> None:
    expected: dict[str, Decimal] = {}
    for orders in account.open.values():
        for order in orders.values():
            held = state.lock_of(order)
            if held is not None:
                expected[held[0]] = expected.get(held[0], ZERO) + held[1]
    for asset in {*expected, *account.locked}:
        locked = account.locked.get(asset, ZERO)
        _agree(f"{account.name} locked {asset}", locked, expected.get(asset, ZERO), ZERO)
    for asset, amount in state.ledger.assets(account.spot).items():
        if amount < account.locked.get(asset, ZERO) or amount < 0:
            raise AssertionError(f"{account.name} holds {amount} {asset}, locked {account.locked.get(asset, ZERO)}")


def _audit_statement(state: State, account: AccountState) -> None:
    balance = state.ledger.held(account.perp, account.quote)
    _agree(
        f"{account.name} statement",
        sum((r.amount for r in account.income if r.asset == account.quote), ZERO),
        balance,
        ZERO,
    )
    realised = sum((row.amount for row in account.income if row.kind is IncomeKind.REALIZED_PNL), ZERO)
    by_trades = sum((trade.realised_pnl for trades in account.trades.values() for trade in trades), ZERO)
    _agree(f"{account.name} realised profit", realised, by_trades, ZERO)


def _audit_liquidations(state: State, account: AccountState) -> None:
    """A liquidation costs at most the symbol's fee of what it has closed."""
    paid: dict[str, Decimal] = {}
    for row in account.income:
        if row.kind is IncomeKind.INSURANCE_CLEAR and row.symbol and row.amount < 0:
            paid[row.symbol] = paid.get(row.symbol, ZERO) - row.amount
    for symbol, amount in paid.items():
        forced = (o for o in account.orders.get(symbol, {}).values() if o.forced_by in _LIQUIDATIONS)
        closed = [order.filled_quote for order in forced]
        most = sum(closed, ZERO) * state.rules.liquidation_fee_of(symbol) + CENT * len(closed)
        if amount > most:
            raise AssertionError(f"{account.name} paid liquidation fees of {symbol}: {amount}, at most {most}")


def _audit_position(state: State, account: AccountState, symbol: str) -> None:
    contract = state.listings[symbol].instrument.contract_size
    size = cash = realised = ZERO
    for trade in account.trades[symbol]:
        sign = 1 if trade.side is Side.BUY else -1
        size += sign * trade.size
        cash -= sign * trade.size * contract * trade.price
        realised += trade.realised_pnl
    held = [position for _, position in account.sides_of(symbol)]
    _agree(f"{account.name} size of {symbol}", sum((p.size for p in held), ZERO), size, ZERO)
    allowed = CENT * (len(account.trades[symbol]) + 1)
    paid = sum((position.size * contract * position.entry for position in held), ZERO)
    _agree(f"{account.name} profit of {symbol}", realised, cash + paid, allowed)


def _agree(what: str, found: Decimal, expected: Decimal, allowed: Decimal) -> None:
    if abs(found - expected) > allowed:
        raise AssertionError(f"{what}: {found}, expected {expected}")
