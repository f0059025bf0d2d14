"""A file that the bot writes is whole at every moment, and what fails leaves it as it was."""

import os
from pathlib import Path

import pytest

from bot.atomic_file import publish, read_beginning, write_atomically


@pytest.mark.parametrize("is_durable", [True, False])
@pytest.mark.parametrize("content", ["pause\nwhy\n", b"\x00\xff", "", "ä"])
def test_the_content_is_what_was_asked_for_and_nothing_else_stays(
    tmp_path: Path, content: str | bytes, is_durable: bool
) -> None:
    path = tmp_path / "new" / "file"
    for old in (b"", b"something longer than what comes"):
        if old:
            path.write_bytes(old)
        write_atomically(path, content, is_durable=is_durable)
        assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["write_bytes", "replace", "fsync"])
def test_a_failure_at_any_step_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os if step == "fsync" else Path, step, refuse)
        with pytest.raises(OSError, match="No space left") as caught:
            write_atomically(path, "new")
    assert caught.value.filename == str(path), "whoever says it says of which file"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_and_folder_are_on_the_disk_when_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, steps = tmp_path / "file", []
    force, rename = os.fsync, Path.replace

    def log_force(descriptor: int) -> None:
        steps.append("folder" if Path(f"/proc/self/fd/{descriptor}").resolve() == tmp_path else "content")
        force(descriptor)

    def log_rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", log_force)
    monkeypatch.setattr(Path, "replace", log_rename)
    write_atomically(path, "new")
    assert steps == ["content", "rename", "folder"]


def test_a_folder_that_cannot_be_forced_to_the_disk_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft, path, calls = tmp_path / "draft", tmp_path / "file", []
    draft.write_text("new")

    def only_files(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 1:
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", only_files)
    publish(draft, path)
    assert (path.read_text(), draft.exists(), len(calls)) == ("new", False, 2)


def test_the_beginning_of_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abcdef")
    assert [read_beginning(path, limit) for limit in (4, 6, 100)] == [b"abcd", b"abcdef", b"abcdef"]
    with pytest.raises(OSError, match="No such file"):
        read_beginning(tmp_path / "nothing", 1)
