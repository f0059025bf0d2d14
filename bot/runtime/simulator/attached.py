"""An exchange that runs already, in a process of its own, as the venue of a run: `sectorbot exchange` on this machine.

Address, authority and key are read from the document that the exchange has written, never from settings, so that no key
of a real venue can get there; and no address but loopback is taken, so that nothing of the run can get elsewhere.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot.domain.instrument import Kind
from bot.domain.market import Macro
from bot.ports import MacroSource, SetupFailed, TvlSource, Unavailable
from bot.runtime.clock import SkippingClock
from bot.runtime.settings.model import Settings
from bot.runtime.simulator.embedded import MarketMacro, MarketTvl, anchored_market
from bot.runtime.simulator.reach import DOCUMENT_NAME
from bot.simex.market.aliased import KnownMarket
from bot.simex.signing import ApiKey
from bot.simex.tls import LOOPBACK, loopback_session

ANSWER_SECONDS = 5
REMEDY = "start `sectorbot exchange --state DIR` and give DIR"


class NoMacro:
    """The series of recorded markets, which have none. A `MacroSource`."""

    names: tuple[str, ...] = ()

    async def fetch_macro(self, name: str) -> Macro:
        """Raises Unavailable."""
        raise Unavailable(f"the market has no {name}")


@dataclass(frozen=True, slots=True)
class Reach:
    """What the document says of an exchange."""

    identity: str
    port: int
    authority: Path
    keys: tuple[ApiKey, ...]
    market: dict[str, Any]
    known: KnownMarket | None = None  # None: recorded candles, of which total value locked is no part

    @property
    def key(self) -> ApiKey:
        return self.keys[0]


@dataclass(slots=True)
class Attached:
    """A running exchange that is not ours to stop. A `SimulatorControl`."""

    reach: Reach
    clock: SkippingClock
    tvl: TvlSource | None
    macro: MacroSource
    is_pair: bool = False

    @property
    def identity(self) -> str:
        return self.reach.identity

    @property
    def key(self) -> ApiKey:
        return self.reach.key

    def key_of(self, kind: Kind) -> ApiKey:
        """The key of the account that trades one kind of market: the first, or the second for perps at a venue of
        their own."""
        return self.reach.keys[-1] if kind is Kind.PERP and self.is_pair else self.reach.key

    def session(self) -> aiohttp.ClientSession:
        """A session that resolves every host to this exchange and trusts only its authority."""
        return loopback_session(self.reach.port, self.reach.authority)

    async def stop(self) -> None:
        """It goes on."""


async def attach(settings: Settings, place: Path) -> Attached:
    """The exchange of a state directory, or of a file that holds what `sectorbot exchange --json` printed.

    Raises:
        SetupFailed: it cannot be the venue of this run; says why and what to do.
        Unavailable: it does not answer.
    """
    reach = read_reach(place, [account.id for account in settings.venue.accounts])
    now_ms = await _ask_clock(reach, place)
    clock, known = SkippingClock(now_ms), reach.known
    if known is None:
        return Attached(reach, clock, None, NoMacro(), settings.venue.is_pair)
    return Attached(reach, clock, MarketTvl(known, clock), MarketMacro(known, clock), settings.venue.is_pair)


def read_reach(place: Path, wanted: Sequence[str]) -> Reach:
    """What the document of an exchange says. `wanted` are the venues of the accounts that are to be traded: the first,
    or the first two of the exchange.

    Raises:
        SetupFailed: there is none, it is of another form, or it names something else than a venue on loopback.
    """
    file = place / DOCUMENT_NAME if place.is_dir() else place
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        address, port = urlsplit(document["https"]), urlsplit(document["https"]).port
        venues, accounts = document["venues"], list(document["accounts"].items())
        first, *others = (ApiKey(pair["key"], pair["secret"], name) for name, pair in accounts[: len(wanted)])
        identity, authority, market = document["id"], Path(document["ca"]), dict(document["market"])
        known = _known_market(market)
    except FileNotFoundError:
        raise SetupFailed(f"venue.exchange = {str(place)!r}: no exchange has been started there; {REMEDY}") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise SetupFailed(
            f"venue.exchange = {str(place)!r}: {file} is not what an exchange writes ({error!r}); {REMEDY}"
        ) from error
    if address.scheme != "https" or address.hostname != LOOPBACK or port is None:
        raise SetupFailed(
            f"venue.exchange = {str(place)!r}: {document['https']} is not an https address on {LOOPBACK}, and no other "
            f"is used; {REMEDY}"
        )
    if not authority.is_file():
        raise SetupFailed(f"venue.exchange = {str(place)!r}: its authority {authority} is not there; {REMEDY}")
    missing = [venue for venue in dict.fromkeys(wanted) if venue not in venues]
    if missing:
        raise SetupFailed(
            f"venue.exchange = {str(place)!r}: it speaks as {', '.join(venues)}, and venue.id is {missing[0]}; start "
            f"it with {' '.join(f'--venue {venue}' for venue in dict.fromkeys(wanted))}"
        )
    if 1 + len(others) < len(wanted):
        raise SetupFailed(
            f"venue.exchange = {str(place)!r}: this run needs {len(wanted)} of its accounts, and it has "
            f"{1 + len(others)}; start it with as many --account"
        )
    return Reach(identity, port, authority, (first, *others), market, known)


def _known_market(market: Mapping[str, Any]) -> KnownMarket | None:
    """The synthetic market of a document. Raises LookupError, TypeError or ValueError where it is of another form."""
    if market.get("market") or not market:
        return None
    return anchored_market(int(market["seed"]), int(market["start_ms"]), tuple(market["tokens"]), market["scenario"])


async def _ask_clock(reach: Reach, place: Path) -> int:
    """The exchange's time.

    Raises:
        SetupFailed: it runs faster or slower than this machine's.
        Unavailable: nothing answers there, or something that the authority does not vouch for.
    """
    async with loopback_session(reach.port, reach.authority) as session:
        try:
            timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
            async with session.get(f"https://{LOOPBACK}/simex/clock", timeout=timeout) as reply:
                answer = await reply.json()
                now_ms, speed = int(answer["now_ms"]), Decimal(str(answer["speed"]))
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(
                f"the exchange of {place} does not answer on port {reach.port} ({type(error).__name__}: {error})"
            ) from error
    if speed != 1:
        raise SetupFailed(
            f"venue.exchange = {str(place)!r}: its time runs {speed.normalize():f} times as fast as the bot's; start "
            "it without --speed"
        )
    return now_ms
