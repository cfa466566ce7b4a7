import time
from pathlib import Path
from typing import Any

from tests.cli.command import Said, hedgerow
from tests.cli.scripted import PROBLEM, Platform, Reply, answering

AUTHORITY = {"code": "E06999001", "name": "Keldermouth", "level": "authority"}
HARBOUR = {"code": "E05999001", "name": "Harbour", "level": "ward"}
HARBOUR_SOUTH = {"code": "E05999002", "name": "Harbour South", "level": "ward"}
ANOTHER_HARBOUR = {"code": "E05999077", "name": "harbour", "level": "ward"}


def listed(*items: Any) -> Reply:
    return Reply({"items": list(items), "next": None})


def ask(platform: Platform, folder: Path, *arguments: str) -> Said:
    (folder / "admin.key").write_text("hedgerow_1_secret\n", encoding="utf-8")
    return hedgerow(*arguments, "--url", platform.url, "--key-file", folder / "admin.key")


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_the_whole_name_of_one_area_is_enough(tmp_path: Path) -> None:
    replies = {
        "GET /v1/areas": listed(HARBOUR_SOUTH, HARBOUR),
        "GET /v1/areas/E05999001": Reply(HARBOUR),
        "GET /v1/observations/latest": listed(),
    }
    with answering(replies) as platform:
        code, out, err = ask(platform, tmp_path, "kpis", " harbour ")
    assert (code, err) == (0, "")
    assert out == "Harbour (E05999001): no KPI has a value here.\n"
    assert platform.asked[0].query == {"text": "harbour", "limit": "1000"}
    assert platform.asked[1].query == {"subject": "E05999001", "limit": "1000"}


def test_who_has_asked_too_much_waits_as_told_and_asks_once_more(tmp_path: Path) -> None:
    problem = {"title": "Too many requests", "status": 429, "detail": "Wait for 2 s."}
    refused = Reply(problem, 429, PROBLEM, {"Retry-After": "2"})
    replies = {
        "GET /v1/areas": [refused, listed(HARBOUR)],
        "GET /v1/areas/E05999001": Reply(HARBOUR),
        "GET /v1/observations/latest": listed(),
    }
    with answering(replies) as platform:
        started = time.monotonic()
        code, _out, err = ask(platform, tmp_path, "kpis", "Harbour")
        assert (code, err) == (0, "")
        assert time.monotonic() - started >= 2
        assert [asked.path for asked in platform.asked].count("/v1/areas") == 2
    with answering({"GET /v1/areas": Reply(problem, 429, PROBLEM, {"Retry-After": "0"})}) as platform:
        code, _out, err = ask(platform, tmp_path, "kpis", "Harbour")
        assert code == 1
        assert "Wait for 2 s." in err
        assert len(platform.asked) == 2


def test_a_name_of_several_areas_lists_them(tmp_path: Path) -> None:
    with answering({"GET /v1/areas": listed(HARBOUR, ANOTHER_HARBOUR, HARBOUR_SOUTH)}) as platform:
        code, out, err = ask(platform, tmp_path, "gaps", "Harbour")
    assert (code, out) == (1, "")
    assert err == (
        "error: Harbour may be Harbour (ward, E05999001), harbour (ward, E05999077): give the code.\n"
    )


def test_the_one_authority_whose_name_begins_so_goes_before_its_small_areas(tmp_path: Path) -> None:
    city = {"code": "E06999005", "name": "Harbour, City of", "level": "authority"}
    replies = {
        "GET /v1/areas": listed(HARBOUR_SOUTH, city),
        "GET /v1/areas/E06999005": Reply(city),
        "GET /v1/observations/latest": listed(),
    }
    with answering(replies) as platform:
        code, out, err = ask(platform, tmp_path, "kpis", "Harbour")
    assert (code, err) == (0, "")
    assert out == "Harbour, City of (E06999005): no KPI has a value here.\n"


def test_a_name_of_no_area_is_an_error(tmp_path: Path) -> None:
    with answering({"GET /v1/areas": listed()}) as platform:
        code, _out, err = ask(platform, tmp_path, "overlaps", "Atlantis")
    assert code == 1
    assert err.startswith("error: No area is called Atlantis: give its code, ")


def test_a_code_is_taken_as_it_is_and_the_platform_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    problem = Reply({"title": "Not found", "detail": "No such area."}, 404, PROBLEM)
    with answering({"GET /v1/localities/E06999009/gaps": problem}) as platform:
        code, _out, err = ask(platform, tmp_path, "gaps", "e06999009", "--need", "food")
    assert (code, err) == (1, "error: No such area.\n")
    assert platform.asked[0].query == {"need": "food", "limit": "1000"}


def observed(value: float | None, change: float | None, **more: Any) -> dict[str, Any]:
    kpi = {
        "id": "wait",
        "name": "Mean wait",
        "unit": "weeks",
        "polarity": "lower",
        "target": 6.0,
        "minimum": None,
    }
    latest = {"period": "2026-10", "value": value, "status": "final"}
    return {"kpi": {**kpi, **more}, "latest": latest, "previous": None, "change": change}


def test_kpis_show_the_latest_value_and_whether_it_got_better(tmp_path: Path) -> None:
    suppressed = {"period": "2025-26", "value": None, "status": "suppressed"}
    replies = {
        "GET /v1/areas/E06999001": Reply(AUTHORITY),
        "GET /v1/observations/latest": listed(
            observed(7.75, 0.25),
            observed(7.75, -0.25, id="calls", name="Calls", unit=None, target=None),
            observed(12345.0, 1000.0, id="visits", name="Visits", unit="visits", polarity="neutral"),
            {**observed(None, None, id="few", name="Few"), "latest": suppressed},
        ),
    }
    with answering(replies) as platform:
        code, out, err = ask(platform, tmp_path, "kpis", "E06999001")
        first = ask(platform, tmp_path, "kpis", "E06999001", "--limit", "1").out
    assert (code, err) == (0, "")
    assert lines(out) == [
        "KPIs of Keldermouth (E06999001)",
        "KPI                Period         Value   Unit     Change         Target   Minimum",
        "──────────────────────────────────────────────────────────────────────────────────",
        "Mean wait (wait)   2026-10         7.75   weeks    +0.25 worse         6",
        "Calls (calls)      2026-10         7.75            −0.25 better",
        "Visits (visits)    2026-10       12,345   visits   +1,000              6",
        "Few (few)          2025-26   suppressed   weeks                        6",
    ]
    assert lines(first)[-1] == "3 more rows: print all with --limit 0."


def test_a_kpi_that_is_not_there_is_told_from_one_without_a_value(tmp_path: Path) -> None:
    replies: dict[str, Reply | list[Reply]] = {
        "GET /v1/areas/E06999001": Reply(AUTHORITY),
        "GET /v1/observations/latest": listed(),
        "GET /v1/kpis/wait": Reply({"id": "wait"}),
        "GET /v1/kpis/w%20ait": Reply({"title": "Not found", "detail": "No such KPI."}, 404, PROBLEM),
    }
    with answering(replies) as platform:
        held = ask(platform, tmp_path, "kpis", "E06999001", "--kpi", "wait")
        unknown = ask(platform, tmp_path, "kpis", "E06999001", "--kpi", "w ait")
    assert held == (0, "Keldermouth (E06999001): the KPI wait has no value here.\n", "")
    assert unknown == (1, "", "error: No such KPI.\n")


COMPUTED = {
    "at": "2026-11-22",
    "rule": "sited",
    "thresholds": {"level": "ward"},
    "caveats": ["Read with care."],
}


def answered(*items: Any, more: str | None = None) -> Reply:
    return Reply({"items": items, "next": more, "computed": COMPUTED})


def gap(kind: str, people: int | None, basis: str, **more: Any) -> dict[str, Any]:
    where = {"need": "h:food", "need_name": "Food [bank]", "area": "E05999001", "area_name": "Harbour"}
    found = {"people_affected": people, "people_basis": basis, "providers": [], "partly": None}
    return {**where, **found, "kind": kind, **more}


def test_gaps_show_who_is_left_out_and_who_is_there(tmp_path: Path) -> None:
    larder, table = {"id": "1", "name": "The Larder"}, {"id": "2", "name": "Open Table"}
    replies: dict[str, Reply | list[Reply]] = {
        "GET /v1/areas/E06999001": Reply(AUTHORITY),
        "GET /v1/localities/E06999001/gaps": [
            answered(
                gap("uncovered", 12345, "counted"),
                gap("partial", 400, "derived", partly={"share": 0.25, "providers": [larder, table]}),
                more="on",
            ),
            answered(
                gap("partial", 30, "counted", partly={"share": None, "providers": [larder]}),
                gap("single", None, "unknown", providers=[larder]),
            ),
        ],
    }
    with answering(replies) as platform:
        code, out, err = ask(platform, tmp_path, "gaps", "E06999001", "--kind", "partial", "--kind", "single")
    assert (code, err) == (0, "")
    assert lines(out) == [
        "Gaps of Keldermouth (E06999001): 4 cells, ≈12,775 people (one person counts once for each need)",
        "Need                   Area                  People   Gap                    Who is there",
        "───────────────────────────────────────────────────────────────────────────────────────────────────",
        "Food [bank] (h:food)   Harbour (E05999001)   12,345   uncovered              nobody",
        "Food [bank] (h:food)   Harbour (E05999001)     ≈400   partial, 25 % served   The Larder, Open Table",
        "Food [bank] (h:food)   Harbour (E05999001)       30   partial                The Larder",
        "Food [bank] (h:food)   Harbour (E05999001)        –   single                 The Larder",
        "As of 2026-11-22, by ward, rule sited.",
        "Note: Read with care.",
    ]
    assert platform.asked[0].query["kind"] in ("partial", "single")
    assert platform.asked[1].query["after"] == "on"


def test_overlaps_show_the_two_and_what_they_share(tmp_path: Path) -> None:
    trust = {"id": "9", "name": "Trust"}
    pair = {
        "first": {"id": "1", "name": "Larder", "provider": trust},
        "second": {"id": "2", "name": "Open Table", "provider": {"id": "2", "name": "Open Table"}},
        "shared_cells": 3,
        "shared_people": 4200,
        "containment": 1.0,
        "jaccard": 0.375,
        "needs": ["h:food", "h:new"],
        "areas": ["E05999001"],
        "same_owner": True,
    }
    replies: dict[str, Reply | list[Reply]] = {
        "GET /v1/areas/E06999001": Reply(AUTHORITY),
        "GET /v1/needs": listed({"id": "h:food", "name": "Food"}),
        "GET /v1/localities/E06999001/overlaps": answered(pair, more="on"),
    }
    with answering(replies) as platform:
        code, out, err = ask(platform, tmp_path, "overlaps", "E06999001", "--limit", "1", "--by", "service")
    assert (code, err) == (0, "")
    assert [" ".join(line.split()) for line in lines(out)[1:5] if "──" not in line] == [
        "First Second Needs they share People Cells Contained Jaccard",
        "Larder (Trust) Open Table same owner Food, h:new 4,200 3 100 % 38 %",
        "More rows follow: print all with --limit 0.",
    ]
    assert platform.asked[0].query == {"by": "service", "limit": "1"}


def test_closing_says_what_to_do_and_what_cannot_be_done(tmp_path: Path) -> None:
    measure = {
        "service": {"id": "s1", "name": "Larder"},
        "provider": {"id": "p1", "name": "The Larder"},
        "need_name": None,
        "area": "E05999001",
        "area_name": "Harbour",
        "people_closed": 1200,
        "cells_closed": 2,
        "cost": 9000.0,
        "reason": "Its site is 2.0 km away.",
    }
    site = {**measure, "service": None, "provider": None, "need_name": "Food", "people_closed": None}
    answer = {
        "items": [measure, site],
        "next": None,
        "proven": True,
        "infeasible": "1 of 4 gaps no measure closes. Debt in Harbour: nobody is near.",
        "cost": 18000.0,
        "cells": 4,
        "cells_closed": 3,
        "people": 1500,
        "people_closed": 1200,
        "computed": {
            "at": "2026-11-22",
            "rule": "default",
            "rules_used": {},
            "thresholds": {"level": "ward", "count": "providers", "index": None, "single_depth": 1},
            "registry_seq": 7,
            "caveats": [],
        },
    }
    replies = {
        "GET /v1/areas/E06999001": Reply(AUTHORITY),
        "GET /v1/localities/E06999001/closing": Reply(answer),
    }
    options = ("--extension-cost", "9000", "--measure", "extension", "--measure", "site")
    with answering(replies) as platform:
        code, out, err = ask(platform, tmp_path, "closing", "E06999001", *options, "--site-cost", "9000")
        assert (code, err) == (0, "")
        asked = next(one for one in platform.asked if one.path.endswith("/closing"))
    assert {name: asked.query[name] for name in ("extension_cost", "site_cost", "measure")} == {
        "extension_cost": "9000.0",
        "site_cost": "9000.0",
        "measure": "site",
    }
    assert lines(out)[0] == "Closing of Keldermouth (E06999001): 2 measures"
    assert "Larder (The Larder)" in out
    assert "a new site for Food" in out
    assert "£9,000" in out
    assert (
        "Closes 3 of 4 gaps, 1,200 of 1,500 people for £18,000. No better choice exists. "
        "1 of 4 gaps no measure closes. Debt in Harbour: nobody is near."
    ) in out
