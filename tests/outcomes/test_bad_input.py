import gzip

import pytest

from tests.outcomes.sending import HEAD, KPIS, counts, gzipped, post, send
from tests.support.http import Client
from tests.support.identity import identity

ROW = "waits,E08000009,2024,1\n"


def problem(answer: object, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text  # type: ignore[attr-defined]
    assert answer.headers["content-type"] == "application/problem+json"  # type: ignore[attr-defined]
    return answer.json()  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def defined(outcomes: Client) -> Client:
    counts(outcomes, "kpis", KPIS)
    return outcomes


def test_a_missing_column_is_named_and_nothing_lands(defined: Client) -> None:
    told = problem(post(defined, "observations", "kpi,period,value\nwaits,2024,1\n"), 422)
    assert told["errors"] == [{"parameter": "subject", "reason": "missing column"}]
    told = problem(post(defined, "kpis", "id,unit\na,days\n"), 422)
    assert told["errors"] == [{"parameter": "name", "reason": "missing column"}]
    assert len(defined.items("/v1/imports")) == 1


@pytest.mark.parametrize("kind", ["kpis", "observations"])
def test_another_media_type_is_refused(defined: Client, kind: str) -> None:
    for media_type in ("application/pdf", "application/xml", "text/plain"):
        problem(post(defined, kind, HEAD + ROW, media_type), 415)
    problem(
        defined.post(
            f"/v1/imports/{kind}",
            content=b"x",
            headers={"Content-Type": "text/csv", "Content-Encoding": "br"},
        ),
        415,
    )


def test_a_gzip_stream_that_is_cut_off_lands_nothing(defined: Client) -> None:
    whole = gzip.compress((HEAD + ROW * 1000).encode())
    problem(post(defined, "observations", whole[:-10]), 422)
    problem(post(defined, "observations", whole[:30] + b"\xff\xff" + whole[32:]), 422)
    assert defined.items("/v1/observations") == []
    assert counts(defined, "observations", gzipped(HEAD + ROW)) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("option", "value"),
    [("period", "lunar"), ("blank", "zero"), ("define", "maybe"), ("source", ""), ("mode", "x")],
)
def test_an_option_that_is_not_known_is_refused_by_name(defined: Client, option: str, value: str) -> None:
    told = problem(post(defined, "observations", HEAD + ROW, **{option: value}), 422)
    assert told["errors"][0]["parameter"] == option


def test_a_line_of_ten_megabytes_costs_that_line(defined: Client) -> None:
    body = (HEAD + "waits,E08000009,2024," + "9" * 10_000_000 + "\n" + ROW).encode()
    done = send(defined, "observations", body)
    assert done["counts"] == {"accepted": 1, "changed": 0, "unchanged": 0, "quarantined": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\xff\xfe\x00k",
        b"\x89PNG\r\n\x1a\n",
        b"kpi",
        b'"kpi,subject,period,value',
        b"kpi,subject,period,value,kpi\n",
        b"[{}]",
        "κπι,subject,period,value\n".encode(),
    ],
)
def test_what_is_no_file_of_observations_is_a_problem(defined: Client, body: bytes) -> None:
    problem(post(defined, "observations", body), 422)


@pytest.mark.parametrize("text", ["[]", "null", "not json", '"text"', "{", '{"a":NaN}', '{"kpi":"\ud800"}'])
def test_what_is_no_json_line_is_a_problem_or_is_quarantined(defined: Client, text: str) -> None:
    body = text.encode(errors="surrogatepass")
    problem(post(defined, "observations", body, "application/x-ndjson"), 422)
    after = b'{"kpi":"waits","subject":"E08000009","period":"2024","value":1}\n' + body
    done = send(defined, "observations", after, "application/x-ndjson")
    assert done["counts"]["quarantined"] == 1


def test_a_header_alone_is_an_import_of_nothing(defined: Client) -> None:
    done = send(defined, "observations", "kpi,subject,period,value,colour\n")
    assert done["counts"] == {"accepted": 0, "changed": 0, "unchanged": 0, "quarantined": 0}
    assert done["notes"] == ["column ignored: colour"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/kpis/none",
        "/v1/kpis/none/versions",
        "/v1/kpis/none/latest",
        "/v1/kpis/none/series?subject=E08000009",
        "/v1/imports/outcomes-0",
        "/v1/imports/outcomes-0/receipts",
    ],
)
def test_what_is_not_there_is_not_found(defined: Client, path: str) -> None:
    problem(defined.get(path), 404)


@pytest.mark.parametrize(
    "query",
    [
        "/v1/observations?as_of=soon",
        "/v1/observations?as_of=9999-12-31",
        "/v1/observations?subject=E0800009",
        "/v1/observations?from=never",
        "/v1/observations?after=xx",
        "/v1/observations?limit=0",
        "/v1/observations?colour=red",
        "/v1/observations/latest",
        "/v1/kpis?on=2024-02-30",
        "/v1/kpis/waits/series",
    ],
)
def test_a_question_that_does_not_fit_is_a_problem(defined: Client, query: str) -> None:
    problem(defined.get(query), 422)


def test_who_is_not_known_reads_nothing_and_who_may_only_read_sends_nothing(defined: Client) -> None:
    for path in ("/v1/kpis", "/v1/observations", "/v1/kpis/waits", "/v1/imports"):
        problem(defined.get(path, headers={"Authorization": "Bearer none"}), 401)
    reader = identity("outcomes", role="reader")
    problem(
        defined.post(
            "/v1/imports/observations", content=HEAD + ROW, headers=reader | {"Content-Type": "text/csv"}
        ),
        403,
    )
    assert defined.get("/v1/kpis", headers=reader).status_code == 200
