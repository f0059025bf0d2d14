"""How a venue is asked whether account and key are as they must be before positions are opened.

A check passes only on an answer that has the field it judges. No answer, a limit, a page of HTML, `{}` or another shape
is `unanswered`, never passed. What an environment cannot be asked is named in `skipped`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.domain.instrument import Kind
from bot.ports import AccountProblem, AccountReview, Rejection, Unavailable
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.errors import ReadRefused
from bot.venues.ccxt.wire import PATIENCE_S

ATTEMPTS = 3
PAUSE_S = 2.0
ROWS = "rows"

Answer = Mapping[str, Any]


class Unreadable(Exception):
    """An answer without the field that was asked for."""


@dataclass(frozen=True, slots=True)
class RequiredSetup:
    """What a judge goes by besides the answer."""

    venue: str
    account: str
    quote: str
    trades: bool
    has_perps: bool
    has_spot: bool = True


Judge = Callable[[Answer, RequiredSetup], Iterator[AccountProblem]]


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """One question: the ccxt method, its parameters, and who judges the answer. `wallet` names the wallet whose access
    the question needs. `is_list`: the venue answers with a list, which is judged as the field `ROWS`."""

    name: str
    what: str
    method: str
    judge: Judge
    kind: Kind | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    wallet: str = ""
    is_list: bool = False


class AccountReviewer:
    """Asks all checks that the environment can answer.

    Args:
        checks: what the venue can be asked.
        trades: False for market data and dry-run, where a key that may not trade is no obstacle.
    """

    def __init__(self, connection: Connection, *, checks: Sequence[AccountCheck], account: str, trades: bool) -> None:
        self._link, self._known = connection, checks
        self._wanted = RequiredSetup(
            connection.profile.id,
            account,
            connection.quote,
            trades,
            has_perps=Kind.PERP in connection.environment.kinds,
            has_spot=Kind.SPOT in connection.environment.kinds,
        )

    async def review(self) -> AccountReview:
        """Every check asked once more, side by side. Raises nothing for a check that fails: it says so."""
        environment = self._link.environment
        fitting = [check for check in self._known if check.kind is None or check.kind in environment.kinds]
        asked = [check for check in fitting if check.name in environment.checks]
        results = await asyncio.gather(*(self._run_check(check) for check in asked))
        return AccountReview(
            problems=_said_once(problem for problems, _ in results for problem in problems),
            unanswered={check.name: why for check, (_, why) in zip(asked, results, strict=True) if why},
            skipped=tuple(
                f"{environment.name} of {self._link.profile.id} cannot be asked for {check.what}: look it up yourself"
                for check in fitting
                if check not in asked
            ),
        )

    async def _run_check(self, check: AccountCheck) -> tuple[tuple[AccountProblem, ...], str]:
        """The problems that a check found, and why it found no answer."""
        why, call = "", getattr(self._link.exchange, check.method)
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._link.rules.seams.sleep(PAUSE_S * attempt)
            try:
                answer = await self._link.read(lambda: _call(call, check.params))
                return _judged(check, answer, self._wanted), ""
            except ReadRefused as error:
                is_about_key = error.code in self._link.profile.errors.key_advice
                if is_about_key or error.kind is Rejection.AUTHENTICATION:
                    return (self._refused_key(check, error),), ""
                why = str(error)
            except Unavailable as error:
                why = str(error)
                if error.retry_after is not None and error.retry_after > PATIENCE_S:
                    break
            except Unreadable as error:
                why = str(error)
        return (), f"{check.what}: {why}"

    def _refused_key(self, check: AccountCheck, error: ReadRefused) -> AccountProblem:
        keys = self._link.environment.keys_from
        remedy = self._link.profile.errors.key_advice.get(error.code)
        if remedy is not None:
            return AccountProblem(
                check.name,
                f"{self._wanted.venue} refuses the API key of account {self._wanted.account!r} "
                f"({error.code} {error.message.rstrip('.')})",
                remedy.format(source=f" ({keys})" if keys else ""),
                is_key_refused=bool(check.wallet),
            )
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


def _said_once(problems: Iterable[AccountProblem]) -> tuple[AccountProblem, ...]:
    """The problems, one that several checks have found only once."""
    found: dict[tuple[str, str], AccountProblem] = {}
    for problem in problems:
        known = found.get((problem.words, problem.remedy), problem)
        is_key_refused = problem.is_key_refused or known.is_key_refused
        found[problem.words, problem.remedy] = replace(known, is_key_refused=is_key_refused)
    return tuple(found.values())


async def _call(call: Callable[[Any], Awaitable[Any]], params: Mapping[str, str]) -> Any:
    return await call(dict(params))


def _judged(check: AccountCheck, answer: object, wanted: RequiredSetup) -> tuple[AccountProblem, ...]:
    """Problems found in an answer, also in one that lacks a field which is judged later."""
    if isinstance(answer, list) and check.is_list:
        answer = {ROWS: answer}
    if not isinstance(answer, Mapping):
        raise Unreadable(f"the answer is {type(answer).__name__}, not an object")
    found: list[AccountProblem] = []
    judgement = check.judge(answer, wanted)
    while True:
        try:
            found.append(next(judgement))
        except StopIteration:
            return tuple(found)
        except Unreadable:
            if any(problem.is_blocking for problem in found):
                return tuple(found)
            raise


def flag(answer: Answer, name: str) -> bool:
    """A true-or-false field. Raises Unreadable when it is neither."""
    value = answer.get(name)
    message = str(value).strip().lower() if isinstance(value, bool | str) else ""
    if message not in ("true", "false"):
        raise Unreadable(
            f"the answer does not say {name} (fields: {', '.join(sorted(map(str, answer))[:8]) or 'none'})"
        )
    return message == "true"


def is_false(answer: Answer, name: str) -> bool:
    """Whether an optional field is there and false."""
    return name in answer and not flag(answer, name)


def rows_in(answer: Answer, name: str) -> list[Mapping[str, Any]]:
    """The rows of a list in an answer.

    Raises:
        Unreadable: the answer has no such list.
    """
    rows = answer.get(name)
    if not isinstance(rows, list):
        raise Unreadable(f"the answer has no list {name}")
    return [row for row in rows if isinstance(row, Mapping)]
