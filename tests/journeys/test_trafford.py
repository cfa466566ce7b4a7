"""A real council's open data, as published: loaded by its mapping file, asked for its gaps."""

import pytest

from tests.support.platform import ROOT

AUTHORITY = "E08000009"
WITHOUT_GP = {"Ashton upon Mersey", "Bowdon", "Flixton", "Hale", "Longford"}


@pytest.fixture(scope="module")
def trafford(empty_platform, shared):
    """The platform with all of Trafford's files, and the summary of the load."""
    manifest = ROOT / "examples" / "trafford" / "manifest.toml"
    source = str(shared / "data" / "trafford")
    loaded = empty_platform.command_json("load", str(manifest), "--from", source)
    empty_platform.wait_for_network()
    return empty_platform, loaded


def gaps(platform, need):
    found = platform.items(
        f"/v1/localities/{AUTHORITY}/gaps", need=need, rule="sited", level="ward", kind="uncovered"
    )
    return {gap["area_name"] for gap in found}


def test_a_food_bank_is_missing_in_14_of_21_wards(trafford):
    platform, _ = trafford
    assert len(gaps(platform, "food-bank")) == 14
    cover = platform.items(f"/v1/localities/{AUTHORITY}/cover", need="food-bank", rule="sited", level="ward")
    assert len(cover) == 21


def test_five_wards_have_no_general_practice(trafford):
    platform, _ = trafford
    assert gaps(platform, "general-practice") == WITHOUT_GP


def test_every_ward_has_a_pharmacy(trafford):
    platform, _ = trafford
    assert gaps(platform, "pharmacy") == set()


def test_every_row_sent_is_accounted_for(trafford):
    _, loaded = trafford
    assert len(loaded["files"]) > 70
    for file in loaded["files"]:
        told = sum(file["counts"].values())
        assert file["rows"] == told, file


def test_each_impossible_code_is_in_a_receipt(trafford):
    platform, loaded = trafford
    named = 0
    for file in loaded["files"]:
        if not file["path"].endswith(("trafford_care_homes.csv", "trafford_dentists.csv")):
            continue
        for import_id in file["imports"]:
            receipts = platform.items(f"/v1/imports/{import_id}/receipts", noted="true", limit=1000)
            named += sum("E0800009" in (receipt["reason"] or "") for receipt in receipts)
    assert named == 109


def test_a_second_load_changes_nothing(trafford, shared):
    platform, _ = trafford
    manifest = ROOT / "examples" / "trafford" / "manifest.toml"
    again = platform.command_json("load", str(manifest), "--from", str(shared / "data" / "trafford"))
    for file in again["files"]:
        assert file["counts"]["accepted"] == file["counts"]["changed"] == 0, file


def test_the_gaps_are_the_same_by_command(trafford):
    platform, _ = trafford
    done = platform.command(
        "gaps", "Trafford", "--need", "general-practice", "--rule", "sited", "--kind", "uncovered"
    )
    assert done.returncode == 0, done.stderr
    for ward in WITHOUT_GP:
        assert ward in done.stdout
    assert "sited" in done.stdout


def test_a_report_of_the_place_shows_the_same_gaps_as_the_api(trafford, tmp_path):
    platform, _ = trafford
    for file in (tmp_path / "report.html", tmp_path / "report.md"):
        done = platform.command("report", "Trafford", "-o", str(file), "--rule", "sited")
        assert done.returncode == 0, done.stderr
        text = file.read_text(encoding="utf-8")
        row = next(line for line in text.splitlines() if "General practice" in line and "Nobody" in line)
        nobody = row.partition("Nobody")[2].partition("One alone")[0]
        assert "5 of 21" in nobody
        assert {ward for ward in WITHOUT_GP if ward in nobody} == WITHOUT_GP
        food = next(line for line in text.splitlines() if "Food bank" in line and "14 of 21" in line)
        assert food
        assert "241,025" in text
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    # 21 wards drawn once, and used by the large map and by each small one.
    assert html.count('<path id="area-') == 21
    assert html.count('<use href="#area-') >= 21 * 5
