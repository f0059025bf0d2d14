"""The whole state of an exchange as rows of JSON-able data, and an exchange's state from such rows.

Orders, trades, statement rows and flows never change once made (an order's later state is another value), so that
whoever stores the rows compares those by identity and writes only what is new.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.brackets import Bracket
from bot.domain.codec import decode, encode
from bot.domain.instrument import Instrument, Side
from bot.simex.engine.flows import Flow, Flows
from bot.simex.engine.margin.requirements import Margin
from bot.simex.engine.state import AccountState, Listing, PositionKey, PositionState, State
from bot.simex.engine.types import Income, ListingStatus, OrderList, PositionSide, SimOrder, SimTrade, SymbolConfig

Key = tuple[str, ...]
_SWITCHES = ("is_halted", "is_delisted", "is_removed", "is_unlisted", "are_prices_frozen")
_COUNTERS = ("last_order_id", "last_trade_id")
_SIDE = "|"  # between a position's symbol and its side
_FORGOTTEN = "has_forgotten"
_MODES = ("is_hedge_mode", "is_multi_assets", "can_trade", "can_withdraw", "can_deposit")


def rows_of(state: State, margin: Margin, flows: Flows) -> Iterator[tuple[Key, Any]]:
    """Everything, as (key, value); a value is an immutable dataclass or JSON-able data."""
    yield ("engine",), {**state.counters(), "now_ms": state.now_ms, "ledger": encode(state.ledger.holdings())}
    yield ("brackets",), encode(margin.changed_brackets)
    yield ("intervals",), {symbol: list(rows) for symbol, rows in state.funding_changes().items()}
    for symbol, listing in state.listings.items():
        yield ("listing", symbol), _listing_row(listing)
    for flow in flows.every():
        yield ("flow", str(flow.id)), flow
    for account in state.accounts.values():
        yield ("account", account.name), _account_row(account)
        for symbol, orders in account.orders.items():
            for order in orders.values():
                yield ("order", account.name, symbol, str(order.id)), order
        for symbol, trades in account.trades.items():
            for trade in trades:
                yield ("trade", account.name, symbol, str(trade.id)), trade
        for income in account.income:
            yield ("income", account.name, str(income.id)), income
        for one in account.lists.values():
            yield ("list", account.name, str(one.id)), one


def restore(state: State, margin: Margin, flows: Flows, rows: Mapping[Key, Any]) -> None:
    """Put a fresh exchange into the state that `rows_of` wrote.

    Raises:
        ValueError: when the rows do not fit this program.
    """
    try:
        _restore(state, margin, flows, rows)
    except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"the stored state does not fit this program: {error!r}") from error


def _restore(state: State, margin: Margin, flows: Flows, rows: Mapping[Key, Any]) -> None:
    engine = rows["engine",]
    state.now_ms = engine["now_ms"]
    state.set_counters(engine)
    for holder, assets in engine["ledger"].items():
        for asset, amount in assets.items():
            state.ledger.put(holder, asset, Decimal(amount))
    for symbol, brackets in rows["brackets",].items():
        margin.set_brackets(symbol, decode(tuple[Bracket, ...], brackets))
    state.set_funding_changes({s: [(at, hours) for at, hours in changes] for s, changes in rows["intervals",].items()})
    for key, row in rows.items():
        if key[0] == "listing":
            _read_listing(state, key[1], row)
        elif key[0] == "flow":
            flows.put(decode(Flow, row))
        elif key[0] == "account":
            state.accounts[key[1]] = _read_account(key[1], row)
    for key, row in _by_number(rows, "order"):
        state.keep(state.accounts[key[1]], decode(SimOrder, row))
    for key, row in _by_number(rows, "trade"):
        state.accounts[key[1]].trades.setdefault(key[2], []).append(decode(SimTrade, row))
    for key, row in _by_number(rows, "income"):
        state.accounts[key[1]].income.append(decode(Income, row))
    for key, row in _by_number(rows, "list"):
        state.accounts[key[1]].keep_list(decode(OrderList, row))
    for account in state.accounts.values():  # the last, because keeping an ended order drops its wait
        account.retry_ms = {(s, int(number)): at for s, number, at in rows["account", account.name]["retry_ms"]}


def _by_number(rows: Mapping[Key, Any], kind: str) -> list[tuple[Key, Any]]:
    result = [(key, row) for key, row in rows.items() if key[0] == kind]
    return sorted(result, key=lambda pair: int(pair[0][-1]))


def _listing_row(listing: Listing) -> dict[str, Any]:
    return {
        "instrument": encode(listing.instrument),
        "status": listing.status.value,
        "taken": {side.value: [str(size), at] for side, (size, at) in listing.taken.items()},
        **{name: getattr(listing, name) for name in (*_COUNTERS, *_SWITCHES)},
    }


def _read_listing(state: State, symbol: str, row: Mapping[str, Any]) -> None:
    listing = state.listings[symbol] = Listing(decode(Instrument, row["instrument"]))
    for name in (*_COUNTERS, *_SWITCHES):
        setattr(listing, name, row[name])
    listing.status = ListingStatus(row["status"])
    listing.taken = {Side(side): (Decimal(size), at) for side, (size, at) in row["taken"].items()}


def _account_row(account: AccountState) -> dict[str, Any]:
    return {
        "quote": account.quote,
        "fee_asset": account.fee_asset,
        "positions": {f"{symbol}{_SIDE}{side}": encode(held) for (symbol, side), held in account.positions.items()},
        "configs": encode(account.configs),
        "countdowns": dict(account.countdowns),
        "retry_ms": [[symbol, number, at] for (symbol, number), at in account.retry_ms.items()],
        "fee_rates": encode(account.fee_rates),
        _FORGOTTEN: account.has_forgotten,
        **{name: getattr(account, name) for name in _MODES},
    }


def _read_account(name: str, row: Mapping[str, Any]) -> AccountState:
    account = AccountState(name, row["quote"], row["fee_asset"])
    positions = {name: decode(PositionState, held) for name, held in row["positions"].items()}
    account.positions = {_read_key(name, held, row["is_hedge_mode"]): held for name, held in positions.items()}
    account.configs = {symbol: decode(SymbolConfig, config) for symbol, config in row["configs"].items()}
    account.countdowns = dict(row["countdowns"])
    account.fee_rates = {symbol: _pair(rates) for symbol, rates in row["fee_rates"].items()}
    for mode in _MODES:
        setattr(account, mode, row[mode])
    account.has_forgotten = row.get(_FORGOTTEN, False)
    return account


def _read_key(name: str, held: PositionState, is_hedge_mode: bool) -> PositionKey:
    """Which position a row is of; rows written before hedge mode had two sides name the symbol alone."""
    symbol, _, side = name.partition(_SIDE)
    return symbol, PositionSide(side) if side else PositionSide.of(held.size, is_hedge_mode=is_hedge_mode)


def _pair(rates: Sequence[str]) -> tuple[Decimal, Decimal]:
    maker, taker = rates
    return Decimal(maker), Decimal(taker)
