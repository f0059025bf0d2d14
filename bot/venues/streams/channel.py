"""What a venue states about one of its connections: where it leads, what is said on it, what its messages mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.ports import StreamNews


@dataclass(frozen=True, slots=True)
class Heard:
    """One message, understood.

    Args:
        news: what it says.
        confirms: the venue has taken a subscription.
        refusal: why the venue has refused one, or ends the connection; a new one is opened.
        say: what has to be said now.
        is_answer: it answers what was said, and so does not show that the stream speaks by itself.
    """

    news: tuple[StreamNews, ...] = ()
    confirms: bool = False
    refusal: str = ""
    say: tuple[str, ...] = ()
    is_answer: bool = False


NOTHING = Heard()
ANSWER = Heard(is_answer=True)


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """How a connection is kept and watched.

    Args:
        silence_max_s: data must come at least that often; 0 for a connection that may have nothing to say.
        ping_s: how often we ask for a sign of life; a connection that is silent for half as long again has ended.
        ping: the text of the question; empty for the ping of WebSockets.
        renew_s: how often `Channel.renew` is called; 0 for never.
    """

    silence_max_s: float
    ping_s: float
    ping: str = ""
    renew_s: float = 0.0


class Channel(Protocol):
    """One connection of a venue."""

    name: str
    keep_alive: KeepAlive
    needs_confirmation: bool

    async def address(self) -> str:
        """Where to connect; asked before every connection. Raises Unavailable."""
        ...

    def greetings(self) -> Sequence[str]:
        """What to say once connected."""
        ...

    def missed(self) -> tuple[StreamNews, ...]:
        """What may have happened unheard before the connection was one: of an account, anything."""
        ...

    def read(self, message: Any) -> Heard:
        """Understand one message, which is parsed JSON. May raise whatever a message that is not as documented makes
        it raise: the caller counts it as not understood."""
        ...

    async def renew(self) -> None:
        """Keep the right to the connection. Raises Unavailable; the connection is then opened anew."""
        ...
