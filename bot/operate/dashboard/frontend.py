"""What all pages share: the bots, who asks, documents that are made once for each change, and the frame of a page."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from bot.operate.dashboard.access import Access, Visitor, new_key
from bot.operate.dashboard.past import EquityCache
from bot.operate.dashboard.render import make_environment, render
from bot.operate.dashboard.source import BotSource
from bot.report.queries import JournalView

T = TypeVar("T")
COOKIE = "sectorbot_session"
FRESH_SECONDS, KEPT_MAX = 5.0, 64


@dataclass(frozen=True, slots=True)
class PageLink:
    """A page in the navigation."""

    name: str
    title: str
    path: str


PAGES = (
    PageLink("now", "Now", "/"),
    PageLink("why", "Why", "/why"),
    PageLink("campaigns", "Campaigns", "/campaigns"),
    PageLink("orders", "Orders", "/orders"),
    PageLink("history", "History", "/history"),
    PageLink("configuration", "Configuration", "/configuration"),
    PageLink("log", "Log", "/log"),
)


class Frontend:
    """The state of one dashboard. One bot has its pages at `/`, each of several below `/bots/NAME`."""

    def __init__(self, sources: Sequence[BotSource], access: Access) -> None:
        self.sources: Mapping[str, BotSource] = {source.name: source for source in sources}
        self.access = access
        self.environment = make_environment()
        self.equity = {name: EquityCache() for name in self.sources}
        self._kept: dict[tuple[Any, ...], tuple[Any, float, Any]] = {}
        self._stamps: dict[str, tuple[float, tuple[Any, ...]]] = {}

    @property
    def is_single(self) -> bool:
        """Whether there is one bot only."""
        return len(self.sources) == 1

    def source_of(self, request: web.Request) -> BotSource:
        """The bot that a request is about."""
        if self.is_single:
            return next(iter(self.sources.values()))
        source = self.sources.get(request.match_info.get("bot", ""))
        if source is None:
            raise web.HTTPNotFound(text="there is no bot of this name")
        return source

    def root_of(self, source: BotSource) -> str:
        """Where the pages of a bot begin."""
        return "" if self.is_single else f"/bots/{source.name}"

    async def stamp(self, source: BotSource) -> tuple[Any, ...]:
        """The bot's stamp, asked for once a second at most however many look."""
        now, known = time.monotonic(), self._stamps.get(source.name)
        if known is None or now - known[0] >= 0.9:
            known = (now, await asyncio.to_thread(source.stamp))
            self._stamps[source.name] = known
        return known[1]

    async def document(self, source: BotSource, key: tuple[Any, ...], make: Callable[[JournalView], T]) -> T:
        """What `make` finds in the journal, in a thread; as long as nothing has changed, for all who ask."""
        stamp, place, now = await self.stamp(source), (source.name, *key), time.monotonic()
        known = self._kept.get(place)
        if known is not None and known[0] == stamp and now - known[1] < FRESH_SECONDS:
            return known[2]  # type: ignore[no-any-return]

        def look() -> T:
            with source.view() as view:
                return make(view)

        found = await asyncio.to_thread(look)
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[place] = (stamp, now, found)
        return found

    def visitor(self, request: web.Request) -> Visitor:
        """Who asks.

        Raises:
            HTTPFound: he has to log in.
        """
        visitor = self.access.visitor_of(request.cookies.get(COOKIE, ""))
        if visitor is None:
            if request.headers.get("X-Refresh") or request.path.endswith("/live"):
                raise web.HTTPUnauthorized(text="log in")
            raise web.HTTPFound("/login")
        return visitor

    def page(
        self, request: web.Request, source: BotSource, name: str, values: Mapping[str, Any], *, is_live: bool = True
    ) -> web.Response:
        """A page of a bot in its frame."""
        visitor, root = self.visitor(request), self.root_of(source)
        key = visitor.key or new_key()
        mode, environment = source.world()
        frame: dict[str, Any] = {
            "site": source.name,
            "bot": source.name,
            "root": root,
            "pages": self.pages(),
            "world": f"{mode} · {environment}",
            "is_real": (mode, environment) == ("trade", "mainnet"),
            "visitor": visitor.name if visitor.has_logged_in else "",
            "csrf": self.access.form_token(key),
            "quote": source.settings.universe.quote,
        }
        if is_live:
            frame["live"] = f"{root}/live"
        text = render(self.environment, values.get("template", name), {**frame, "page": name, **values})
        response = web.Response(text=text, content_type="text/html")
        if not visitor.key:
            set_cookie(request, response, key)
        return response

    def pages(self) -> Sequence[PageLink]:
        """The pages that this dashboard has."""
        return PAGES

    def message(self, title: str, text: str, status: int, link: str = "/", link_text: str = "Back") -> web.Response:
        """A page of one sentence."""
        values = {"title": title, "site": "sectorbot", "text": text, "link": link, "link_text": link_text}
        shown = render(self.environment, "message", values)
        return web.Response(text=shown, content_type="text/html", status=status)


def set_cookie(request: web.Request, response: web.Response, key: str) -> None:
    """The cookie of a session: no script reads it, and no other site sends it."""
    response.set_cookie(COOKIE, key, httponly=True, samesite="Strict", secure=request.secure, path="/")


FRONTEND = web.AppKey("frontend", Frontend)
