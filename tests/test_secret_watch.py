"""The search for secrets finds one wherever it may hide, and a bot that logs everything leaves none."""

import io
import sqlite3
import zlib
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.app import logs
from bot.app.embedded import embed_synthetic
from bot.app.settings import Sources, packaged_config
from bot.app.wiring import build
from tests.secret_watch import WATCH, SecretWatch
from tests.test_network_guard import run_pytest

SECRET = "fish-for-the-net-to-catch"


@pytest.fixture
def watch() -> SecretWatch:
    made = SecretWatch()
    made.note(SECRET)
    return made


def test_a_secret_in_a_log_file_is_found(watch: SecretWatch, tmp_path: Path) -> None:
    (tmp_path / "clean.log").write_text("nothing to see")
    watch.search_folder(tmp_path)
    assert watch.leaks == []
    (tmp_path / "bot.log").write_text(f"posting with {SECRET} to the venue")
    watch.search_folder(tmp_path)
    assert watch.leaks == [f"file {tmp_path / 'bot.log'}"]
    (tmp_path / "bot.log").unlink()  # the watch over the whole suite does not know this one, but tidy is tidy


def test_a_secret_in_a_compressed_cell_of_a_journal_is_found(watch: SecretWatch, tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "journal.db")
    db.execute("CREATE TABLE snapshots (body BLOB)")
    db.execute("INSERT INTO snapshots VALUES (?)", [zlib.compress(f'{{"key": "{SECRET}"}}'.encode())])
    db.commit()
    db.close()
    watch.search_folder(tmp_path)
    assert len(watch.leaks) == 1
    assert watch.searched["journals"] == 1


def test_a_signature_is_a_secret_too(watch: SecretWatch) -> None:
    assert watch.found_in(b"GET /api/v3/account?timestamp=1&signature=" + b"ab" * 32)
    assert not watch.found_in(b"GET /api/v3/account?timestamp=1&signature=********")


def test_what_a_test_prints_is_searched(watch: SecretWatch) -> None:
    report = pytest.TestReport("a::test", ("", None, ""), {}, "passed", None, "call", [("Captured stdout", SECRET)])
    watch.search_output(report)
    assert watch.leaks == ["Captured stdout of a::test"]


def test_a_key_in_what_a_test_printed_or_wrote_fails_the_session_by_name(tmp_path: Path) -> None:
    source = """
from bot.simex.signing import ApiKey
KEY = ApiKey("a-key-for-the-net", "a-secret-for-the-net", "main")
def test_prints():
    print(KEY.secret)
def test_writes(tmp_path):
    (tmp_path / "bot.log").write_text(KEY.key)
"""
    outcome = run_pytest(tmp_path, source)
    assert outcome.returncode == pytest.ExitCode.TESTS_FAILED
    assert "2 passed" in outcome.stdout
    assert "stdout call of test_inner.py::test_prints" in outcome.stdout
    assert "bot.log" in outcome.stdout


async def test_a_rotation_at_the_most_talkative_level_says_no_key(tmp_path: Path) -> None:
    assignments = ("environment=sim", "mode=trade", f'state_directory="{tmp_path}"')
    settings = Sources(files=(packaged_config() / "golden.toml",), assignments=assignments).load()
    embedded = await embed_synthetic(settings, scenario="golden", seed=1)
    stream = io.StringIO()
    logs.configure(style="json", level="debug", secrets=[], stream=stream)
    app = await build(settings, embedded=embedded)
    try:
        with capture_logs() as events:
            for _ in range(3):
                logs.log_cycle(await app.cycle.run())
    finally:
        await app.close()
        await embedded.stop()
    assert embedded.key.secret.encode() in WATCH.secrets
    assert len(events) >= 3
    assert not WATCH.found_in((stream.getvalue() + repr(events)).encode())
