"""The recorded cases of a venue, and that each takes part in the tests of its module."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any


def cases_of(folder: Path, name: str) -> list[dict[str, Any]]:
    """The cases of a file as they were recorded."""
    found: list[dict[str, Any]] = json.loads((folder / f"{name}.json").read_text())["cases"]
    return found


def check_that_all_take_part(
    folder: Path,
    module: Path,
    not_asked: Mapping[str, Mapping[str, str]],
    in_loops: Mapping[str, str],
    tests: Collection[str],
) -> None:
    """Every case is named by a test of the module, or by `not_asked` with a reason, or belongs to a file of which the
    test that `in_loops` names takes every case. The module has its tests above `NOT_ASKED`."""
    source = module.read_text().partition("\nNOT_ASKED = ")[0]
    files = sorted(path.stem for path in folder.glob("*.json"))
    assert {*not_asked, *in_loops} == set(files)
    for name in files:
        known = {case["name"] for case in cases_of(folder, name)}
        skipped = not_asked.get(name, {})
        assert skipped.keys() <= known, "a case that is no more"
        if name in in_loops:
            assert in_loops[name] in tests
            continue
        assert {case for case in known if f'"{case}"' in source} == known - skipped.keys(), name
