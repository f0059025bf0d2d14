"""Concurrent requests with one deadline. What has not answered by then is reported as missing.

Of the venue only `Unavailable` and the deadline make something missing: any other exception is a bug and is raised.
A source of signals is asked through `without_bugs`: whatever it raises, a turn goes on without it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import structlog

from bot.domain.market import Missing
from bot.ports import Answered, Unavailable

T = TypeVar("T")
Question = TypeVar("Question")
_log = structlog.get_logger("sectorbot.feeds")
SHORT_TEXT = 128 * 1024  # characters that are parsed in a few milliseconds
Answers = tuple[dict[str, T], tuple[Missing, ...]]


def without_bugs(fetch: Callable[[Question], Awaitable[T]]) -> Callable[[Question], Awaitable[T]]:
    """`fetch` of a source of signals, which only informs: an unexpected exception is logged and is `Unavailable`."""

    async def ask(question: Question) -> T:
        try:
            return await fetch(question)
        except (Unavailable, TimeoutError):
            raise
        except Exception as error:  # whatever it is, the market and the account are known without it
            _log.exception("signal_source_failed", asked=str(question), what="the turn goes on without it")
            raise Unavailable(f"unexpected {type(error).__name__}: {str(error)[:200]}") from error

    return ask


async def gather_each(
    what: str, names: Sequence[str], fetch: Callable[[str], Awaitable[T]], *, deadline_ms: int, at_once: int
) -> Answers[T]:
    """`fetch` for each name, at most `at_once` at a time (one at a time without a task), all within `deadline_ms`.
    Answers keep the order of names."""
    if not names:
        return {}, ()
    result: dict[str, T] = {}
    failed: dict[str, str] = {}
    waiting = iter(names)

    async def ask_on() -> None:
        for name in waiting:  # all of them take from one line, each the next as soon as it has an answer
            try:
                result[name] = await fetch(name)
            except (Unavailable, TimeoutError) as error:
                failed[name] = str(error) or "no answer in time"

    try:
        async with asyncio.timeout(deadline_ms / 1000):
            if at_once == 1:
                await ask_on()
            else:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(min(at_once, len(names))):
                        tasks.create_task(ask_on())
    except TimeoutError:
        pass
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
    late = f"no answer within {deadline_ms} ms"
    missing = tuple(Missing(f"{what} {name}", failed.get(name, late)) for name in names if name not in result)
    return {name: result[name] for name in names if name in result}, missing


async def parsed(parse: Callable[[str], T], text: str) -> T:
    """`parse(text)`, in a thread where it takes longer than a turn of the event loop may."""
    return parse(text) if len(text) <= SHORT_TEXT else await asyncio.to_thread(parse, text)


async def results_of(work: Sequence[Coroutine[Any, Any, Any]], *, in_turn: bool) -> list[Any]:
    """All results, of work that waits at the same time or, `in_turn`, of work that never waits.

    Raises:
        BaseExceptionGroup: what the work raised, where it is done at the same time; the rest of it has ended.
    """
    if not in_turn:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
        return [task.result() for task in tasks]
    try:
        return [await one for one in work]
    finally:
        for one in work:
            one.close()


async def gather_all(
    what: str, names: Sequence[str], fetch: Callable[[Sequence[str]], Awaitable[Mapping[str, T]]], *, deadline_ms: int
) -> Answers[T]:
    """One call for all names. When it fails every name is missing, else those that it left out, each with the reason
    the answer gives; a reason for a name that came is a note about what was left out of it."""
    if not names:
        return {}, ()
    try:
        async with asyncio.timeout(deadline_ms / 1000):
            answer = await fetch(names)
        why = "the source sent none"
        notes = answer.notes if isinstance(answer, Answered) else {}
    except Unavailable as error:
        answer, why, notes = {}, str(error), {}
    except TimeoutError:
        answer, why, notes = {}, f"no answer within {deadline_ms} ms", {}
    result = {name: answer[name] for name in names if name in answer}
    missing = [Missing(f"{what} {name}", notes.get(name, why)) for name in names if name not in result]
    return result, (*missing, *(Missing(f"part of {what} {name}", notes[name]) for name in result if name in notes))
