"""Who a visitor is and what he may do: sessions, accounts, the tokens of forms, and how often a thing may be tried."""

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bot.operate.dashboard.access.passwords import is_password, is_token
from bot.runtime.settings.sections import DashboardAccount

Role = Literal["viewer", "operator"]
SESSION_SECONDS, SESSIONS_MAX = 12 * 3_600, 200
LOGINS_PER_MINUTE, LOGINS_OF_ALL, ACTIONS_PER_MINUTE = 5, 20, 10
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who may read. `key` is the secret of his cookie, which tokens of forms are made from."""

    name: str
    role: Role
    key: str = ""
    has_logged_in: bool = False

    @property
    def is_operator(self) -> bool:
        """Whether he may act."""
        return self.role == "operator"


@dataclass(frozen=True, slots=True)
class _Session:
    name: str
    ends_at: float


@dataclass(slots=True)
class Budget:
    """So many tries a minute for each key."""

    per_minute: int
    _tries: dict[str, deque[float]] = field(default_factory=dict)

    def take(self, key: str) -> bool:
        """Whether one more is allowed now; if so, it counts."""
        now = time.monotonic()
        if len(self._tries) > 1_000:
            self._tries = {name: tries for name, tries in self._tries.items() if tries and now - tries[-1] < 60}
        tries = self._tries.setdefault(key, deque())
        while tries and now - tries[0] >= 60:
            tries.popleft()
        if len(tries) >= self.per_minute:
            return False
        tries.append(now)
        return True


class Access:
    """Accounts and sessions of one dashboard.

    Args:
        accounts: who may log in, by name. Without any, whoever reaches the page reads; that is this machine only.
        is_play: no bot of this dashboard moves money, so without accounts everybody may act as well.
    """

    def __init__(self, accounts: Mapping[str, DashboardAccount], *, is_play: bool) -> None:
        self._accounts, self._is_play = accounts, is_play
        self._sessions: dict[str, _Session] = {}
        self._secret = secrets.token_bytes(32)
        self._logins, self._all_logins = Budget(LOGINS_PER_MINUTE), Budget(LOGINS_OF_ALL)
        self.actions = Budget(ACTIONS_PER_MINUTE)

    @property
    def needs_login(self) -> bool:
        """Whether there is any account."""
        return bool(self._accounts)

    def may_try_login(self, address: str) -> bool:
        """Whether another password from this address is looked at now."""
        return self._all_logins.take("") and self._logins.take(address)

    def log_in(self, name: str, password: str) -> str | None:
        """The key of a new session; None when name and password do not fit. Takes a while: call it in a thread."""
        account = self._accounts.get(name)
        hashed = account.password_hash.get_secret_value() if account and account.password_hash else None
        if not is_password(password, hashed):
            return None
        now = time.time()
        self._sessions = {key: one for key, one in self._sessions.items() if one.ends_at > now}
        while len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        key = secrets.token_urlsafe(32)
        self._sessions[_digest(key)] = _Session(name, now + SESSION_SECONDS)
        return key

    def log_out(self, key: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(key), None)

    def visitor_of(self, key: str) -> Visitor | None:
        """Who sends this cookie; None where he has to log in."""
        if not self._accounts:
            return Visitor(LOCAL, "operator" if self._is_play else "viewer", key)
        session = self._sessions.get(_digest(key)) if key else None
        if session is None or session.ends_at <= time.time() or session.name not in self._accounts:
            return None
        return Visitor(session.name, self._accounts[session.name].role, key, has_logged_in=True)

    def visitor_of_token(self, token: str) -> Visitor | None:
        """Whose token of the API this is."""
        for name, account in self._accounts.items():
            hashed = account.token_hash.get_secret_value() if account.token_hash else None
            if is_token(token, hashed):
                return Visitor(name, account.role)
        return None

    def form_token(self, key: str) -> str:
        """What a form of this visitor carries, so that no other site can send it for him."""
        return hmac.new(self._secret, key.encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, key: str, token: str) -> bool:
        """Whether a form was made for this visitor."""
        return bool(key) and hmac.compare_digest(self.form_token(key), token)


def new_key() -> str:
    """A cookie for somebody who need not log in."""
    return secrets.token_urlsafe(32)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
