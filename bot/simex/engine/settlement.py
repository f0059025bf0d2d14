"""What a fill, a funding payment and a transfer do to wallets and positions. The only writer of the ledger."""

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.money import ONE, ZERO
from bot.simex.engine.ledger import CONVERSIONS, DEPOSITS, FEES, FUNDING, INSURANCE, MARKET
from bot.simex.engine.margin.requirements import Margin
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.state import CENT, AccountState, PositionState, State
from bot.simex.engine.types import EventKind, IncomeKind, OrderStatus, PositionSide, SimOrder, SimTrade


@dataclass(frozen=True, slots=True)
class Execution:
    """Price, size and role of one fill. `by_fund`: the insurance fund is the other side, without a fee."""

    price: Decimal
    size: Decimal
    is_maker: bool
    by_fund: bool = False
    is_free: bool = False


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_EVEN)


class Settlement:
    """Books fills, funding and transfers to wallets and positions."""

    def __init__(self, state: State, margin: Margin) -> None:
        self._state, self._margin = state, margin

    def fill(self, account: AccountState, order: SimOrder, execution: Execution) -> tuple[SimOrder, SimTrade]:
        """Book one fill: wallets, position, trade, the order's progress, events."""
        state = self._state
        listing = state.listings[order.symbol]
        listing.last_trade_id += 1
        settle = self._perp if listing.instrument.is_perp else self._spot
        trade = settle(account, order, execution, listing.instrument, listing.last_trade_id)
        trades = account.trades.setdefault(order.symbol, [])
        trades.append(trade)
        state.cut(account, trades)
        filled = order.filled_size + trade.size
        order = replace(
            order,
            filled_size=filled,
            filled_quote=order.filled_quote + trade.quote,
            status=OrderStatus.FILLED if filled >= order.size > 0 else OrderStatus.PARTIALLY_FILLED,
            updated_ms=state.now_ms,
        )
        state.keep(account, order)
        state.emit(EventKind.ORDER_FILLED, account.name, order.symbol, order=order, trade=trade)
        wallet = EventKind.PERP_WALLET if listing.instrument.is_perp else EventKind.SPOT_WALLET
        state.emit(wallet, account.name, order.symbol, reason="order", side=order.position_side)
        return order, trade

    def pay_funding(self, symbol: str, rate: Decimal) -> None:
        """Settle funding of a symbol for every position: size · mark · rate, longs pay when the rate is positive."""
        state = self._state
        listing, mark = state.listings[symbol], state.mark(symbol)
        held = [(a, side, position) for a in state.accounts.values() for side, position in a.sides_of(symbol)]
        for account, side, position in held:
            amount = cents(-position.size * listing.instrument.contract_size * mark * rate)
            state.ledger.move(account.quote, FUNDING, account.perp, amount)
            if state.config(account, symbol).is_isolated:
                position.isolated_wallet += amount
            state.write_income(account, IncomeKind.FUNDING_FEE, amount, symbol)
            state.emit(EventKind.PERP_WALLET, account.name, symbol, reason="funding", amount=amount, side=side)

    def deposit(self, account: AccountState, asset: str, amount: Decimal, *, to_perp: bool) -> None:
        """Money from outside; nothing happens for 0.

        Raises:
            Refusal: the amount is negative or no number.
        """
        state = self._state
        if not amount.is_finite() or amount < 0:
            raise Refusal(RefusalReason.BAD_REQUEST, f"a deposit of {amount} {asset} is not possible")
        if not amount:
            return
        state.ledger.move(asset, DEPOSITS, account.perp if to_perp else account.spot, amount)
        if to_perp:
            state.write_income(account, IncomeKind.TRANSFER, amount, asset=asset)

    def transfer(self, account: AccountState, amount: Decimal, *, to_perp: bool) -> int:
        """Quote money from one wallet to the other. Returns the number of the transfer.

        Raises:
            Refusal: the amount is not above 0, or not so much is free.
        """
        state = self._state
        if not amount.is_finite() or amount <= 0:
            raise Refusal(RefusalReason.BAD_REQUEST, f"a transfer of {amount} is not possible")
        free = state.free(account, account.quote) if to_perp else self._margin.wallet(account).transferable
        if amount > free:
            raise Refusal(RefusalReason.INSUFFICIENT_BALANCE, f"transfer of {amount}, free are {free}")
        giver, taker = (account.spot, account.perp) if to_perp else (account.perp, account.spot)
        state.ledger.move(account.quote, giver, taker, amount)
        number = state.write_income(account, IncomeKind.TRANSFER, amount if to_perp else -amount)
        signed = amount if to_perp else -amount
        state.emit(EventKind.SPOT_WALLET, account.name, reason="transfer", amount=-signed)
        state.emit(EventKind.PERP_WALLET, account.name, reason="transfer", amount=signed)
        return number

    def convert(self, account: AccountState, was: str, becomes: str, ratio: Decimal) -> None:
        """All of an asset for `ratio` times as much of another, to the last digit that is kept."""
        ledger = self._state.ledger
        held = ledger.held(account.spot, was)
        if held > 0:
            ledger.move(was, account.spot, CONVERSIONS, held)
            ledger.move(becomes, CONVERSIONS, account.spot, (held * ratio).quantize(CENT, rounding=ROUND_DOWN))
            self._state.emit(EventKind.SPOT_WALLET, account.name, reason="converted", amount=-held)

    def clear(
        self, account: AccountState, symbol: str, amount: Decimal, side: PositionSide = PositionSide.BOTH
    ) -> None:
        """Money between the insurance fund and a perp wallet; negative: the account pays."""
        if amount:
            state = self._state
            state.ledger.move(account.quote, INSURANCE, account.perp, amount)
            state.write_income(account, IncomeKind.INSURANCE_CLEAR, amount, symbol)
            state.emit(EventKind.PERP_WALLET, account.name, symbol, reason="insurance_clear", amount=amount, side=side)

    def _spot(
        self, account: AccountState, order: SimOrder, execution: Execution, instrument: Instrument, number: int
    ) -> SimTrade:
        ledger, size = self._state.ledger, execution.size
        quote = size * execution.price
        sign = order.side.sign
        ledger.move(instrument.base, MARKET, account.spot, sign * size)
        ledger.move(instrument.quote, account.spot, MARKET, sign * quote)
        fee, fee_asset = self._spot_fee(account, order.side, execution, instrument, quote)
        ledger.move(fee_asset, account.spot, FEES, fee)
        return SimTrade(
            id=number,
            order_id=order.id,
            client_id=order.client_id,
            symbol=order.symbol,
            side=order.side,
            price=execution.price,
            size=size,
            quote=quote,
            fee=fee,
            fee_asset=fee_asset,
            is_maker=execution.is_maker,
            at_ms=self._state.now_ms,
        )

    def _spot_fee(
        self, account: AccountState, side: Side, execution: Execution, instrument: Instrument, quote: Decimal
    ) -> tuple[Decimal, str]:
        state = self._state
        rate = state.fee_rate(account, instrument.symbol, is_maker=execution.is_maker)
        asset = account.fee_asset
        if asset is not None and asset not in (instrument.base, instrument.quote):
            price = self._fee_price(asset, instrument.quote)
            if price is not None:
                fee = cents(quote * rate * (ONE - state.rules.fee_discount) / price)
                if fee <= state.free(account, asset):
                    return fee, asset
        received, asset = (execution.size, instrument.base) if side is Side.BUY else (quote, instrument.quote)
        return (received * rate).quantize(CENT, rounding=ROUND_DOWN), asset

    def _fee_price(self, asset: str, quote: str) -> Decimal | None:
        symbol = f"{asset}/{quote}"
        return self._state.mid(symbol) if symbol in self._state.listings and self._state.is_open(symbol) else None

    def _perp(
        self, account: AccountState, order: SimOrder, execution: Execution, instrument: Instrument, number: int
    ) -> SimTrade:
        state, symbol = self._state, order.symbol
        position = account.positions.setdefault((symbol, order.position_side), PositionState())
        config = state.config(account, symbol)
        quote = instrument.notional(execution.size, execution.price)
        closing = min(execution.size, abs(position.size)) if position.size * order.side.sign < 0 else ZERO
        profit = self._close(position, closing, execution.price, instrument) if closing else ZERO
        if opening := execution.size - closing:
            _open(position, opening * order.side.sign, execution.price)
            if config.is_isolated:
                position.isolated_wallet += cents(instrument.notional(opening, execution.price) / config.leverage)
        position.updated_ms = state.now_ms
        position.check_after_ms = 0
        state.ledger.move(account.quote, INSURANCE if execution.by_fund else MARKET, account.perp, profit)
        if closing:
            state.write_income(account, IncomeKind.REALIZED_PNL, profit, symbol, number)
        rate = state.fee_rate(account, symbol, is_maker=execution.is_maker)
        fee = ZERO if execution.is_free or execution.by_fund else cents(quote * rate)
        if not opening:
            # A closing fill may leave less than its fee; what is not there cannot be taken.
            fee = min(fee, max(ZERO, self._margin.cross_balance(account)))
        if fee:
            state.ledger.move(account.quote, account.perp, FEES, fee)
            state.write_income(account, IncomeKind.COMMISSION, -fee, symbol, number)
        return SimTrade(
            id=number,
            order_id=order.id,
            client_id=order.client_id,
            symbol=symbol,
            side=order.side,
            price=execution.price,
            size=execution.size,
            quote=quote,
            fee=fee,
            fee_asset=account.quote,
            is_maker=execution.is_maker,
            at_ms=state.now_ms,
            realised_pnl=profit,
            is_takeover=execution.by_fund,
        )

    def _close(self, position: PositionState, size: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
        """Take `size` off a position; the profit. Its share of isolated margin is free again."""
        held = abs(position.size)
        sign = ONE if position.size > 0 else -ONE
        profit = cents(sign * size * instrument.contract_size * (price - position.entry))
        if size == held:
            position.size = position.entry = position.isolated_wallet = ZERO
        else:
            position.isolated_wallet -= cents(position.isolated_wallet * size / held)
            position.size -= sign * size
        return profit


def _open(position: PositionState, signed: Decimal, price: Decimal) -> None:
    total = position.size + signed
    position.entry = (position.entry * position.size + price * signed) / total
    position.size = total
