"""Injected faults of requests. The state of the engine is not touched: a fault loses, delays or garbles replies.

Deterministic: the same plan and the same requests in the same order give the same faults.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random

HISTORY_LIMIT = 1_000
PUSH = "PUSH"
WAITS_S = {429: 1, 418: 120}


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request, in this order: wait `delay_before_ms`; drop it unread (`before_engine_drop`); let
    the engine act; wait `delay_after_ms`; then lose the reply (`after_engine_drop` closes without a byte, `reset` sends
    RST) or replace it. With `reply_status` the reply is that status and `reply_body`; 429 and 418 come with the header
    Retry-After (`retry_after_s`, or 1 and 120 seconds); `skips_engine` sends it without acting. `truncate` keeps so
    many bytes of the body, `html` sends a proxy's page, `empty` sends no body.

    Of messages on an open socket (rules of the method PUSH): `before_engine_drop` closes the connection, `reset` breaks
    it, `after_engine_drop` loses the message, `delay_after_ms` holds it and what follows, `duplicate` sends it twice,
    `reorder` sends it after the next one, and with `half_open` the connection stays and nothing comes any more."""

    before_engine_drop: bool = False
    after_engine_drop: bool = False
    reply_status: int | None = None
    reply_body: str | None = None
    skips_engine: bool = False
    delay_before_ms: int = 0
    delay_after_ms: int = 0
    truncate: int | None = None
    html: bool = False
    empty: bool = False
    reset: bool = False
    duplicate: bool = False
    reorder: bool = False
    half_open: bool = False
    retry_after_s: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """What a forced status adds: how long to stay away after 429 and 418, as the venues say it."""
        seconds = self.retry_after_s or WAITS_S.get(self.reply_status or 0, 0)
        return {"Retry-After": str(seconds)} if seconds else {}

    @property
    def is_lost(self) -> bool:
        """Whether the client sees no reply at all."""
        return self.before_engine_drop or self.after_engine_drop or self.reset


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Requests this fault is for: method and path as shell patterns, `needle` a part of query or body, `without` one
    that is not in them. So `needle="symbol=UNIUSDT"` fails what is asked of one symbol while lists answer, and
    `without="symbol="` the lists while single symbols do.

    The first `skip` matches pass, then at most `times` (None: all) are hit, each with `probability`.
    """

    fault: Fault
    method: str = "*"
    path: str = "*"
    needle: str = ""
    without: str = ""
    skip: int = 0
    times: int | None = 1
    probability: float = 1.0

    def matches(self, method: str, path: str, content: str) -> bool:
        if self.needle not in content or (self.without and self.without in content):
            return False
        return fnmatchcase(method, self.method) and fnmatchcase(path, self.path)


@dataclass(frozen=True, slots=True)
class FaultHit:
    """One fault that was handed out: number of the request, its line, the fault."""

    request: int
    method: str
    path: str
    fault: Fault


class FaultPlan:
    """Rules in order; the first that hits wins. `script` names faults by request number (from 0) and goes first.

    `hits` are the newest faults handed out.
    """

    def __init__(
        self, rules: Iterable[FaultRule] = (), *, seed: int = 0, script: Mapping[int, Fault] | None = None
    ) -> None:
        self._rules = tuple(rules)
        self._seed = seed
        self._script = dict(script or {})
        self._matched = [0] * len(self._rules)
        self._hit = [0] * len(self._rules)
        self._requests = 0
        self._is_armed = True
        self.hits: deque[FaultHit] = deque(maxlen=HISTORY_LIMIT)

    def add(self, rule: FaultRule) -> None:
        """One more rule, after the others."""
        self._rules += (rule,)
        self._matched.append(0)
        self._hit.append(0)

    def disarm(self) -> None:
        """No more faults; requests are still counted."""
        self._is_armed = False

    def arm(self) -> None:
        self._is_armed = True

    def draw(self, method: str, path: str, content: str = "") -> Fault | None:
        """The fault of the next request, or None. `content` is query and body. Call it once per request."""
        number = self._requests
        self._requests += 1
        fault = self._script.get(number) if self._is_armed else None
        if fault is None and self._is_armed:
            fault = self._by_rule(method, path, content)
        if fault is not None:
            self.hits.append(FaultHit(number, method, path, fault))
        return fault

    def draw_push(self, path: str, content: str) -> Fault | None:
        """The fault of a message that is about to be sent on an open socket of this path, or None. Only rules of the
        method PUSH are for messages; they are not counted as requests."""
        if not self._is_armed or all(rule.method != PUSH for rule in self._rules):
            return None
        fault = self._by_rule(PUSH, path, content, is_push=True)
        if fault is not None:
            self.hits.append(FaultHit(self._requests, PUSH, path, fault))
        return fault

    def _by_rule(self, method: str, path: str, content: str, *, is_push: bool = False) -> Fault | None:
        for index, rule in enumerate(self._rules):
            if (rule.method == PUSH) is not is_push:
                continue
            if not rule.matches(method, path, content):
                continue
            match = self._matched[index]
            self._matched[index] += 1
            if match < rule.skip or (rule.times is not None and self._hit[index] >= rule.times):
                continue
            # Seeding with text does not depend on the process's hash seed, seeding with a tuple would.
            if rule.probability < 1 and Random(f"{self._seed}/{index}/{match}").random() >= rule.probability:
                continue
            self._hit[index] += 1
            return rule.fault
        return None
