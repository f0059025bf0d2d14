"""One ccxt instance, made safe from outside: ccxt is not patched or subclassed, five hooks are set on the instance.

Every HTTP request passes the gate once, with the venue's weight; the venue's own counts come back in headers; a failed
answer keeps its status, headers and body; a write is sent once and an error says whether it was sent at all.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import localcontext
from typing import Any, TypeVar

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from bot.ports import URGENT, Lane, Rejection, Unavailable
from bot.venues.ccxt.error_table import ErrorTable, HttpFacts
from bot.venues.ccxt.errors import NotSent, ReadRefused, classify_read, classify_write
from bot.venues.ccxt.profile import WEIGHT, Profile
from bot.venues.ccxt.throttle import CRITICAL_PACE_S, Gate

T = TypeVar("T")

PATIENCE_S = 30.0
"""The longest a read waits for the venue's permission; a longer silence is reported instead of slept through."""


@dataclass(frozen=True, slots=True)
class RequestCost:
    """What one HTTP request costs: units per bucket of one market's gate."""

    market: str
    units: Mapping[str, int]
    is_order: bool = False


@dataclass(slots=True)
class _Admission:
    """A write's admission, waited for before its order was journaled; pays for one request."""

    market: str
    lane: Lane = Lane.BULK
    is_counted: bool = False


@dataclass(slots=True)
class _Attempt:
    """Whether an HTTP request was begun inside the current call."""

    was_sent: bool = False


_ADMISSION: contextvars.ContextVar[_Admission | None] = contextvars.ContextVar("admission", default=None)
_ATTEMPT: contextvars.ContextVar[_Attempt | None] = contextvars.ContextVar("attempt", default=None)
_LANE: contextvars.ContextVar[Lane] = contextvars.ContextVar("lane", default=Lane.BULK)


class _SendOnce:
    """aiohttp repeats a GET, PUT or DELETE whose kept-alive connection dropped; the second pass ends here instead."""

    def __init__(self) -> None:
        self._is_sent = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: Callable[[aiohttp.ClientRequest], Awaitable[Any]]
    ) -> Any:
        if self._is_sent:
            raise aiohttp.ClientConnectionError("the connection dropped; a request is not sent a second time")
        self._is_sent = True
        return await handler(request)


class OnceSession:
    """What ccxt uses of an aiohttp session. Each request is sent once: aiohttp's repeat would carry the old stamp, past
    the throttle and into a ban; reads are tried again above it.

    Redirects are not followed: one would repeat a write, or carry the key's header to another host.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @property
    def headers(self) -> Mapping[str, str]:
        return self._session.headers

    def get(self, url: Any, **options: Any) -> Any:
        return self._begin(self._session.get, url, options | {"middlewares": (_SendOnce(),)})

    def post(self, url: Any, **options: Any) -> Any:
        return self._begin(self._session.post, url, options | {"middlewares": (_SendOnce(),)})

    def put(self, url: Any, **options: Any) -> Any:
        return self._begin(self._session.put, url, options | {"middlewares": (_SendOnce(),)})

    def delete(self, url: Any, **options: Any) -> Any:
        return self._begin(self._session.delete, url, options | {"middlewares": (_SendOnce(),)})

    async def close(self) -> None:
        await self._session.close()

    @staticmethod
    def _begin(call: Callable[..., Any], url: Any, options: Mapping[str, Any]) -> Any:
        attempt = _ATTEMPT.get()
        if attempt is not None:
            attempt.was_sent = True
        return call(url, **options, allow_redirects=False)


class Wire:
    """Reads and writes through one instrumented ccxt instance.

    Args:
        exchange: an unmodified asynchronous ccxt exchange.
        read_attempts: how often a read is tried in all.
        now_ms: venue time, for bans given as an instant.
    """

    def __init__(
        self,
        exchange: Any,
        profile: Profile,
        gates: Mapping[str, Gate],
        *,
        now_ms: Callable[[], int],
        read_attempts: int = 3,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.exchange, self.gates = exchange, gates
        self._profile, self._table, self._now_ms = profile, profile.errors, now_ms
        self._read_attempts, self._sleep = read_attempts, sleep
        self._backoff = wait_random_exponential(multiplier=0.2, max=5)
        self._install()

    async def read(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's result, tried again while the venue is merely unavailable.

        Raises:
            Unavailable: when it stays so, or at once (`ReadRefused`) when the venue refuses.
        """
        try:
            return await self._read_once(call)
        except Exception as error:  # noqa: BLE001 - judged as the first of the attempts
            failure = error
        return await self._read_again(call, failure)

    async def _read_again(self, call: Callable[[], Awaitable[T]], failure: Exception) -> T:
        """What the attempts after the first one come to. The first is made without them: it is most of the time the
        only one, and what repeats costs as much as the request."""
        first = [failure]

        async def attempt() -> T:
            if first:
                raise first.pop()
            return await self._read_once(call)

        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_worth_another_try),
            stop=stop_after_attempt(self._read_attempts),
            wait=self._pause,
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(attempt)

    async def write(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's result; called once, whatever happens.

        Raises:
            VenueRejected: it did not happen.
            OutcomeUnknown: it may have happened.
        """
        attempt = _Attempt()
        attempt_token, lane_token = _ATTEMPT.set(attempt), _LANE.set(Lane.CRITICAL)
        try:
            with localcontext():  # ccxt changes the rounding and the traps of whoever calls it
                return await call()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is classified
            raise classify_write(error, self._table, was_sent=attempt.was_sent) from None
        finally:
            _ATTEMPT.reset(attempt_token)
            _LANE.reset(lane_token)

    async def admit(self, market: str, lane: Lane, *, is_spot: bool = False) -> None:
        """Wait for the gate on behalf of this task's next write to `market`, which then passes without waiting."""
        if self.gates[market].held_for(lane) > PATIENCE_S:
            raise Unavailable(str(_silence(market, self.gates[market].held_for(lane))))
        await self.gates[market].admit(self._profile.order_cost(market, is_spot=is_spot), lane)
        _ADMISSION.set(_Admission(market, lane))

    async def _read_once(self, call: Callable[[], Awaitable[T]]) -> T:
        attempt = _Attempt()
        token = _ATTEMPT.set(attempt)
        try:
            with localcontext():
                return await call()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is classified
            raise classify_read(error, self._table, was_sent=attempt.was_sent, now_ms=self._now_ms()) from None
        finally:
            _ATTEMPT.reset(token)

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        requested = error.retry_after if isinstance(error, Unavailable) else None
        return requested if requested is not None else self._backoff(state)

    def _install(self) -> None:
        exchange = self.exchange
        exchange.enableRateLimit = True
        exchange.calculate_rate_limiter_cost = self._cost_of(exchange.calculate_rate_limiter_cost)
        exchange.throttle = self._throttle
        exchange.on_rest_response = self._listen(exchange.on_rest_response)
        exchange.handle_errors, exchange.handle_http_status_code = _keep_facts(
            self._table, exchange.handle_errors, exchange.handle_http_status_code
        )

    def _cost_of(self, original: Callable[..., Any]) -> Callable[..., RequestCost]:
        def cost(
            api: Sequence[str] | str, method: str, path: str, params: Any, config: Mapping[str, Any] | None = None
        ) -> RequestCost:
            section = api if isinstance(api, str) else api[0]
            market = self._profile.sections.get(section)
            if market is None:
                raise NotSent(f"{section} is not among the API sections of {self._profile.id}", Rejection.OTHER)
            known = self._profile.weights.get((method, section, path))
            if known is not None:
                return RequestCost(market, known, method != "GET" and path in self._profile.order_paths)
            units = self._profile.weight_scale[market] * round(1000 * original(api, method, path, params, config or {}))
            cost_units = {WEIGHT: max(1, -int(-units // 1000))}
            return RequestCost(market, cost_units, method != "GET" and path in self._profile.order_paths)

        return cost

    async def _throttle(self, cost: RequestCost) -> None:
        gate, admission = self.gates[cost.market], _ADMISSION.get()
        if cost.is_order and admission is not None and not admission.is_counted and admission.market == cost.market:
            admission.is_counted = True
            is_bulk_held = admission.lane is Lane.BULK and gate.held_s > 0
            if is_bulk_held or gate.held_for(Lane.CRITICAL) > CRITICAL_PACE_S:
                raise _silence(cost.market, gate.held_s)
            return
        lane = _LANE.get()
        if URGENT.get() and lane is Lane.BULK:
            lane = Lane.CRITICAL if gate.held_s > PATIENCE_S else Lane.GUARD
        if gate.held_for(lane) > PATIENCE_S:
            raise _silence(cost.market, gate.held_for(lane))
        await gate.admit(cost.units, lane)

    def _listen(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def on_rest_response(
            code: int, reason: str, url: str, method: str, headers: Mapping[str, str], *rest: Any
        ) -> Any:
            path = url.split("?", 1)[0]
            market = next((name for part, name in self._profile.path_markets if part in path), None)
            if market is not None:
                self._adopt(market, path, {name.lower(): value for name, value in headers.items()})
                facts = self._table.facts(code, headers, str(rest[0]) if rest else "", url, method)
                hold = self._table.hold_of(facts, self._now_ms())
                if hold is not None:
                    self.gates[market].hold(hold[0], is_ban=hold[1])
            return original(code, reason, url, method, headers, *rest)

        return on_rest_response

    def _adopt(self, market: str, path: str, headers: Mapping[str, str]) -> None:
        for spec in self._profile.buckets[market]:
            used = spec.used_in(path, headers)
            if used is not None:
                self.gates[market].sync(spec.name, used)


def _silence(market: str, seconds: float) -> NotSent:
    message = f"the venue asks for silence on {market}, {seconds:.0f} s more"
    return NotSent(message, Rejection.RATE_LIMIT, seconds)


def build_gates(
    profile: Profile,
    *,
    spread_ms: int,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Mapping[str, Gate]:
    """One gate per market of the profile."""
    return {
        market: Gate(specs, spread_ms=spread_ms, clock=clock, sleep=sleep) for market, specs in profile.buckets.items()
    }


def _is_worth_another_try(error: BaseException) -> bool:
    if not isinstance(error, Unavailable) or isinstance(error, ReadRefused):
        return False
    return error.retry_after is None or error.retry_after <= PATIENCE_S


def _keep_facts(
    table: ErrorTable, handle_errors: Callable[..., Any], handle_status: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """ccxt's two error handlers, with the answer attached to what they raise.

    ccxt calls them one after the other without a pause, so the answer seen by the first is also the second's.
    """
    latest: list[HttpFacts] = []

    def errors(code: int, reason: str, url: str, method: str, headers: Mapping[str, str], body: str, *rest: Any) -> Any:
        facts = table.facts(code, headers, body or "", url, method)
        latest[:] = [facts]
        try:
            return handle_errors(code, reason, url, method, headers, body, *rest)
        except Exception as error:
            error.http_facts = facts  # type: ignore[attr-defined]
            raise

    def status(code: int, reason: str, url: str, method: str, body: str) -> Any:
        try:
            return handle_status(code, reason, url, method, body)
        except Exception as error:
            error.http_facts = latest[0] if latest else table.facts(code, {}, body, url, method)  # type: ignore[attr-defined]
            raise

    return errors, status
