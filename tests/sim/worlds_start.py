"""At the wire: checks at the start that get no proper answer, and a ban that lasts for minutes."""

import math
from typing import Any

from bot.domain.instrument import Kind as MarketKind
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.pair.venue import PairVenue
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.memory import MemoryTransport
from tests.sim.spoken import SPOKEN, spoken_of
from tests.sim.spoken.shape import Spoken
from tests.sim.world import Seam, World

IN_FLIGHT_SECONDS = 1.0
Api = tuple[str, str]
"""A venue and the beginning of the paths of one kind of market there: two venues may have the same."""


def checked(world: World) -> tuple[str, ...]:
    """The paths by which a start checks account and key, at whichever venues it trades."""
    found = {
        (check.name, spoken.check_paths[check.name])
        for kind in MarketKind
        for spoken in (world.spoken_at(kind),)
        for check in spoken.checks
        if check.kind in (None, kind) and check.name in spoken.profile.environments["sim"].checks
    }
    return tuple(path for _, path in sorted(found))  # by name, so that a seed spoils the question it always has


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
            return self.plan.choose(Kind.CHECK_UNANSWERED, spoken_of(request).shapes)
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
        self._until: dict[Api, float] = {}
        self._answered: dict[Api, float] = {}

    def on_connect(self, venue: Any) -> None:
        if self.world.seam is not Seam.WIRE:
            return
        self._answered = {}
        for one in [half.venue for half in venue._halves] if isinstance(venue, PairVenue) else [venue]:
            self._stand_before(one._gateway)

    def _stand_before(self, gateway: Any) -> None:
        take, venue = gateway.take, gateway.replica.venue_id
        spoken = SPOKEN[venue]

        def taken(request: WireRequest, transport: MemoryTransport) -> None:
            api = venue, next((part for part in spoken.markets if request.path.startswith(part)), "")
            if not self._is_banned(request, api):
                take(request, transport)
                return
            self.world.loop.call_later(0.03, self._answer, spoken, api, transport)

        gateway.take = taken

    def _is_banned(self, request: WireRequest, api: Api) -> bool:
        now, plan = self.world.loop.time(), self.plan
        if now >= self._until.get(api, 0.0):
            if request.method != "GET" or not plan.strikes(Kind.SILENCE_ASKED):
                return False
            self._answered.pop(api, None)
            self._until[api] = now + plan.between(Kind.SILENCE_ASKED, 60, 900)
            self.world.note(f"{api[1]} of {api[0]} is banned for {self._until[api] - now:.0f} s")
        since = now - self._answered.get(api, now)
        if since > IN_FLIGHT_SECONDS:
            self.inside.append(f"{request.method} {request.path}, {since:.1f} s after the ban was answered")
        return True

    def _answer(self, spoken: Spoken, api: Api, transport: MemoryTransport) -> None:
        now = self.world.loop.time()
        seconds = max(1, math.ceil(self._until.get(api, now) - now))
        if not transport.is_closing():  # a request that its turn gave up reads no answer
            self._answered.setdefault(api, now)
        transport.answer(spoken.ban(seconds))

    def heal(self) -> None:
        self._until = {}


def _is_answer(reply: WireReply) -> bool:
    return reply.status == 200 and (not isinstance(reply.content, dict) or _code_of(reply.content) == 0)


def _code_of(content: dict[str, Any]) -> Any:
    return content.get("retCode", content.get("code", 0))


WORLDS = (ChecksUnanswered, SilenceAsked)
