"""The account through sectors: holdings, sleeves, book; and how a sector divides its spot (PLAYBOOK §§1, 2, 10)."""

from collections.abc import Mapping
from decimal import Decimal

from bot.domain.campaign import Memory, PriceWait
from bot.domain.durations import DAY_MS
from bot.domain.market import Snapshot
from bot.domain.money import ONE, ZERO, plain
from bot.domain.portfolio import Account, Holding, Portfolio, Position, Sleeves
from bot.domain.reason import Note, Reason
from bot.domain.symbol import base_of
from bot.playbook.book.minimum_capital import tokens_held
from bot.playbook.book.transfers import first_labels, read_labels
from bot.playbook.market.indicators import mean
from bot.playbook.policy.membership import Sectors, Weighting
from bot.playbook.policy.numbers import Policy

_VOLUME_CANDLES = 180


def build_portfolio(
    account: Account, snapshot: Snapshot, memory: Memory, policy: Policy, sectors: Sectors
) -> Portfolio:
    """Divide the account into sectors and sleeves.

    `reserve` is the cash that belongs to no sleeve, as it is; `book` is equity less the *configured* reserve and less
    what belongs to no sector, so that money lent to a bridge does not change the base of the shares.
    """
    holdings, priceless, outside = _read_balances(account, snapshot, sectors)
    unpriced = tuple(asset for asset in priceless if _is_awaited(asset, snapshot, memory, sectors))
    spot = {name: sum((h.value for h in holdings if h.sector == name), ZERO) for name in sectors.sectors}
    positions: dict[str, list[Position]] = {name: [] for name in sectors.sectors}
    for symbol, position in sorted(account.positions.items()):
        owner = perp_sector(symbol, memory, sectors)
        if owner in positions:
            positions[owner].append(position)
    equity = account.cash + account.perp_equity + outside + sum(spot.values(), ZERO)
    if account.is_unified:
        equity = account.cash + account.unrealised_pnl
        equity += outside + sum(spot.values(), ZERO)
    book = max(ZERO, equity - policy.allocation.reserve_quote - outside)
    is_first = account.is_unified and not memory.labels
    labels = first_labels(account.cash, book, policy) if is_first else read_labels(memory, account, policy)
    sleeves = {
        name: _sleeves(spot[name], labels.get(name, ZERO), positions[name], snapshot) for name in sectors.sectors
    }
    return Portfolio(
        account=account,
        equity=equity,
        reserve=account.cash - (sum(labels.values(), ZERO) if account.is_unified else ZERO),
        book=book,
        sectors=sleeves,
        holdings=holdings,
        unpriced=unpriced,
        uncounted=tuple(asset for asset in priceless if asset not in unpriced),
        labels=labels,
        countable=_countable(account, snapshot, sectors),
    )


def _countable(account: Account, snapshot: Snapshot, sectors: Sectors) -> frozenset[str]:
    """Assets of unreadable rows that are of a sector, under a former name too, or watched, so that a holding counts."""
    assets = (key.removeprefix("spot:") for key in account.unreadable if key.startswith("spot:"))
    watched = {base_of(s) for s in (*snapshot.instruments, *snapshot.quotes)} if account.unreadable else set()
    return frozenset(
        asset
        for asset in assets
        if asset in sectors.tokens or asset in watched or sectors.succession_of(asset) is not None
    )


def _read_balances(
    account: Account, snapshot: Snapshot, sectors: Sectors
) -> tuple[tuple[Holding, ...], tuple[str, ...], Decimal]:
    holdings, priceless, outside = [], [], ZERO
    for asset, balance in sorted(account.balances.items()):
        if asset == account.quote or balance.total <= 0:
            continue
        symbol = sectors.spot(asset)
        price, token = asset_price(asset, snapshot, sectors)
        if price is None:
            priceless.append(asset)
            continue
        value = balance.total * price
        parts = {name: value * weight for name, weight in sectors.tokens.get(token, {}).items()}
        holdings += [Holding(symbol, name, balance.total, price, part) for name, part in parts.items()]
        outside += value - sum(parts.values(), ZERO)
    return tuple(holdings), tuple(priceless), outside


def _is_awaited(asset: str, snapshot: Snapshot, memory: Memory, sectors: Sectors) -> bool:
    """Whether equity is not known until a holding has a price: its price is read, and turns have not watched it missing
    for a day. What is held besides, an airdrop or a token that the bot does not trade, has no bearing on the book.
    Where no price has come at all the venue is silent, and nothing is given up."""
    is_of_sector = asset in sectors.tokens or sectors.succession_of(asset) is not None
    if not is_of_sector and sectors.spot(asset) not in snapshot.instruments:
        return False
    is_watched = memory.price_waits.get(asset, PriceWait(0)).watched_ms >= DAY_MS
    return not (is_watched and any(snapshot.price(sectors.spot(token)) is not None for token in sectors.tokens))


def asset_price(asset: str, snapshot: Snapshot, sectors: Sectors) -> tuple[Decimal | None, str]:
    """The price of an asset and the token it counts as: what it has become, once it does not trade itself."""
    symbol, result = sectors.spot(asset), sectors.succession_of(asset)
    if result is not None and not is_usable(symbol, snapshot):
        successor = snapshot.price(sectors.spot(result.becomes))
        if successor is not None:
            return successor * result.ratio, result.becomes
    return snapshot.price(symbol), asset


def former_holdings(portfolio: Portfolio, snapshot: Snapshot, sectors: Sectors) -> tuple[Note, ...]:
    """A note for each holding under a former name: it counts as what it has become, and is never traded as that."""
    notes = []
    for asset, balance in sorted(portfolio.account.balances.items()):
        result = sectors.succession_of(asset)
        if result is None or balance.total <= 0 or is_usable(sectors.spot(asset), snapshot):
            continue
        size = plain(balance.total * result.ratio)
        message = (
            f"{plain(balance.total)} {asset} are of a token that became {result.becomes}: they count as {size} "
            f"{result.becomes} and are not traded; the exchange converts them, or convert them there yourself"
        )
        notes.append(Note(Reason.TOKEN_RENAMED, message, asset, {"size": str(balance.total), "becomes": size}))
    return tuple(notes)


def _sleeves(spot: Decimal, label: Decimal, positions: list[Position], snapshot: Snapshot) -> Sleeves:
    notional = margin = pnl = ZERO
    for position in positions:
        value = signed_notional(position, snapshot)
        notional += value
        margin += position.margin or abs(value) / (position.leverage or ONE)
        pnl += position.unrealised_pnl
    return Sleeves(spot=spot, futures=label + pnl, perp_notional=notional, margin_locked=margin)


def signed_notional(position: Position, snapshot: Snapshot) -> Decimal:
    """Quote value of a position at mark, negative when short."""
    instrument = snapshot.instruments.get(position.symbol)
    return position.size * (instrument.contract_size if instrument else ONE) * position.mark_price


def perp_sector(symbol: str, memory: Memory, sectors: Sectors) -> str | None:
    """The sector a perp position belongs to: the one it hedges, the one its exit plan names, its token's own."""
    if symbol in memory.hedges:
        return memory.hedges[symbol]
    for held in memory.exits:
        if held.symbol == symbol:
            return held.sector
    return sectors.sector_of(symbol)


def is_usable(symbol: str, snapshot: Snapshot) -> bool:
    """Whether a symbol is listed, active and soundly priced."""
    instrument = snapshot.instruments.get(symbol)
    return instrument is not None and instrument.active and snapshot.price(symbol) is not None


def most_tokens(name: str, snapshot: Snapshot, sectors: Sectors, policy: Policy, book: Decimal) -> int:
    """How many tokens of a sector a book of this size can hold: the least rebalance, divided among them, is above the
    largest of their minimums with a fifth to spare (decision 0022)."""
    symbols = (sectors.spot(token) for token in sectors.members(name))
    minimums = {symbol: snapshot.instruments[symbol].notional_min for symbol in symbols if is_usable(symbol, snapshot)}
    return tokens_held(name, policy, sectors, minimums, book)


def read_weights(
    name: str, snapshot: Snapshot, sectors: Sectors, most: int | None = None
) -> tuple[Mapping[str, Decimal], tuple[Note, ...]]:
    """Weight of each usable token inside a sector (they add up to 1), and a note for each one that dropped out. Of more
    than `most` tokens the most traded ones are held."""
    members = sectors.members(name)
    usable = tuple(token for token in members if is_usable(sectors.spot(token), snapshot))
    notes = tuple(
        Note(
            Reason.TOKEN_DROPPED,
            f"{token} is not listed, halted or has no sound price: its part of {name} goes to the others",
            sectors.spot(token),
        )
        for token in members
        if token not in usable
    )
    if not usable:
        return {}, notes
    sector = sectors.sectors[name]
    if most is not None and most < len(usable):
        ranks = _by_rank(usable, snapshot, sectors)
        chosen = sorted(usable, key=lambda token: -ranks[token])[:most]
        message = (
            f"{name}: a book of this size holds {most} of {len(usable)} tokens, the most traded: {', '.join(chosen)}"
        )
        notes = (*notes, Note(Reason.BOOK_SMALL, message, name, {"most": str(most)}))
        usable = tuple(token for token in usable if token in chosen)
    if sector.weighting is Weighting.GIVEN and any(token in sector.weights for token in usable):
        return _to_one({token: sector.weights.get(token, ZERO) for token in usable}), notes
    raw = {token: sectors.membership(token, name) for token in usable}
    if sector.weighting is Weighting.LIQUIDITY:
        raw = {token: rank * raw[token] for token, rank in _by_rank(usable, snapshot, sectors).items()}
    return _capped(_to_one(raw), sector.weight_max), notes


def _by_rank(tokens: tuple[str, ...], snapshot: Snapshot, sectors: Sectors) -> dict[str, Decimal]:
    """Weights by rank of traded volume: the float orders the tokens and never becomes an amount."""
    volumes = {}
    for token in tokens:
        series = snapshot.candles.get(sectors.spot(token))
        volumes[token] = mean(series.volumes_quote[-_VOLUME_CANDLES:]) if series and len(series) else 0.0
    ranked = sorted(tokens, key=lambda token: (volumes[token], -tokens.index(token)))
    return {token: Decimal(rank) for rank, token in enumerate(ranked, start=1)}


def _to_one(weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    total = sum(weights.values(), ZERO)
    return {token: weight / total for token, weight in weights.items() if weight > 0} if total else {}


def _capped(weights: dict[str, Decimal], cap: Decimal) -> dict[str, Decimal]:
    """Weights with none above the cap, the excess spread over the rest; a cap too low for the count is equal parts."""
    cap = max(cap, ONE / max(1, len(weights)))
    fixed: dict[str, Decimal] = {}
    for _ in weights:
        rest = {token: weight for token, weight in weights.items() if token not in fixed}
        room, total = ONE - cap * len(fixed), sum(rest.values(), ZERO)
        spread = {token: weight * room / total for token, weight in rest.items()} if total else {}
        over = [token for token, weight in spread.items() if weight > cap]
        if not over:
            return {token: fixed.get(token, spread.get(token, ZERO)) for token in weights}
        fixed |= dict.fromkeys(over, cap)
    return {token: fixed.get(token, ZERO) for token in weights}
