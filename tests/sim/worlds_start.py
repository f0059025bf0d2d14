"""At the wire: checks at the start that get no proper answer, and a ban that lasts for minutes."""

import math
from typing import Any

from bot.domain.instrument import Kind as MarketKind
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.binance.account_checks import CHECKS as BINANCE_CHECKS
from bot.venues.binance.profiles import BINANCE
from bot.venues.bingx.account_checks import CHECKS as BINGX_CHECKS
from bot.venues.bingx.profiles import BINGX
from bot.venues.bybit.account_checks import CHECKS as BYBIT_CHECKS
from bot.venues.bybit.profiles import BYBIT
from bot.venues.pair.venue import PairVenue
from tests.sim.bingx_gateway import BUSY, bingx_envelope
from tests.sim.bybit_gateway import envelope
from tests.sim.faults import Kind
from tests.sim.gateway import HTML
from tests.sim.hooks import Disturbance
from tests.sim.memory import Answer, MemoryTransport
from tests.sim.world import Seam, World

PATHS = {
    "binance": {
        "spot_account": "/api/v3/account",
        "futures_account": "/fapi/v3/account",
        "position_mode": "/fapi/v1/positionSide/dual",
        "assets_mode": "/fapi/v1/multiAssetsMargin",
        "key_rights": "/sapi/v1/account/apiRestrictions",
    },
    "bybit": {
        "wallet": "/v5/account/wallet-balance",
        "margin_mode": "/v5/account/info",
        "position_mode": "/v5/position/list",
        "key_rights": "/v5/user/query-api",
    },
    "bingx": {
        "spot_wallet": "/openApi/spot/v1/account/balance",
        "futures_wallet": "/openApi/swap/v3/user/balance",
        "position_mode": "/openApi/swap/v1/positionSide/dual",
        "key_rights": "/openApi/v1/account/apiPermissions",
    },
}
PROFILES = {"binance": BINANCE, "bybit": BYBIT, "bingx": BINGX}
CHECKS = {"binance": BINANCE_CHECKS, "bybit": BYBIT_CHECKS, "bingx": BINGX_CHECKS}
LIMITED = {"code": -1003, "msg": "Too many requests; current limit is 6000."}
VISITS = envelope(10006, "Too many visits!")
_PAGES = (WireReply(502, HTML), WireReply(503, ""), WireReply(200, HTML), WireReply(200, ""))
SHAPES = {
    "binance": (
        WireReply(500, {"code": -1000, "msg": "An unknown error occurred while processing the request."}),
        *_PAGES,
        WireReply(200, {}),
        WireReply(200, []),
        WireReply(200, {"code": 200, "msg": "success"}),
        WireReply(403, HTML),
        WireReply(429, LIMITED, {"Retry-After": "2"}),
        WireReply(429, LIMITED, {"Retry-After": "90"}),
    ),
    "bybit": (
        WireReply(200, envelope(10016, "Server error.")),
        *_PAGES,
        WireReply(200, {}),
        WireReply(200, []),
        WireReply(200, {**envelope(0, "OK"), "result": {}}),
        WireReply(401, HTML),
        WireReply(200, VISITS),
        WireReply(403, "403, access too frequent", {"Retry-After": "90"}),
    ),
    "bingx": (
        WireReply(200, bingx_envelope(100500, BUSY)),
        *_PAGES,
        WireReply(200, {}),
        WireReply(200, []),
        WireReply(200, {"code": 0, "msg": ""}),
        WireReply(401, HTML),
        WireReply(200, bingx_envelope(100410, "rate limited")),
        WireReply(418, bingx_envelope(418, "banned"), {"Retry-After": "90"}),
    ),
}
MARKETS = {venue: tuple(part for part, _ in profile.path_markets) for venue, profile in PROFILES.items()}
IN_FLIGHT_SECONDS = 1.0


def checked(world: World) -> tuple[str, ...]:
    """The paths by which a start checks account and key, at whichever venues it trades."""
    found = {
        (check.name, PATHS[venue][check.name])
        for kind in MarketKind
        for venue in (world.venue_at(kind),)
        for check in CHECKS[venue]
        if check.kind in (None, kind) and check.name in PROFILES[venue].environments["sim"].checks
    }
    return tuple(path for _, path in sorted(found))  # by name, so that a seed spoils the question it always has


def venue_of_path(path: str) -> str:
    """Which venue has this path."""
    return "bybit" if path.startswith("/v5/") else "bingx" if path.startswith("/openApi/") else "binance"


class ChecksUnanswered(Disturbance):
    """One of the questions that a start asks about account and key is not answered properly: once, some times, or while
    the process lives. `answered`: what this process has been answered properly."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.answered: set[str] = set()
        self._path, self._left = "", 0

    def on_connect(self, venue: Any) -> None:
        plan, kind = self.plan, Kind.CHECK_UNANSWERED
        self.answered, self._path = set(), ""
        if self.world.seam is Seam.WIRE and plan.strikes(kind):
            self._path, self._left = (
                plan.choose(kind, checked(self.world)),
                plan.choose(kind, [1, 2, 5, 1_000_000]),
            )
            self.world.note(f"{self._path} is not answered properly {self._left} times")

    def spoil(self, request: WireRequest, reply: WireReply) -> WireReply:
        if request.path == self._path and self._left > 0:
            self._left -= 1
            return self.plan.choose(Kind.CHECK_UNANSWERED, SHAPES[venue_of_path(request.path)])
        if request.path in checked(self.world) and _is_answer(reply):
            self.answered.add(request.path)
        return reply

    def heal(self) -> None:
        self._left = 0


class SilenceAsked(Disturbance):
    """The exchange bans the bot from one of its APIs for minutes and says so in `Retry-After`. `inside`: requests of a
    process that had been answered so before."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.inside: list[str] = []
        self._until: dict[str, float] = {}
        self._answered: dict[str, float] = {}

    def on_connect(self, venue: Any) -> None:
        if self.world.seam is not Seam.WIRE:
            return
        self._answered = {}
        for one in [half.venue for half in venue._halves] if isinstance(venue, PairVenue) else [venue]:
            self._stand_before(one._gateway)

    def _stand_before(self, gateway: Any) -> None:
        take = gateway.take

        def taken(request: WireRequest, transport: MemoryTransport) -> None:
            markets = MARKETS[venue_of_path(request.path)]
            market = next((part for part in markets if request.path.startswith(part)), "")
            if not self._is_banned(request, market):
                take(request, transport)
                return
            self.world.loop.call_later(0.03, self._answer, market, transport)

        gateway.take = taken

    def _is_banned(self, request: WireRequest, market: str) -> bool:
        now, plan = self.world.loop.time(), self.plan
        if now >= self._until.get(market, 0.0):
            if request.method != "GET" or not plan.strikes(Kind.SILENCE_ASKED):
                return False
            self._answered.pop(market, None)
            self._until[market] = now + plan.between(Kind.SILENCE_ASKED, 60, 900)
            self.world.note(f"{market} is banned for {self._until[market] - now:.0f} s")
        since = now - self._answered.get(market, now)
        if since > IN_FLIGHT_SECONDS:
            self.inside.append(f"{request.method} {request.path}, {since:.1f} s after the ban was answered")
        return True

    def _answer(self, market: str, transport: MemoryTransport) -> None:
        now = self.world.loop.time()
        seconds = max(1, math.ceil(self._until.get(market, now) - now))
        self._answered.setdefault(market, now)
        if venue_of_path(market) == "bybit":
            transport.answer(Answer(403, "403, access too frequent", headers=(("Retry-After", str(seconds)),)))
            return
        body = '{"code":-1003,"msg":"Way too many requests; IP banned."}'
        transport.answer(Answer(418, body, headers=(("Retry-After", str(seconds)),)))

    def heal(self) -> None:
        self._until = {}


def _is_answer(reply: WireReply) -> bool:
    return reply.status == 200 and (not isinstance(reply.content, dict) or _code_of(reply.content) == 0)


def _code_of(content: dict[str, Any]) -> Any:
    return content.get("retCode", content.get("code", 0))


WORLDS = (ChecksUnanswered, SilenceAsked)
