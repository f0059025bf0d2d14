"""Fees and volumes of DefiLlama as series: which addresses, how their parts add up, and what hostile answers are."""

from decimal import Decimal

import pytest

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.feeds.series.defillama import addresses_of
from bot.feeds.series.rows import SeriesTextError
from bot.feeds.series.source import ConfiguredSeries
from bot.ports import Unavailable
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import load_settings

D = Decimal
JAN_1 = 1_767_225_600_000
NOW = JAN_1 + 2 * DAY_MS + HOUR_MS
# As `/overview/fees/CHAIN` answers with excludeTotalDataChartBreakdown: the last day is not over yet.
ETHEREUM = """{"totalDataChart":[[1767225600,21034567],[1767312000,20876543],[1767398400,801234]],
"totalDataChartBreakdown":[],"breakdown24h":null,"chain":"Ethereum","allChains":["Ethereum","Solana"],
"total24h":20876543,"total7d":140000000,"change_1d":-0.75,"protocols":[{"defillamaId":"1","name":"Uniswap",
"category":"Dexs","total24h":3000000,"methodology":{"Fees":"Swap fees"}}]}"""
# As `/summary/fees/PROTOCOL` answers.
AAVE = """{"id":"parent#aave","name":"Aave","total24h":2100000,"total48hto24h":2000000,"totalAllTime":1500000000,
"totalDataChart":[[1767225600,2000000],[1767312000,2100000.5]],"totalDataChartBreakdown":null,
"methodology":{"Fees":"Interest paid by borrowers"}}"""


class Answers:
    """The text of each address."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.asked: list[str] = []

    async def __call__(self, source: str) -> str:
        self.asked.append(source)
        text = next((text for name, text in self.texts.items() if f"/{name}?" in source), None)
        if text is None:
            raise SeriesTextError("answers with status 404; check the address")
        return text


def series(answers: Answers, *parts: str, source: str = "defillama:fees") -> ConfiguredSeries:
    given = ", ".join(f'"{part}"' for part in parts)
    settings = load_settings(
        (), (f"series.fees.source={source}", "series.fees.sector=infra", f"series.fees.parts=[{given}]")
    )
    return ConfiguredSeries({"fees": settings.series["fees"].spec("fees")}, lambda: NOW, answers)


async def test_fees_of_a_chain_are_known_when_their_day_is_over() -> None:
    answers = Answers(Ethereum=ETHEREUM)
    found = await series(answers, "chain:Ethereum").fetch_macro("fees")
    assert found.values == (D(21034567), D(20876543))
    assert found.at_ms == (JAN_1 + DAY_MS, JAN_1 + 2 * DAY_MS)
    assert answers.asked == [
        "https://api.llama.fi/overview/fees/Ethereum?excludeTotalDataChart=false&excludeTotalDataChartBreakdown=true"
        "&dataType=dailyFees"
    ]


async def test_parts_add_up_over_the_days_that_all_of_them_have() -> None:
    answers = Answers(Ethereum=ETHEREUM, aave=AAVE)
    found = await series(answers, "chain:Ethereum", "protocol:aave").fetch_macro("fees")
    assert found.values == (D(23034567), D("22976543.5"))


@pytest.mark.parametrize(
    ("source", "part", "path"),
    [
        ("defillama:fees", "all", "/overview/fees?"),
        ("defillama:fees", "protocol:uniswap", "/summary/fees/uniswap?"),
        ("defillama:volumes", "all", "/overview/dexs?"),
        ("defillama:volumes", "chain:OP Mainnet", "/overview/dexs/OP%20Mainnet?"),
        ("defillama:volumes", "protocol:curve-dex", "/summary/dexs/curve-dex?"),
    ],
)
def test_every_part_has_an_address(source: str, part: str, path: str) -> None:
    (address,) = addresses_of(source, [part])
    assert address.startswith(f"https://api.llama.fi{path}")


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"Ethereum": ETHEREUM}, "https://api.llama.fi/summary/fees/aave: answers with status 404"),
        ({"Ethereum": ETHEREUM, "aave": '{"totalDataChart":null}'}, "fees/aave: rows = 'totalDataChart': there is no"),
        ({"Ethereum": ETHEREUM, "aave": '{"message":"Internal"}'}, "fees/aave: rows = 'totalDataChart': there is no"),
        ({"Ethereum": ETHEREUM, "aave": '{"totalDataChart":[]}'}, "fees/aave: has no row with a value"),
        ({"Ethereum": ETHEREUM, "aave": '{"totalDataChart":[[1767225600000000,5]]}'}, "is no time between 2009"),
        ({"Ethereum": ETHEREUM, "aave": '{"totalDataChart":[[1767225600,NaN]]}'}, "value = 'NaN' is no number"),
        ({"Ethereum": ETHEREUM, "aave": '{"totalDataChart":[[1735689600,5]]}'}, "its parts have no time in common"),
        ({"Ethereum": ETHEREUM, "aave": "<html>"}, "fees/aave: is a web page"),
    ],
)
async def test_half_a_sum_is_no_sum_and_the_part_is_named(texts: dict[str, str], why: str) -> None:
    with pytest.raises(Unavailable) as error:
        await series(Answers(**texts), "chain:Ethereum", "protocol:aave").fetch_macro("fees")
    assert str(error.value).startswith("series.fees: defillama:fees: ")
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("assignments", "problem"),
    [
        (("series.fees.source=defillama:revenue",), "is no source of DefiLlama; use defillama:fees or"),
        (("series.fees.source=defillama:fees", 'series.fees.parts=["Ethereum"]'), "'Ethereum' is no part; use"),
        (("series.fees.source=fees.csv", 'series.fees.parts=["all"]'), "parts belong to defillama:fees and"),
    ],
)
def test_what_defillama_has_not_is_refused(assignments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(SettingsProblem, match=problem):
        load_settings((), (*assignments, "series.fees.sector=infra"))
