"""How long the venue's `Retry-After` lasts: for `status`, and an alert above a minute."""

from collections.abc import Mapping

import structlog

from bot.ports import RateLimited

ALARM_SECONDS = 60.0
_log = structlog.get_logger("sectorbot.venue")


class HoldWatch:
    """Says once per silence that it has begun, and once that it is over."""

    def __init__(self, venue: RateLimited) -> None:
        self._venue = venue
        self._said: set[str] = set()

    def used(self) -> Mapping[str, float]:
        """Share of the request budget that is used, by part of the venue."""
        return {market: round(share, 3) for market, share in self._venue.requests_used().items()}

    def poll(self) -> Mapping[str, int]:
        """Seconds that are left, by part of the venue; what is free is missing."""
        held = {market: round(seconds) for market, seconds in self._venue.held_seconds().items()}
        for market, seconds in held.items():
            if seconds > ALARM_SECONDS and market not in self._said:
                self._said.add(market)
                _log.critical(
                    "venue_asks_for_silence",
                    market=market,
                    seconds=seconds,
                    what="nothing is opened there; cancels and exits go on slowly unless it is a ban (HTTP 418)",
                )
        for market in sorted(self._said - held.keys()):
            self._said.discard(market)
            _log.warning("venue_takes_requests_again", market=market)
        return held
