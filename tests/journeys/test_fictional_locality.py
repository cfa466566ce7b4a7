"""What `make run` shows: the fictional borough, from its files to a coordinator's answers."""

import csv
import os
import random
import signal
import time

import pytest
from scipy.optimize import linprog

from tests.support import deployment
from tests.support.platform import platform

AUTHORITY = "E06999001"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fictional")


@pytest.fixture(scope="module", params=deployment.KELDERMOUTH)
def keldermouth(request, folder):
    with deployment.keldermouth(request.param, folder) as started:
        yield started


# What `hedgerow up` says and does itself.
of_the_command = pytest.mark.parametrize("keldermouth", ["up"], indirect=True)


@of_the_command
def test_the_first_start_shows_gaps_overlaps_fragility_and_kpis(keldermouth):
    said = keldermouth.said()
    for words in ("Gaps", "Overlaps", "Fragility", "KPIs", "Harbourlight Trust", "Steps into Work", "/docs"):
        assert words in said


def test_a_coordinator_sees_the_place_and_whom_it_would_miss_most_on_two_pages(keldermouth):
    overview = keldermouth.get(f"/v1/localities/{AUTHORITY}/overview", limit=5)
    assert overview["missing"] == []
    assert overview["gaps"]["items"] == keldermouth.get(f"/v1/localities/{AUTHORITY}/gaps", limit=5)["items"]
    assert overview["summary"]["cells"]["gap"] > 0
    assert overview["breaches"]["items"][0]["status"] == "open"
    worst = overview["fragility"]["items"][0]
    profile = keldermouth.get(f"/v1/organisations/{worst['id']}/profile", area=AUTHORITY)
    assert profile["missing"] == []
    assert profile["organisation"]["name"] == worst["name"]
    assert profile["fragility"]["people_uncovered"] == worst["people_uncovered"] > 0
    assert profile["services"]["items"]


def test_an_attacker_with_all_outputs_recovers_no_small_number(keldermouth):
    wards = sorted(
        area["code"] for area in keldermouth.items("/v1/areas", level="ward", within=AUTHORITY, limit=1000)
    )
    draw = random.Random(11)
    months = [f"2025-{month:02}" for month in range(1, 7)]
    truth = {(ward, month): draw.choice([0, 1, 2, 3, 6, 9, 14, 40]) for ward in wards for month in months}
    for month in months:
        truth[AUTHORITY, month] = sum(truth[ward, month] for ward in wards)
    for subject in (*wards, AUTHORITY):
        truth[subject, "2025-H1"] = sum(truth[subject, month] for month in months)
    kpi = "id,name,unit,aggregation,frequency,suppress_below\nsmall,Small,people,sum,monthly,5\n"
    assert keldermouth.send("kpis", kpi, source="attack").json()["counts"]["accepted"] == 1
    _wait_until_outcomes_knows(keldermouth, len(wards))
    rows = "".join(f"small,{subject},{period},{count}\n" for (subject, period), count in truth.items())
    sent = keldermouth.send("observations", f"kpi,subject,period,value\n{rows}", source="attack")
    assert sent.json()["counts"]["accepted"] == len(truth), sent.text
    seen = _everything_shown(keldermouth, wards, months)
    hidden = {cell for cell in truth if cell not in seen}
    assert {cell for cell, count in truth.items() if 0 < count < 5} <= hidden
    assert all(seen[cell] == truth[cell] for cell in seen)
    equations = [
        *(((AUTHORITY, period), [(ward, period) for ward in wards]) for period in (*months, "2025-H1")),
        *(((subject, "2025-H1"), [(subject, month) for month in months]) for subject in (*wards, AUTHORITY)),
    ]
    certain = _certain(equations, seen, hidden)
    assert [cell for cell in certain if 0 < truth[cell] < 5] == []


def test_31_of_240_cells_have_no_provider_and_73_hang_on_one(keldermouth):
    cells = keldermouth.items(f"/v1/localities/{AUTHORITY}/cover", level="ward", limit=1000)
    assert len(cells) == 240
    statuses = [cell["status"] for cell in cells]
    assert (statuses.count("gap"), statuses.count("single")) == (31, 73)


def test_the_gaps_of_a_need_are_named_and_each_can_be_explained(keldermouth):
    gaps = keldermouth.items(f"/v1/localities/{AUTHORITY}/gaps", need="food", kind="uncovered")
    assert {gap["area_name"] for gap in gaps} == {"Eastness", "Sallow Fen", "Thornwold", "Upper Kelder"}
    assert [gap["people"] for gap in gaps] == sorted((gap["people"] for gap in gaps), reverse=True)
    upper_kelder = next(gap for gap in gaps if gap["area_name"] == "Upper Kelder")
    explained = keldermouth.get(
        f"/v1/localities/{AUTHORITY}/cover/{upper_kelder['need']}/{upper_kelder['area']}"
    )
    assert explained["counted"] == []
    pantry = [one for one in explained["excluded"] if one["service"]["name"] == "Upper Kelder Mobile Pantry"]
    assert "2026-03-31" in pantry[0]["reason"]


def test_one_providers_exit_would_hurt_most(keldermouth):
    worst = keldermouth.get(f"/v1/localities/{AUTHORITY}/fragility", by="provider", limit=1)
    assert worst["items"][0]["name"] == "Harbourlight Trust"
    assert worst["items"][0]["cells_uncovered"] == 23
    assert worst["computed"]["registry_seq"] > 0
    assert worst["computed"]["thresholds"]


def test_counting_owners_shows_what_counting_providers_hides(keldermouth):
    def singles(count):
        cells = keldermouth.items(
            f"/v1/localities/{AUTHORITY}/cover", need="substance-misuse", count=count, limit=1000
        )
        return {cell["area_name"] for cell in cells if cell["status"] == "single"}

    assert singles("owners") - singles("providers") == {"Northgate", "Greywell"}


def test_two_services_that_double_up_lead_the_overlaps(keldermouth):
    first = keldermouth.get(f"/v1/localities/{AUTHORITY}/overlaps", limit=1)["items"][0]
    assert {first["first"]["name"], first["second"]["name"]} == {"Steps into Work", "Working Kelder"}
    assert (first["shared_cells"], first["jaccard"]) == (26, 1.0)


def test_nobody_of_16_or_17_is_taken_by_any_mental_health_service(keldermouth):
    holes = keldermouth.items(f"/v1/localities/{AUTHORITY}/gaps", need="mental-health", kind="cohort")
    here = [gap for gap in holes if gap["cohort"] == "16-17"]
    served = [
        cell
        for cell in keldermouth.items(f"/v1/localities/{AUTHORITY}/cover", need="mental-health", limit=1000)
        if cell["depth"] > 0
    ]
    # In every ward that somebody serves; wards with adult services only leave out the children as well.
    assert {gap["area"] for gap in holes} >= {cell["area"] for cell in served}
    assert here
    assert all(gap["people_affected"] > 0 for gap in here)


def test_a_family_hub_that_runs_out_is_a_gap_to_come(keldermouth):
    coming = keldermouth.items(
        f"/v1/localities/{AUTHORITY}/gaps", need="early-years", kind="future", at="2026-11-22"
    )
    southbank = next(gap for gap in coming if gap["area_name"] == "Southbank")
    assert southbank["evidence"]["figures"]["uncovered_from"] == "2027-04-01"
    assert "Southbank Family Hub" in southbank["evidence"]["says"]


@of_the_command
def test_the_network_app_killed_in_the_middle_resumes_without_loss(keldermouth):
    before = keldermouth.items(f"/v1/localities/{AUTHORITY}/gaps", limit=1000)
    rows = "id,name,organisation_name,needs,area_codes\n" + "".join(
        f"pop-up-{number},Pop-up pantry {number},Pop-up Pantries,hedgerow:food,E05999016\n"
        for number in range(300)
    )
    sent = keldermouth.send("services", rows, source="pop-up")
    assert sent.json()["counts"]["accepted"] == 300
    for process in _processes_of("hedgerow_network", keldermouth.process.pid):
        os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while keldermouth.client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    keldermouth.wait_for_network()
    after = keldermouth.items(f"/v1/localities/{AUTHORITY}/gaps", limit=1000)
    closed = {(gap["need"], gap["area_name"]) for gap in before} - {
        (gap["need"], gap["area_name"]) for gap in after
    }
    assert closed == {("hedgerow:food", "Eastness")}


def _processes_of(module, parent):
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                command = file.read().decode().split("\x00")
            with open(f"/proc/{entry}/stat") as file:
                of = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        if of == parent and module in command:
            found.append(int(entry))
    return found


def test_every_answer_can_be_asked_again_for_nothing(keldermouth):
    url = f"/v1/localities/{AUTHORITY}/cover?limit=1000"
    first = keldermouth.client.get(url)
    again = keldermouth.client.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/localities/E06000000/gaps", 404),
        ("/v1/localities/E0699/gaps", 422),
        (f"/v1/localities/{AUTHORITY}/gaps?need=hedgerow:nothing", 404),
        (f"/v1/localities/{AUTHORITY}/gaps?rule=nearby", 422),
        (f"/v1/localities/{AUTHORITY}/gaps?rule=within:far", 422),
        (f"/v1/localities/{AUTHORITY}/gaps?rule=within:-1", 422),
        (f"/v1/localities/{AUTHORITY}/gaps?rule=within:nan", 422),
        (f"/v1/localities/{AUTHORITY}/gaps?at=yesterday", 422),
        (f"/v1/localities/{AUTHORITY}/gaps?level=parish", 422),
        (f"/v1/localities/{AUTHORITY}/gaps?after=zzz", 422),
        (f"/v1/localities/{AUTHORITY}/gaps?limit=0", 422),
        (f"/v1/localities/{AUTHORITY}/gaps?ned=food", 422),
        ("/v1/areas/E06000000", 404),
        ("/v1/kpis/none", 404),
        ("/v1/services/none", 404),
        ("/v1/nowhere", 404),
    ],
)
def test_what_cannot_be_answered_is_a_clear_problem(keldermouth, path, status):
    answer = keldermouth.client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"]


@pytest.mark.parametrize("kind", ["services", "observations"])
@pytest.mark.parametrize(
    ("body", "headers", "statuses"),
    [
        (b"name\nx\n", {"Content-Type": "text/csv"}, {422}),
        (b"id,name\nx,y\n", {"Content-Type": "application/pdf"}, {415}),
        (b"\x1f\x8b\x08\x00cut", {"Content-Type": "text/csv", "Content-Encoding": "gzip"}, {422}),
        (b'{"id": NaN}\n', {"Content-Type": "application/x-ndjson"}, {200, 422}),
        (b'{"id": "' + b"x" * 10_000_000 + b'"}\n', {"Content-Type": "application/x-ndjson"}, {200, 422}),
        (b"id,name,x" + b"," * 10_000_000 + b"\n", {"Content-Type": "text/csv"}, {422}),
    ],
    ids=["missing column", "wrong type", "truncated gzip", "NaN", "long line", "long header"],
)
def test_a_bad_file_is_a_clear_problem_or_a_receipt(keldermouth, kind, body, headers, statuses):
    answer = keldermouth.client.post(f"/v1/imports/{kind}", content=body, headers=headers)
    assert answer.status_code in statuses, answer.text[:500]
    if answer.status_code == 200:
        assert answer.json()["counts"] == {"accepted": 0, "changed": 0, "unchanged": 0, "quarantined": 1}


@of_the_command
def test_the_second_start_is_ready_within_15_seconds_and_loads_nothing_again(keldermouth, folder):
    keldermouth.process.send_signal(signal.SIGINT)
    assert keldermouth.process.wait(30) == 0
    started = time.monotonic()
    with platform(folder / "var") as again:
        assert time.monotonic() - started <= 15
        again.wait_until_loaded()
        assert "First start" not in again.said()
        assert again.get(f"/v1/localities/{AUTHORITY}/summary")


def _wait_until_outcomes_knows(platform, wards):
    """What adds up to what is known only once the areas were heard of."""
    asked = {"area": AUTHORITY, "level": "ward", "period": "2025-01"}
    deadline = time.monotonic() + 120
    while True:
        answer = platform.client.get("/v1/kpis/small/aggregate", params=asked)
        if answer.status_code == 200 and answer.json()["areas"] == wards:
            return
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)


def _everything_shown(platform, wards, months):
    """What an attacker gathers from every output that speaks of the KPI: subject and period to value."""
    seen = {}

    def note(subject, period, value):
        if value not in (None, ""):
            seen[subject, period] = float(value)

    for row in platform.items("/v1/observations", kpi="small", limit=1000):
        note(row["subject"], row["period"], row["value"])
    table = platform.client.get("/v1/observations", params={"kpi": "small", "format": "csv"}).text
    for row in csv.DictReader(table.splitlines()):
        note(row["subject"], row["period"], row["value"])
    for row in platform.items("/v1/kpis/small/latest", limit=1000):
        note(row["subject"], row["latest"]["period"], row["latest"]["value"])
    for subject in (*wards, AUTHORITY):
        for row in platform.get("/v1/kpis/small/series", subject=subject)["items"]:
            note(subject, row["period"], row["value"])
    for period in (*months, "2025-H1"):
        asked = {"period": period, "within": AUTHORITY, "level": "ward", "limit": 1000}
        compared = platform.get("/v1/kpis/small/compare", **asked)
        for row in compared["items"]:
            note(row["subject"], period, row["value"])
        note(AUTHORITY, period, compared["comparator"]["value"])
        added = platform.get("/v1/kpis/small/aggregate", area=AUTHORITY, level="ward", period=period)
        note(AUTHORITY, period, added["value"] if added["with_value"] == len(wards) else None)
        note(AUTHORITY, period, added["own"])
    return seen


def _certain(equations, seen, hidden):
    """The hidden cells that can have one value only, as counts are not negative: by linear programming."""
    unknown = sorted(hidden)
    place = {cell: number for number, cell in enumerate(unknown)}
    matrix, sums = [], []
    for total, parts in equations:
        row, rest = [0.0] * len(unknown), 0.0
        for cell, sign in [(total, -1.0), *((part, 1.0) for part in parts)]:
            if cell in place:
                row[place[cell]] += sign
            else:
                rest -= sign * seen[cell]
        if any(row):
            matrix.append(row)
            sums.append(rest)
    certain = []
    for cell in unknown:
        aim = [0.0] * len(unknown)
        aim[place[cell]] = 1.0
        least = linprog(aim, A_eq=matrix, b_eq=sums)
        most = linprog([-one for one in aim], A_eq=matrix, b_eq=sums)
        if least.status == most.status == 0 and abs(least.fun + most.fun) < 1e-6:
            certain.append(cell)
    return certain
