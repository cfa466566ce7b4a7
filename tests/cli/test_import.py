import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import hedgerow
from tests.cli.scripted import PROBLEM, Platform, Reply, answering

CSV = "code,name,level\nE06999001,Keldermouth,authority\n"


def imported(status: str = "completed", *, quarantined: int = 0, **more: Any) -> dict[str, Any]:
    counts = {"accepted": 1200, "changed": 3, "unchanged": 0, "quarantined": quarantined}
    where = "/v1/imports/registry-1/receipts"
    return {
        "id": "registry-1",
        "kind": "areas",
        "status": status,
        "counts": counts,
        "receipts": where,
        **more,
    }


def send(platform: Platform, folder: Path, *arguments: str | Path, **more: Any) -> tuple[int, str, str]:
    key = folder / "admin.key"
    key.write_text("hedgerow_1_secret\n", encoding="utf-8")
    return hedgerow("--url", platform.url, "--key-file", key, "import", *arguments, **more)


def test_a_file_is_sent_as_it_is_and_its_counts_are_printed(tmp_path: Path) -> None:
    (tmp_path / "areas.csv").write_text(CSV, encoding="utf-8")
    with answering(
        {"POST /v1/imports/areas": Reply(imported(notes=["2 codes are not known here"]))}
    ) as platform:
        code, out, err = send(
            platform, tmp_path, "areas", tmp_path / "areas.csv", "--source", "ons", "--option", "vintage=2023"
        )
    assert (code, err) == (0, "")
    assert out == (
        "areas.csv as areas: 1,203 records, 1,200 accepted, 3 changed, 0 unchanged, 0 quarantined\n"
        "  note: 2 codes are not known here\n"
    )
    [asked] = platform.asked
    assert asked.body == CSV.encode()
    assert asked.query == {"source": "ons", "vintage": "2023"}
    assert asked.headers["content-type"] == "text/csv"
    assert asked.headers["authorization"] == "Bearer hedgerow_1_secret"
    assert "content-encoding" not in asked.headers


def test_gzip_stays_gzip_and_a_large_file_goes_in_pieces(tmp_path: Path) -> None:
    packed = gzip.compress(CSV.encode() * 200_000, compresslevel=0)
    (tmp_path / "areas.csv.gz").write_bytes(packed)
    with answering({"POST /v1/imports/areas": Reply(imported())}) as platform:
        code, _out, _err = send(platform, tmp_path, "areas", tmp_path / "areas.csv.gz")
    assert code == 0
    [asked] = platform.asked
    assert asked.headers["content-encoding"] == "gzip"
    assert asked.headers["content-type"] == "text/csv"
    assert asked.headers["transfer-encoding"] == "chunked"
    assert asked.body == packed


def test_standard_input_says_its_type(tmp_path: Path) -> None:
    with answering({"POST /v1/imports/areas": Reply(imported())}) as platform:
        refused = send(platform, tmp_path, "areas", "-", stdin=CSV.encode())
        assert refused[0] == 2
        assert "standard input does not say what it holds: add --type csv, ndjson" in refused[2]
        code, out, _err = send(platform, tmp_path, "areas", "-", "--type", "ndjson", stdin=b'{"code": 1}\n')
    assert code == 0
    assert out.startswith("standard input as areas: 1,203 records")
    assert platform.asked[-1].headers["content-type"] == "application/x-ndjson"
    assert platform.asked[-1].body == b'{"code": 1}\n'


def test_an_address_is_streamed_on(tmp_path: Path) -> None:
    served = Reply(CSV.encode(), media_type="text/csv; charset=utf-8")
    with answering({"GET /open/areas": served, "POST /v1/imports/areas": Reply(imported())}) as platform:
        code, out, _err = send(platform, tmp_path, "areas", f"{platform.url}/open/areas")
        gone = send(platform, tmp_path, "areas", f"{platform.url}/gone.csv")
    assert code == 0
    assert out.startswith(f"{platform.url}/open/areas as areas")
    assert platform.asked[1].body == CSV.encode()
    assert platform.asked[1].headers["content-type"] == "text/csv"
    assert gone[0] == 2
    assert "/gone.csv answered 404: check the address." in gone[2]


def test_a_live_feed_is_read_by_the_platform_itself(tmp_path: Path) -> None:
    with answering({"POST /v1/imports/hsds": Reply(imported())}) as platform:
        code, out, _err = send(
            platform, tmp_path, "hsds", "https://feed.example/api?page=1", "--source", "bristol"
        )
    assert code == 0
    assert out.startswith("https://feed.example/api?page=1 as areas: 1,203 records")
    [asked] = platform.asked
    assert asked.body == b""
    assert asked.query == {"source": "bristol", "url": "https://feed.example/api?page=1"}


def test_quarantined_records_are_shown_with_line_column_and_reason(tmp_path: Path) -> None:
    (tmp_path / "areas.csv").write_text(CSV, encoding="utf-8")
    receipts = {
        "items": [
            {
                "line": 7,
                "line_to": None,
                "column": "code",
                "key": "E0800009",
                "reason": "8 digits, not 9",
                "records": 1,
            },
            {"line": 9, "line_to": 11, "column": None, "key": None, "reason": "empty row", "records": 3},
            {
                "line": None,
                "pointer": "/contents/3",
                "column": "name",
                "key": "[bold]x",
                "reason": "is empty",
            },
        ],
        "next": "more",
    }
    replies = {
        "POST /v1/imports/areas": Reply(imported(quarantined=12)),
        "GET /v1/imports/registry-1/receipts": Reply(receipts),
    }
    with answering(replies) as platform:
        code, out, err = send(platform, tmp_path, "areas", tmp_path / "areas.csv", "--receipts", "3")
        strict = send(platform, tmp_path, "areas", tmp_path / "areas.csv", "--strict", "--receipts", "0")
    assert code == 0
    assert [line.rstrip() for line in out.splitlines()] == [
        "areas.csv as areas: 1,215 records, 1,200 accepted, 3 changed, 0 unchanged, 12 quarantined",
        "Quarantined",
        "       Line   Column   Record     Reason",
        "─────────────────────────────────────────────────",
        "          7   code     E0800009   8 digits, not 9",
        "       9–11                       empty row",
        "/contents/3   name     [bold]x    is empty",
    ]
    assert err == "  7 more quarantined: see /v1/imports/registry-1/receipts?verdict=quarantined\n"
    assert platform.asked[1].query == {"verdict": "quarantined", "limit": "3"}
    assert strict[0] == 1
    assert strict[2] == "error: 12 records are quarantined: mend them and send the file again.\n"


def test_an_unknown_kind_is_told_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "areas.csv").write_text(CSV, encoding="utf-8")
    paths = {
        "/v1/imports/sites": {"post": {}},
        "/v1/imports/areas": {"post": {}},
        "/v1/imports/{id}": {"get": {}},
    }
    with answering({"GET /openapi.json": Reply({"paths": paths})}) as platform:
        code, _out, err = send(platform, tmp_path, "area", tmp_path / "areas.csv")
    assert (code, err) == (1, "error: area is no kind of file: areas, sites.\n")


def test_json_prints_the_answer_untouched(tmp_path: Path) -> None:
    (tmp_path / "areas.csv").write_text(CSV, encoding="utf-8")
    answer = (
        b'{"status":"completed", "counts":{"accepted":1,"changed":0,"unchanged":0,"quarantined":0},"id":"x"}'
    )
    with answering({"POST /v1/imports/areas": Reply(answer)}) as platform:
        code, out, _err = send(platform, tmp_path, "areas", tmp_path / "areas.csv", "--json")
    assert code == 0
    assert out.encode() == answer + b"\n"


def test_an_import_that_goes_on_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "areas.csv").write_text(CSV, encoding="utf-8")
    replies: dict[str, Reply | list[Reply]] = {
        "POST /v1/imports/areas": Reply(imported("running"), 202),
        "GET /v1/imports/registry-1": [
            Reply(imported("running")),
            Reply(imported("failed", detail="interrupted")),
        ],
    }
    with answering(replies) as platform:
        code, _out, err = send(platform, tmp_path, "areas", tmp_path / "areas.csv")
    assert code == 1
    assert err == "error: The import failed: interrupted. See /v1/imports/registry-1.\n"


@pytest.mark.parametrize(
    ("reply", "code", "said"),
    [
        (
            Reply(
                {
                    "title": "The request does not fit",
                    "detail": "A column is missing.",
                    "errors": [
                        {"pointer": "/code", "reason": "missing"},
                        {"column": "level", "reason": "missing"},
                    ],
                },
                422,
                PROBLEM,
            ),
            1,
            "error: A column is missing – /code: missing; level: missing.\n",
        ),
        (Reply({"title": "Who asks is not known"}, 401, PROBLEM), 4, "refused the key in "),
        (Reply(b"<html>busy</html>", 502, "text/html"), 3, "answered 502 but not as Hedgerow does"),
    ],
)
def test_a_refusal_is_one_line_with_an_exit_code(tmp_path: Path, reply: Reply, code: int, said: str) -> None:
    (tmp_path / "areas.csv").write_text(CSV, encoding="utf-8")
    with answering({"POST /v1/imports/areas": reply}) as platform:
        got, out, err = send(platform, tmp_path, "areas", tmp_path / "areas.csv")
    assert (got, out) == (code, "")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.csv"], "nowhere.csv cannot be read (no such file or directory): check the path."),
        (["."], ". cannot be read (is a directory): check the path."),
        (["README"], "The extension of README does not say what it holds: add --type csv"),
        (["README", "--type", "excel"], "excel is no type: use --type csv, ndjson, json, geojson, parquet"),
        (["README", "--option", "vintage"], "vintage is not NAME=VALUE"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is_asked(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "README").write_text("x", encoding="utf-8")
    with answering({}) as platform:
        code, _out, err = send(platform, tmp_path, "areas", *arguments, cwd=tmp_path)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert platform.asked == []


REFUSED = {"title": "Later", "detail": "Not now."}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("how", ["a file", "standard input", "a pipe", "an address"])
def test_a_file_that_is_refused_for_now_is_sent_again_from_its_first_byte(
    tmp_path: Path, how: str, status: int
) -> None:
    content = CSV.encode() * 20_000
    (tmp_path / "areas.csv").write_bytes(content)
    refused = Reply(REFUSED, status, PROBLEM, {"Retry-After": "1"})
    served = Reply(content, media_type="text/csv")
    replies = {"GET /open/areas": served, "POST /v1/imports/areas": [refused, Reply(imported())]}
    with answering(replies) as platform:
        where = {"a file": tmp_path / "areas.csv", "an address": f"{platform.url}/open/areas"}
        more: dict[str, Any] = {"stdin": content} if how == "a pipe" else {}
        if how == "standard input":
            more = {"stdin": (tmp_path / "areas.csv").open("rb")}
        code, out, err = send(platform, tmp_path, "areas", where.get(how, "-"), "--type", "csv", **more)
    assert (code, err) == (0, "")
    assert "1,203 records" in out
    first, second = [asked for asked in platform.asked if asked.method == "POST"]
    assert first.body == second.body == content
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_a_file_that_is_refused_twice_is_not_sent_a_third_time(tmp_path: Path) -> None:
    (tmp_path / "areas.csv").write_text(CSV, encoding="utf-8")
    refused = Reply(REFUSED, 429, PROBLEM, {"Retry-After": "0"})
    with answering({"POST /v1/imports/areas": refused}) as platform:
        code, out, err = send(platform, tmp_path, "areas", tmp_path / "areas.csv")
    assert (code, out, err) == (1, "", "error: Not now.\n")
    assert len(platform.asked) == 2


def test_a_failure_that_names_no_time_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "areas.csv").write_text(CSV, encoding="utf-8")
    with answering({"POST /v1/imports/areas": Reply(REFUSED, 503, PROBLEM)}) as platform:
        assert send(platform, tmp_path, "areas", tmp_path / "areas.csv")[0] == 1
    assert len(platform.asked) == 1
