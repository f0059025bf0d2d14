"""What a start says: by which code, configuration and place it can be traced."""

import shutil
from pathlib import Path

import pytest

from bot import __version__
from bot.runtime import build_info as banner
from bot.runtime.settings.model import load_settings


def test_a_start_is_named_by_code_configuration_and_place() -> None:
    settings = load_settings((), ("environment=sim", "mode=trade", "venue.account=second"))
    said = banner.started(settings)
    assert said == {
        "version": __version__,
        "code": banner.code_digest(),
        "config": settings.digest,
        "venue": settings.venue.id,
        "account": "second",
        "environment": "sim",
        "mode": "trade",
    }
    assert banner.started(load_settings((), ("environment=sim",)))["config"] != said["config"]


def test_the_digest_of_the_code_changes_with_any_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "bot"
    source = Path(banner.__file__).parent.parent
    shutil.copytree(source / "risk", root / "risk", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(source / "domain", root / "domain", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(banner, "__file__", str(root / "risk" / "build_info.py"))

    def digest() -> str:
        banner.code_digest.cache_clear()
        return banner.code_digest()

    try:
        first = digest()
        assert len(first) == 16
        assert digest() == first
        with (root / "domain" / "money.py").open("a") as file:
            file.write("# edited\n")
        second = digest()
        (root / "domain" / "more.py").touch()
        assert len({first, second, digest()}) == 3
    finally:
        banner.code_digest.cache_clear()
