"""Settings of an account and its key that must be right before positions are opened: asked for at the start and hourly.

A check passes only on an answer that has the field it judges. No answer, a limit, a page of HTML, `{}` or another shape
is `unanswered`, never passed. What an environment cannot be asked is named in `skipped`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.domain.instrument import Kind
from bot.ports import AccountProblem, AccountReview, Rejection, Unavailable
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.errors import ReadRefused
from bot.venues.ccxt.wire import PATIENCE_S

ATTEMPTS = 3
PAUSE_S = 2.0
QUOTE_ASSETS = frozenset(
    ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USDP", "USD1", "BFUSD", "DAI", "EUR", "EURI", "TRY", "BRL", "BNFCR")
)
"""Assets that venues quote prices in, and their credits that count as margin."""

Answer = Mapping[str, Any]


class _Unreadable(Exception):
    """An answer without the field that was asked for."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a judge goes by besides the answer."""

    venue: str
    account: str
    quote: str
    trades: bool
    has_perps: bool


Judge = Callable[[Answer, _Wanted], Iterator[AccountProblem]]


@dataclass(frozen=True, slots=True)
class _Check:
    """One question: the ccxt method, its parameters, and who judges the answer. `wallet` names the wallet whose access
    the question needs."""

    name: str
    what: str
    method: str
    judge: Judge
    kind: Kind | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    wallet: str = ""


class AccountChecks:
    """Asks all checks that the environment can answer.

    Args:
        trades: False for market data and dry-run, where a key that may not trade is no obstacle.
    """

    def __init__(self, connection: Connection, *, account: str, trades: bool) -> None:
        self._link = connection
        self._wanted = _Wanted(
            connection.profile.id, account, connection.quote, trades, Kind.PERP in connection.environment.kinds
        )

    async def review(self) -> AccountReview:
        """Every check asked once more, side by side. Raises nothing for a check that fails: it says so."""
        environment = self._link.environment
        fitting = [check for check in CHECKS if check.kind is None or check.kind in environment.kinds]
        asked = [check for check in fitting if check.name in environment.checks]
        results = await asyncio.gather(*(self._run_check(check) for check in asked))
        return AccountReview(
            problems=tuple(problem for problems, _ in results for problem in problems),
            unanswered={check.name: why for check, (_, why) in zip(asked, results, strict=True) if why},
            skipped=tuple(
                f"{environment.name} of {self._link.profile.id} cannot be asked for {check.what}: look it up yourself"
                for check in fitting
                if check not in asked
            ),
        )

    async def _run_check(self, check: _Check) -> tuple[tuple[AccountProblem, ...], str]:
        """The problems that a check found, and why it found no answer."""
        why, call = "", getattr(self._link.exchange, check.method)
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._link.rules.seams.sleep(PAUSE_S * attempt)
            try:
                answer = await self._link.read(lambda: _call(call, check.params))
                return _judged(check, answer, self._wanted), ""
            except ReadRefused as error:
                if error.kind is Rejection.AUTHENTICATION:
                    return (self._refused_key(check, error),), ""
                why = str(error)
            except Unavailable as error:
                why = str(error)
                if error.retry_after is not None and error.retry_after > PATIENCE_S:
                    break
            except _Unreadable as error:
                why = str(error)
        return (), f"{check.what}: {why}"

    def _refused_key(self, check: _Check, error: ReadRefused) -> AccountProblem:
        keys = self._link.environment.keys_from
        advice = f"; keys of this environment come from {keys}" if keys else ""
        what = f"for its {check.wallet} wallet" if check.wallet else f"when asked for {check.what}"
        permission = f"the {check.wallet} permission" if check.wallet else "its permissions"
        return AccountProblem(
            check.name,
            f"{self._wanted.venue} refuses the API key of account {self._wanted.account!r} {what} "
            f"({error.code} {error.message})",
            f"check key, secret, allowed IP addresses and {permission}{advice}",
            is_key_refused=bool(check.wallet),
        )


async def _call(call: Callable[[Any], Awaitable[Any]], params: Mapping[str, str]) -> Any:
    return await call(dict(params))


def _judged(check: _Check, answer: object, wanted: _Wanted) -> tuple[AccountProblem, ...]:
    """Problems found in an answer, also in one that lacks a field which is judged later."""
    if not isinstance(answer, Mapping):
        raise _Unreadable(f"the answer is {type(answer).__name__}, not an object")
    found: list[AccountProblem] = []
    judgement = check.judge(answer, wanted)
    while True:
        try:
            found.append(next(judgement))
        except StopIteration:
            return tuple(found)
        except _Unreadable:
            if any(problem.is_blocking for problem in found):
                return tuple(found)
            raise


def _flag(answer: Answer, name: str) -> bool:
    """A true-or-false field. Raises _Unreadable when it is neither."""
    value = answer.get(name)
    message = str(value).strip().lower() if isinstance(value, bool | str) else ""
    if message not in ("true", "false"):
        raise _Unreadable(
            f"the answer does not say {name} (fields: {', '.join(sorted(map(str, answer))[:8]) or 'none'})"
        )
    return message == "true"


def _is_false(answer: Answer, name: str) -> bool:
    """Whether an optional field is there and false."""
    return name in answer and not _flag(answer, name)


def _rows(answer: Answer, name: str) -> list[Mapping[str, Any]]:
    rows = answer.get(name)
    if not isinstance(rows, list):
        raise _Unreadable(f"the answer has no list {name}")
    return [row for row in rows if isinstance(row, Mapping)]


def _judge_spot(answer: Answer, wanted: _Wanted) -> Iterator[AccountProblem]:
    rows = _rows(answer, "balances")
    if _is_false(answer, "canTrade"):
        yield AccountProblem(
            "spot_account",
            f"the spot account of {wanted.account!r} may not trade at {wanted.venue}",
            "enable spot trading for account and key at the venue",
            is_blocking=wanted.trades,
        )
    yield from _other_quotes(rows, ("free", "locked"), "spot", wanted)


def _judge_futures(answer: Answer, wanted: _Wanted) -> Iterator[AccountProblem]:
    rows = _rows(answer, "assets")
    if _is_false(answer, "canTrade"):
        yield AccountProblem(
            "futures_account",
            f"the futures account of {wanted.account!r} may not trade at {wanted.venue}",
            "enable futures trading for account and key at the venue",
            is_blocking=wanted.trades,
        )
    yield from _other_quotes(rows, ("walletBalance",), "futures", wanted)


def _other_quotes(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], wallet: str, wanted: _Wanted
) -> Iterator[AccountProblem]:
    """Balances in another quote currency: named, never taken for ours. They count nothing in equity."""
    held = {str(row.get("asset")): [_number(row.get(name)) for name in names] for row in rows}
    known = {asset: amounts for asset, amounts in held.items() if wallet == "futures" or asset in QUOTE_ASSETS}
    others = {asset: amounts for asset, amounts in known.items() if asset != wanted.quote and any(amounts)}
    if others:
        amounts = ", ".join(f"{_sum_words(parts)} {asset}" for asset, parts in sorted(others.items()))
        yield AccountProblem(
            f"{wallet}_account",
            f"the {wallet} wallet of {wanted.account!r} also holds {amounts}, which is not {wanted.quote}: it is not "
            "counted in the bot's equity and not used",
            f"convert it to {wanted.quote}, move it away, or leave it",
            is_blocking=False,
        )


def _number(value: object) -> Decimal:
    """Not a number is an amount that cannot be read: it counts as held."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal("NaN")


def _sum_words(parts: Sequence[Decimal]) -> str:
    total = sum(parts, Decimal(0))
    return f"{total.normalize():f}" if total.is_finite() else "an unreadable amount of"


def _judge_position_mode(answer: Answer, wanted: _Wanted) -> Iterator[AccountProblem]:
    if _flag(answer, "dualSidePosition"):
        yield AccountProblem(
            "position_mode",
            f"the futures account of {wanted.venue} is in hedge mode",
            "switch it to one-way mode in the venue's futures preferences",
        )


def _judge_assets_mode(answer: Answer, wanted: _Wanted) -> Iterator[AccountProblem]:
    if _flag(answer, "multiAssetsMargin"):
        yield AccountProblem(
            "assets_mode",
            f"the futures account of {wanted.venue} is in multi-assets mode, which forbids isolated margin: no hedge "
            "and no long could be opened",
            "switch it to single-asset mode in the venue's futures preferences",
        )


def _judge_key(answer: Answer, wanted: _Wanted) -> Iterator[AccountProblem]:
    key = f"the API key of account {wanted.account!r}"
    if _is_false(answer, "enableReading"):
        yield AccountProblem("key_rights", f"{key} may not read", f"enable reading for it at {wanted.venue}")
    if "enableWithdrawals" in answer and _flag(answer, "enableWithdrawals"):
        yield AccountProblem(
            "key_rights",
            f"{key} may withdraw; a trading key must not",
            f"remove the withdrawal permission at {wanted.venue} or make a new key",
        )
    if wanted.has_perps and _is_false(answer, "enableFutures"):
        yield AccountProblem(
            "key_rights", f"{key} has no futures permission", f"enable it at {wanted.venue}", is_blocking=wanted.trades
        )
    if _is_false(answer, "enableSpotAndMarginTrading"):
        yield AccountProblem(
            "key_rights",
            f"{key} has no permission for spot trading",
            f"enable it at {wanted.venue}",
            is_blocking=wanted.trades,
        )
    if "enablePortfolioMarginTrading" in answer and _flag(answer, "enablePortfolioMarginTrading"):
        yield AccountProblem(
            "key_rights",
            f"{key} belongs to a portfolio-margin account, whose positions and wallets this bot cannot read",
            f"leave portfolio margin at {wanted.venue}, or use an account without it",
        )
    if _is_false(answer, "ipRestrict"):
        yield AccountProblem(
            "key_rights",
            f"{key} works from any IP address",
            "restrict it to the address of this machine",
            is_blocking=False,
        )
    _flag(answer, "enableWithdrawals")
    if wanted.has_perps:
        _flag(answer, "enableFutures")


CHECKS: tuple[_Check, ...] = (
    _Check(
        "spot_account",
        "the spot wallet",
        "privateGetAccount",
        _judge_spot,
        Kind.SPOT,
        {"omitZeroBalances": "true"},
        "spot",
    ),
    _Check(
        "futures_account",
        "the futures wallet",
        "fapiPrivateV3GetAccount",
        _judge_futures,
        Kind.PERP,
        wallet="futures",
    ),
    _Check("position_mode", "one-way or hedge mode", "fapiPrivateGetPositionSideDual", _judge_position_mode, Kind.PERP),
    _Check(
        "assets_mode",
        "single-asset or multi-assets mode",
        "fapiPrivateGetMultiAssetsMargin",
        _judge_assets_mode,
        Kind.PERP,
    ),
    _Check("key_rights", "the rights of the API key", "sapiGetAccountApiRestrictions", _judge_key),
)
