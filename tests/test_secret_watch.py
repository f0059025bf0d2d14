"""The search for secrets finds one wherever it may hide, and a bot that logs everything leaves none."""

import hashlib
import io
import re
import sqlite3
import zlib
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.runtime import logs
from bot.runtime.settings.model import Sources, packaged_config
from bot.runtime.simulator.embedded import embed_synthetic
from bot.runtime.wiring import build
from tests.secret_watch import WATCH, SecretWatch
from tests.test_network_guard import WORKERS, run_pytest

SECRET = "fish-for-the-net-to-catch"


LEAKS = """
from bot.simex.signing import ApiKey
KEY = ApiKey("a-key-for-the-net", "a-secret-for-the-net", "main")
def test_prints():
    print(KEY.secret)
def test_writes(tmp_path):
    (tmp_path / "bot.log").write_text(KEY.key)
"""
# Each test waits for the other one, so two workers run them; only one of the two ever makes the key.
ONE_MAKES_ANOTHER_LEAKS = """
import hashlib, time
from pathlib import Path
SECRET = hashlib.sha256(b"inner").hexdigest()
def meet(name, other):
    folder = Path(__file__).parent
    (folder / name).touch()
    end = time.monotonic() + 30
    while not (folder / other).exists():
        assert time.monotonic() < end, "the tests do not run side by side"
        time.sleep(0.01)
def test_makes():
    from bot.simex.signing import ApiKey
    ApiKey("short", SECRET, "main")
    meet("one", "other")
def test_leaks(tmp_path):
    meet("other", "one")
    LEAK
"""


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
    watch.pytest_runtest_logreport(report)
    assert watch.leaks == []
    watch.search_outputs()
    assert watch.leaks == ["Captured stdout of a::test"]


def test_a_key_in_what_a_test_printed_or_wrote_fails_the_session_by_name(tmp_path: Path) -> None:
    outcome = run_pytest(tmp_path, LEAKS)
    assert outcome.returncode == pytest.ExitCode.TESTS_FAILED
    assert "2 passed" in outcome.stdout
    assert "stdout call of test_inner.py::test_prints" in outcome.stdout
    assert "bot.log" in outcome.stdout


def test_a_key_in_what_a_worker_printed_or_wrote_fails_the_session_by_name(tmp_path: Path) -> None:
    outcome = run_pytest(tmp_path, LEAKS, *WORKERS)
    assert outcome.returncode == pytest.ExitCode.TESTS_FAILED
    assert "2 passed" in outcome.stdout
    assert "stdout call of test_inner.py::test_prints" in outcome.stdout
    assert "bot.log" in outcome.stdout


@pytest.mark.slow
@pytest.mark.parametrize("how", ["print(SECRET)", '(tmp_path / "bot.log").write_text(SECRET)'])
def test_a_key_of_one_worker_is_found_in_what_another_one_left(tmp_path: Path, how: str) -> None:
    outcome = run_pytest(tmp_path, ONE_MAKES_ANOTHER_LEAKS.replace("LEAK", how), *WORKERS)
    assert "2 passed" in outcome.stdout, outcome.stdout
    assert outcome.returncode == pytest.ExitCode.TESTS_FAILED
    assert re.search(r"stdout call of test_inner\.py::test_leaks|file \S*/bot\.log", outcome.stdout)


@pytest.mark.parametrize("length", [63, 64, 65, 200])
def test_a_key_is_found_anywhere_in_a_run_of_its_own_characters(watch: SecretWatch, length: int) -> None:
    token = hashlib.sha256(b"a key").hexdigest()
    watch.note(token)
    for start in range(length):
        run = (("0" * start) + token)[:length]
        assert watch.found_in(f"key={run};".encode()) is (token in run)
        assert watch.found_in(run.encode() + b"0") is (token in run)


def test_a_key_is_found_after_runs_that_are_none(watch: SecretWatch) -> None:
    token, other = (hashlib.sha256(text).hexdigest() for text in (b"a key", b"no key"))
    watch.note(token)
    assert not watch.found_in(f"{other} {other[:63]}g{other}0\n".encode())
    assert watch.found_in(f"{other} {other[:63]}g{other}0\n{token}".encode())


def test_what_was_searched_before_is_searched_again_for_a_new_secret(watch: SecretWatch) -> None:
    said = b"opened with a-word-of-its-own"
    assert not watch.found_in(said)
    assert not watch.found_in(said)
    watch.note("a-word-of-its-own")
    assert watch.found_in(said)
    assert watch.found_in(said)


@pytest.mark.slow
def test_workers_that_leave_nothing_pass(tmp_path: Path) -> None:
    outcome = run_pytest(tmp_path, "def test_one():\n    pass\ndef test_other():\n    pass\n", *WORKERS)
    assert outcome.returncode == pytest.ExitCode.OK, outcome.stdout
    assert "searched for 0 secrets" in outcome.stdout


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
