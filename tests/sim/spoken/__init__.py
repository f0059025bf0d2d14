"""How each venue is spoken at the wire of a simulation: a module here for each, found by the venue's id."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from bot.simex.dialects.wire import WireRequest
from bot.venues.registry import FOLDERS
from tests.sim.spoken.shape import Spoken

SPOKEN: Mapping[str, Spoken] = {
    venue: import_module(f"{__name__}.{venue}").SPOKEN
    for venue in FOLDERS
    if (Path(__file__).parent / f"{venue}.py").is_file()
}
_BY_HOST = {
    host: spoken
    for spoken in SPOKEN.values()
    for environment in spoken.profile.environments.values()
    for host in environment.hosts
}


def spoken_of(request: WireRequest) -> Spoken:
    """The venue that a request goes to."""
    return _BY_HOST[request.host]
