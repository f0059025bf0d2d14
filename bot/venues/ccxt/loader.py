"""Load one ccxt exchange class without the hundreds ccxt's own packages import.

The lean way plants package stand-ins that skip ccxt's `__init__` files (a third of the time, half of the memory). They
answer any exchange name lazily, so other code that imports ccxt later finds what it expects. `requests`, which only
ccxt's synchronous classes use, is loaded when the first of them wants a session, and `cryptography` when something is
signed with a key pair. It leans on ccxt's layout: anything unexpected removes the stand-ins and falls back to the
ordinary import.
"""

import contextlib
import importlib
import importlib.machinery
import importlib.util
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.ports import SetupFailed

CCXT_VERSION = "4.5.90"
_REQUESTS = {
    "requests": ("Session",),
    "requests.utils": ("default_user_agent",),
    "requests.exceptions": ("HTTPError", "Timeout", "TooManyRedirects", "RequestException", "ConnectionError"),
}
_KEY_PAIRS = {
    "cryptography.hazmat": ("backends",),
    "cryptography.hazmat.primitives": ("hashes",),
    "cryptography.hazmat.primitives.asymmetric": ("ec", "padding", "ed25519"),
    "cryptography.hazmat.primitives.asymmetric.utils": ("decode_dss_signature", "Prehashed"),
    "cryptography.hazmat.primitives.serialization": ("Encoding", "PublicFormat", "load_pem_private_key"),
}
_PACKAGES = {"ccxt": "", "ccxt.async_support": "async_support", "ccxt.pro": "pro"}


def load_exchange_class(ccxt_id: str, *, lean: bool = True) -> type[Any]:
    """The asynchronous ccxt class of that id.

    Raises:
        SetupFailed: when ccxt is not installed or does not know the id.
    """
    if lean and "ccxt" not in sys.modules:
        try:
            _plant_packages()
            return _class_of("ccxt.async_support", ccxt_id)
        except Exception:  # noqa: BLE001 - the ordinary import is the answer to every surprise
            for name in [name for name in sys.modules if name.partition(".")[0] == "ccxt"]:
                del sys.modules[name]
    try:
        package = importlib.import_module("ccxt.async_support")
        result = getattr(package, ccxt_id)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("ccxt.async_support."):
            raise SetupFailed(f"ccxt has no exchange {ccxt_id!r}; check the venue's id") from error
        raise SetupFailed("ccxt is not installed; install the project's locked requirements") from error
    except AttributeError as error:
        raise SetupFailed(f"ccxt has no exchange {ccxt_id!r}; check the venue's id") from error
    return result  # type: ignore[no-any-return]


def _plant_packages() -> None:
    spec = importlib.util.find_spec("ccxt")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("ccxt", name="ccxt")
    roots = list(spec.submodule_search_locations)
    source = (Path(roots[0]) / "__init__.py").read_text(encoding="utf-8")
    result = re.search(r"__version__ = '([^']+)'", source)
    planted = {}
    for name, folder in _PACKAGES.items():
        module = types.ModuleType(name)
        module.__path__ = [str(Path(root) / folder) if folder else root for root in roots]
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        module.__package__ = name
        vars(module)["__version__"] = result.group(1) if result else CCXT_VERSION
        vars(module)["__getattr__"] = _lazily(name)
        planted[name] = sys.modules[name] = module
    vars(planted["ccxt"])["async_support"] = planted["ccxt.async_support"]
    vars(planted["ccxt"])["pro"] = planted["ccxt.pro"]
    with _requests_later(), _key_pairs_later():
        exchange = importlib.import_module("ccxt.base.exchange")
    for name, value in vars(importlib.import_module("ccxt.base.errors")).items():
        if isinstance(value, type) and issubclass(value, Exception):
            for module in planted.values():
                setattr(module, name, value)
    vars(planted["ccxt"])["Exchange"] = exchange.Exchange


@contextlib.contextmanager
def _requests_later() -> Iterator[None]:
    """While `ccxt.base.exchange` is imported, `requests` is three empty modules with the names it takes from them."""
    if "requests" in sys.modules:
        yield
        return
    stands_in = {name: types.ModuleType(name) for name in _REQUESTS}
    for name, attributes in _REQUESTS.items():
        vars(stands_in[name]).update({word: type(word, (Exception,), {}) for word in attributes})
    vars(stands_in["requests"])["Session"] = _first_session
    vars(stands_in["requests.utils"])["default_user_agent"] = lambda: "sectorbot"
    sys.modules.update(stands_in)
    try:
        yield
    finally:
        for name in stands_in:
            sys.modules.pop(name, None)


class _Later:
    """A name of a module that is imported when the name is called. Until the import of ccxt is over, names of the name
    are such names too; then they are the real ones."""

    is_settled = False

    def __init__(self, module: str, path: tuple[str, ...]) -> None:
        self._module, self._path = module, path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if _Later.is_settled:
            return getattr(self.real(), name)
        return _Later(self._module, (*self._path, name))

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.real()(*arguments, **options)

    def real(self) -> Any:
        """What the name stands for."""
        place = importlib.import_module(self._module)
        for name in self._path:
            place = (
                getattr(place, name) if hasattr(place, name) else importlib.import_module(f"{place.__name__}.{name}")
            )
        return place


@contextlib.contextmanager
def _key_pairs_later() -> Iterator[None]:
    """While `ccxt.base.exchange` is imported, `cryptography` is the few names that it takes from there."""
    if "cryptography" in sys.modules:
        yield
        return
    parents = {name.rpartition(".")[0] for name in _KEY_PAIRS} | {"cryptography"}
    stands_in = {name: types.ModuleType(name) for name in sorted(parents | _KEY_PAIRS.keys())}
    for name, attributes in _KEY_PAIRS.items():
        vars(stands_in[name]).update({word: _Later(name, (word,)) for word in attributes})
    sys.modules.update(stands_in)
    _Later.is_settled = False
    try:
        yield
    finally:
        _Later.is_settled = True
        for name in stands_in:
            sys.modules.pop(name, None)


def _first_session() -> Any:
    """A synchronous class opens a session: give ccxt the real names, and a session."""
    module = vars(sys.modules["ccxt.base.exchange"])
    for name, attributes in _REQUESTS.items():
        real = importlib.import_module(name)
        module |= {
            "requestsConnectionError" if word == "ConnectionError" else word: getattr(real, word) for word in attributes
        }
    return module["Session"]()


def _lazily(package: str) -> Any:
    def attribute(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return _class_of(package, name)
        except ModuleNotFoundError:
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from None

    return attribute


def _class_of(package: str, ccxt_id: str) -> type[Any]:
    module = importlib.import_module(f"{package}.{ccxt_id}")
    result: type[Any] = getattr(module, ccxt_id)
    # The import put the submodule under this name; ccxt's own packages have the class there, and pro subclasses it.
    setattr(sys.modules[package], ccxt_id, result)
    return result
