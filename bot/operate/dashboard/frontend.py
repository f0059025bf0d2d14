"""What all pages share: the bots, who asks, documents that are made once for each change, and the frame of a page."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from bot.operate.dashboard.access.visitors import Access, Visitor, new_key
from bot.operate.dashboard.actions import Answer
from bot.operate.dashboard.bots_file import RemoteBot
from bot.operate.dashboard.documents.past import EquityCache
from bot.operate.dashboard.render import make_environment, render
from bot.operate.dashboard.source import BotSource
from bot.report.queries import JournalView

T = TypeVar("T")
COOKIE = "sectorbot_session"
FRESH_SECONDS, KEPT_MAX = 5.0, 64
ANSWERS_MAX, SPENT_MAX = 100, 10_000


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
    PageLink("control", "Control", "/control"),
)


class Frontend:
    """The state of one dashboard. One bot has its pages at `/`, each of several below `/bots/NAME`.

    `remotes` are bots of which another dashboard is asked; `answers` what became of the last actions.
    """

    def __init__(self, sources: Sequence[BotSource], access: Access, remotes: Sequence[RemoteBot] = ()) -> None:
        self.remotes: Mapping[str, RemoteBot] = {remote.name: remote for remote in remotes}
        self.answers: dict[str, Answer] = {}
        self._spent: dict[str, None] = {}
        self.sources: Mapping[str, BotSource] = {source.name: source for source in sources}
        self.access = access
        self.environment = make_environment()
        self.equity = {name: EquityCache() for name in self.sources}
        self._kept: dict[tuple[Any, ...], tuple[Any, float, Any]] = {}
        self._stamps: dict[str, tuple[float, tuple[Any, ...]]] = {}

    @property
    def is_single(self) -> bool:
        """Whether there is one bot only."""
        return len(self.sources) == 1 and not self.remotes

    def source_of(self, request: web.Request) -> BotSource:
        """The bot that a request is about.

        Raises:
            HTTPNotFound: there is no bot of that name.
        """
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

        def read() -> T:
            with source.view() as view:
                return make(view)

        result = await asyncio.to_thread(read)
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[place] = (stamp, now, result)
        return result

    def visitor(self, request: web.Request) -> Visitor:
        """Who asks.

        Raises:
            HTTPFound: he has to log in.
            HTTPUnauthorized: the same, for what a page asks for by itself.
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

    def keep_answer(self, answer: Answer) -> str:
        """Remember an answer for the page that shows it; its key."""
        key = new_key()
        self.answers[key] = answer
        while len(self.answers) > ANSWERS_MAX:
            del self.answers[next(iter(self.answers))]
        return key

    def spend(self, mark: str) -> bool:
        """Whether a confirmation is used for the first time."""
        is_new = mark not in self._spent
        self._spent[mark] = None
        while len(self._spent) > SPENT_MAX:
            del self._spent[next(iter(self._spent))]
        return is_new

    def pages(self) -> Sequence[PageLink]:
        """The pages that this dashboard has."""
        return PAGES

    def message(self, request: web.Request, title: str, text: str, status: int) -> web.Response:
        """A page of one sentence; for the API the sentence as JSON."""
        if request.path.startswith("/api/"):
            error = json.dumps({"error": text or title, "status": status}, ensure_ascii=False)
            return web.Response(text=error, content_type="application/json", status=status)
        values = {"title": title, "site": "sectorbot", "text": text, "link": "/", "link_text": "Back"}
        shown = render(self.environment, "message", values)
        return web.Response(text=shown, content_type="text/html", status=status)


def set_cookie(request: web.Request, response: web.Response, key: str) -> None:
    """The cookie of a session: no script reads it, and no other site sends it."""
    response.set_cookie(COOKIE, key, httponly=True, samesite="Strict", secure=request.secure, path="/")


FRONTEND = web.AppKey("frontend", Frontend)
