"""The API reads what the reading commands read, and its description holds every route."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bot.operate.dashboard.api.endpoints import API, ENDPOINTS
from bot.operate.dashboard.api.openapi import document
from bot.operate.dashboard.api.schema import ANSWERS
from bot.operate.dashboard.server import make_app
from bot.operate.dashboard.source import BotSource, make_source
from bot.report import queries, signals
from tests.operate.dashboard.conftest import dashboard, pretend_daemon, settings_of
from tests.operate.dashboard.test_control import API_ACCOUNT, BEARER

MakeSource = Callable[..., BotSource]
VOLATILE = {"now_ms", "last_cycle_age_ms", "running", "pid"}


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


async def test_every_read_answers_and_is_what_the_command_says(source_of: MakeSource) -> None:
    source = source_of(API_ACCOUNT)
    with source.view() as view:
        expected = {
            "/status": queries.status(view)[0],
            "/positions": queries.positions(view),
            "/pnl": queries.profit(view),
            "/why": queries.why(view, None),
            "/signals": signals.signals(view),
        }
        order = view.reader.load_orders(1)[0].client_id
    async with dashboard(source) as client:
        for endpoint in ENDPOINTS:
            path = endpoint.path.replace("{client_id}", order).replace("{cycle}", "1")
            assert (await client.get(API + path)).status == 401, path
            answer = await client.get(API + path, headers=BEARER)
            assert answer.status == 200, (path, await answer.text())
            assert answer.content_type == "application/json"
            found = await answer.json()
            assert isinstance(found, list) == endpoint.is_list
            if endpoint.path in expected:
                wanted = plain(expected[endpoint.path])
                assert {k: v for k, v in found.items() if k not in VOLATILE and k != "as_of"} == {
                    k: v for k, v in wanted.items() if k not in VOLATILE and k != "as_of"
                }
        assert len(await (await client.get(f"{API}/orders?limit=3", headers=BEARER)).json()) == 3


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/orders?limit=x", 400, "whole number"),
        ("/orders?colour=red", 400, "unknown parameter"),
        ("/orders/nobody", 404, "knows no order"),
        ("/why?cycle=4711", 404, "there is no cycle 4711"),
        ("/replay/x", 404, "give the number"),
        ("/history?since=never", 404, "give a span"),
        ("/nothing", 404, ""),
    ],
)
async def test_an_error_is_json_with_a_sentence(path: str, status: int, words: str, source_of: MakeSource) -> None:
    async with dashboard(source_of()) as client:
        answer = await client.get(API + path)
        found = await answer.json()
    assert (answer.status, found["status"]) == (status, status)
    assert words in found["error"]


@pytest.mark.parametrize("is_single", [True, False])
def test_the_description_is_complete(is_single: bool, state: Any) -> None:
    settings = settings_of(state)
    sources = [make_source(settings, name=name) for name in ("one", "two")[: 1 if is_single else 2]]
    app = make_app(sources, settings.dashboard)
    routes = {
        (route.method, route.resource.canonical.removeprefix(API))
        for route in app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith(API) and route.method != "HEAD"
    }
    described = document(is_single=is_single)
    assert described["openapi"] == "3.1.0"
    listed = {(method.upper(), path) for path, item in described["paths"].items() for method in item}
    assert listed == routes - {("GET", "/openapi.json")}
    operations = [operation for item in described["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for path, item in described["paths"].items():
        named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        for operation in item.values():
            assert {one["name"] for one in operation["parameters"] if one["in"] == "path"} == named
            assert {"200", "400", "401", "429"} <= set(operation["responses"])
    text = json.dumps(described)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        node: Any = described
        for name in reference.removeprefix("#/").split("/"):
            node = node[name]


async def test_the_description_is_served_without_a_token(source_of: MakeSource) -> None:
    async with dashboard(source_of(API_ACCOUNT)) as client:
        found = await (await client.get(f"{API}/openapi.json")).json()
        bots = await (await client.get(f"{API}/bots", headers=BEARER)).json()
    assert found["info"]["title"] == "sectorbot"
    assert [one["name"] for one in bots] == ["sectorbot"]
    assert bots[0]["equity_quote"] is not None


def checked(path: str, answer: Any) -> list[str]:
    """What in an answer differs from the schema that the description gives for it."""
    described = document(is_single=True)
    schema = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**schema, "components": described["components"]})
    return [f"{path} {list(error.absolute_path)}: {error.message[:200]}" for error in validator.iter_errors(answer)]


async def answers_of(source: BotSource) -> dict[str, Any]:
    """What every read answers, by path."""
    with source.view() as view:
        orders = [order.client_id for order in view.reader.load_orders(1)]
    found = {}
    async with dashboard(source) as client:
        for path in ["/bots", *(endpoint.path for endpoint in ENDPOINTS)]:
            asked = path.replace("{client_id}", orders[0] if orders else "none").replace("{cycle}", "1")
            answer = await client.get(f"{API}{asked}{'?since=all' if path == '/history' else ''}")
            assert answer.status == 200, (path, await answer.text())
            found[path] = await answer.json()
    return found


@pytest.mark.parametrize("is_running", [True, False])
async def test_every_answer_follows_its_schema(is_running: bool, source_of: MakeSource, state: Any) -> None:
    if is_running:
        pretend_daemon(state, kill="pause", problem="mismatch")
    answers = await answers_of(source_of())
    assert set(answers) == set(ANSWERS)
    assert [line for path, answer in answers.items() for line in checked(path, answer)] == []


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/status", {"mode": 3}),
        ("/status", {"colour": "red"}),
        ("/pnl", {"periods": {"x": {}}}),
        ("/log", {"events": [{}]}),
    ],
)
async def test_an_answer_that_differs_from_its_schema_is_found(
    path: str, change: dict[str, Any], source_of: MakeSource
) -> None:
    answers = await answers_of(source_of())
    assert checked(path, answers[path] | change)
    assert checked(path, dict(list(answers[path].items())[1:])), "a field is missing"
