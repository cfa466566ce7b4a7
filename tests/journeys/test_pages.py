"""Pages that show a terminal or a tool, followed as readers do on the platform that `make run` starts."""

import csv
import io
import json
import os
import random
import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import openpyxl
import polars
import pytest

from tests.support import deployment
from tests.support.pages import Shell, follow, shell
from tests.support.platform import ROOT, Platform, free_port

STAND_INS = str(ROOT / "tests" / "support" / "commands")
TUTORIAL = ROOT / "docs" / "tutorials" / "integrate.md"
HOW_TO = ROOT / "docs" / "how-to"
TOOLS = HOW_TO / "open-in-your-tools.md"
PORT = free_port()


@pytest.fixture(scope="module", params=deployment.KELDERMOUTH)
def keldermouth(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    named = {"HEDGEROW_GATEWAY_WEBHOOK_HOSTS": f"127.0.0.1:{PORT}"}
    folder = tmp_path_factory.mktemp("keldermouth")
    with deployment.keldermouth(request.param, folder, environment=named) as started:
        yield started


@pytest.fixture
def terminal(keldermouth: Platform, tmp_path: Path) -> Iterator[Shell]:
    reader = {
        "HEDGEROW": keldermouth.url,
        "HEDGEROW_URL": keldermouth.url,
        "HEDGEROW_KEY_FILE": str(keldermouth.data_dir / "admin.key"),
        "KEY": (keldermouth.data_dir / "admin.key").read_text().strip(),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], STAND_INS]),
    }
    # As the tutorial has it; pages that go on from there say so.
    (tmp_path / "signed-in.txt").write_text(f'header = "Authorization: Bearer {reader["KEY"]}"\n')
    with shell(tmp_path, reader) as made:
        yield made


def test_a_stranger_with_a_key_connects_a_system(terminal: Shell, tmp_path: Path) -> None:
    assert follow(TUTORIAL.read_text().replace("9000", str(PORT)), tmp_path, terminal) == 10


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("connect-a-system.md", 7),
        ("poll-kpis.md", 5),
        ("close-gaps.md", 4),
        ("what-if.md", 3),
        ("report.md", 3),
    ],
)
def test_a_how_to_shows_what_its_commands_print(
    terminal: Shell, tmp_path: Path, name: str, shown: int
) -> None:
    assert follow((HOW_TO / name).read_text(), tmp_path, terminal) == shown


def test_the_tools_of_the_page_read_what_it_says(
    keldermouth: Platform, terminal: Shell, tmp_path: Path
) -> None:
    assert follow(TOOLS.read_text(), tmp_path, terminal) == 6
    (head, *rows) = openpyxl.load_workbook(tmp_path / "waits.xlsx")["Rows"].iter_rows(values_only=True)
    by_month = {row[head.index("period")]: row[head.index("value")] for row in rows}
    assert by_month["2026-10"] == 7.8
    assert {row[head.index("subject")] for row in rows} == {"E06999001"}


def test_power_query_gets_typed_columns_from_one_constant_address(keldermouth: Platform) -> None:
    (code,) = re.findall(r"```powerquery\n(.*?)```", TOOLS.read_text(), re.DOTALL)
    (path,) = re.findall(r'RelativePath = "(.*?)"', code)
    (query,) = re.findall(r"Query = \[(.*?)\]", code)
    asked = dict(re.findall(r'(\w+) = "(.*?)"', query))
    rows = list(csv.DictReader(io.StringIO(keldermouth.client.get(f"/{path}", params=asked).text)))
    assert len(rows) > 12
    for row in rows:
        for column, kind in re.findall(r'\{"(\w+)", type (\w+)\}', code):
            assert {"date": date.fromisoformat, "number": float}[kind](row[column])


def test_grafana_reads_a_series_of_moments_and_numbers(keldermouth: Platform) -> None:
    fields = dict(re.findall(r"^\| ([^|]+?) \| (.+) \|$", TOOLS.read_text(), re.MULTILINE))
    moments = {"${__from:date:YYYY-MM-DD}": "2026-08-01", "${__to:date:YYYY-MM-DD}": "2026-10-31"}
    address = fields["URL"].strip("`")
    for macro, day in moments.items():
        assert macro in address
        address = address.replace(macro, day)
    assert fields["Root selector"] == "`$.items`"
    (time,), (value,) = (re.findall(r"selector `(\w+)`", fields[f"Column {number}"]) for number in (1, 2))
    items = keldermouth.client.get(address).json()["items"]
    assert [(date.fromisoformat(item[time]), item[value]) for item in items] == [
        (date(2026, 8, 31), 7.3),
        (date(2026, 9, 30), 7.6),
        (date(2026, 10, 31), 7.8),
    ]


def same_figures(keldermouth: Platform, rounds: int) -> int:
    """Ask for random parts of the observations in every format; the most rows that one answer had."""
    chance = random.Random(37)
    kpis = [item["id"] for item in keldermouth.items("/v1/kpis", limit=1000)]
    subjects = sorted({item["subject"] for item in keldermouth.items("/v1/observations", limit=1000)})
    most = 0
    for _ in range(rounds):
        first, last = sorted(date(2025, 1, 1).toordinal() + chance.randrange(730) for _ in range(2))
        asked = {"from": str(date.fromordinal(first)), "to": str(date.fromordinal(last))}
        if chance.random() < 0.8:
            asked["kpi"] = chance.choice(kpis)
        if chance.random() < 0.5:
            asked["subject"] = chance.choice(subjects)
        plain = [figure(item) for item in keldermouth.items("/v1/observations", **asked, limit=1000)]
        most = max(most, len(plain))
        for name, read in READ.items():
            answer = keldermouth.client.get("/v1/observations", params={**asked, "format": name})
            assert answer.status_code == 200, answer.text
            found = [figure(row) for row in read(answer.content)]
            assert len(found) == len(plain)
            for one, other in zip(plain, found, strict=True):
                assert one[:3] == other[:3], (name, asked)
                assert one[3] == pytest.approx(other[3], abs=1e-9, rel=0), (name, asked)
    return most


def figure(row: dict[str, object]) -> tuple[object, object, object, float | None]:
    value = row["value"]
    return row["kpi"], row["subject"], row["period"], None if value in (None, "") else float(str(value))


def from_csv(content: bytes) -> list[dict[str, object]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def from_csv_for_excel(content: bytes) -> list[dict[str, object]]:
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    return [{name: cell.removeprefix("'") for name, cell in row.items()} for row in rows]


def from_workbook(content: bytes) -> list[dict[str, object]]:
    (head, *rows) = openpyxl.load_workbook(io.BytesIO(content))["Rows"].iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


def from_parquet(content: bytes) -> list[dict[str, object]]:
    return polars.read_parquet(io.BytesIO(content)).to_dicts()


def from_ndjson(content: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in content.splitlines()]


READ = {
    "csv": from_csv,
    "csv-excel": from_csv_for_excel,
    "ndjson": from_ndjson,
    "xlsx": from_workbook,
    "parquet": from_parquet,
}


def test_every_format_tells_the_same_figures(keldermouth: Platform) -> None:
    assert same_figures(keldermouth, 40) > 20


@pytest.mark.slow
@pytest.mark.parametrize("keldermouth", ["up"], indirect=True)
def test_ten_thousand_random_filters_tell_the_same_figures(
    keldermouth: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds = 10_000
    most = same_figures(keldermouth, rounds)
    with capsys.disabled():
        print(f"\n{rounds} random filters in {len(READ) + 1} formats: 0 differences, up to {most} rows each")
