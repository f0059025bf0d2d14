"""Dialects: each translates the requests of one venue into engine calls, and the results into the venue's answers.

A dialect is a folder here: `CERTIFICATE_NAMES`, the host names that it needs a certificate for, and a module `dialect`
with `make`, which takes `DialectParts`.
"""

from importlib import import_module
from pathlib import Path

DIALECTS = tuple(sorted(path.parent.name for path in Path(__file__).parent.glob("*/dialect.py")))
"""The venues that the embedded exchange can answer as."""


def certificate_names() -> tuple[str, ...]:
    """Host names of all venues, wildcards among them."""
    return tuple(name for venue in DIALECTS for name in import_module(f"{__name__}.{venue}").CERTIFICATE_NAMES)
