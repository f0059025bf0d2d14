"""The journal. sqlite_utils, which it is written with, is imported without numpy and pandas: where these are installed
it imports both, for types of columns that no journal has, and that is a tenth of the time in which a command starts."""

import importlib
import sys

_UNUSED = ("numpy", "pandas")


def _import_without(package: str, unused: tuple[str, ...]) -> None:
    """Import a package as if these were not installed; whoever needs them imports them afterwards."""
    absent = [name for name in unused if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        importlib.import_module(package)
    finally:
        for name in absent:
            del sys.modules[name]


_import_without("sqlite_utils", _UNUSED)
