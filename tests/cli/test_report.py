"""`hedgerow report` over a running platform: whole, self-contained, readable, and safe from hostile names."""

import re
import struct
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hedgerow_cli.report.drawing import Map, Shape, shades, shapes_of
from hedgerow_cli.report.writing import MARKDOWN, _environment

from tests.support.platform import platform

EVIL = '<script>alert("x")</script>'
LINK = "[Press](javascript:alert) | **now** `rm`"

AREAS = """code,name,level,parent_code,vintage,successor_code,lon,lat
E06000001,Harbour & Hill,authority,,2024,,0.05,53.05
E05000001,North <b>End</b>,ward,E06000001,2024,,0.05,53.05
E05000002,South | End,ward,E06000001,2024,,0.15,53.05
E05000003,=HYPERLINK(1),ward,E06000001,2024,,,
"""
NEEDS = f"""taxonomy,term,name,parent_term
t,food,"{EVIL.replace('"', '""')}",
t,debt,"{LINK}",
"""
SERVICES = f"""id,name,organisation_name,needs,area_codes
1,"{EVIL.replace('"', '""')}","{LINK}",t:food;t:debt,E05000001
2,Quay Kitchen,Quay & Sons,t:food,E05000001
3,# Not a heading,1. Not a list,t:debt,E05000002
"""
RESIDENTS = """area_code,period,age_from,age_to,sex,count
E05000001,2024,0,,all,1000
E05000002,2024,0,,all,2000
E05000003,2024,0,,all,3000
"""


def square(code, lon):
    ring = [[lon, 53.0], [lon + 0.1, 53.0], [lon + 0.1, 53.1], [lon, 53.1], [lon, 53.0]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": {"code": code}, "geometry": geometry}


@pytest.fixture(scope="module")
def harbour(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "var"
    with platform(folder, "--empty") as started:
        for kind, rows in (
            ("areas", AREAS),
            ("needs", NEEDS),
            ("services", SERVICES),
            ("residents", RESIDENTS),
        ):
            made = started.send(kind, rows)
            assert made.json()["counts"]["quarantined"] == 0, made.text
        outlines = {
            "type": "FeatureCollection",
            "features": [square("E05000001", 0.0), square("E05000002", 0.1)],
        }
        answer = started.client.post(
            "/v1/imports/boundaries", json=outlines, headers={"Content-Type": "application/geo+json"}
        )
        assert answer.status_code == 200, answer.text
        rules = {
            "name": EVIL,
            "standards": [{"need": "t:debt", "min_providers": 3}, {"need": "t:food", "min_providers": 1}],
            "exceptions": [
                {"area": "E05000003", "need": "t:food", "reason": LINK, "until": "2999-12-31"},
                {"area": "E05000002", "need": "t:food", "reason": "Past", "until": "2001-01-01"},
            ],
        }
        assert started.client.post("/v1/adequacy-rules", json=rules).status_code == 201
        started.wait_for_network()
        yield started


class Page(HTMLParser):
    """What a page holds: its tags with their attributes in order, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.text = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def of(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def page(harbour, tmp_path_factory):
    file = tmp_path_factory.mktemp("written") / "report.html"
    done = harbour.command("report", "E06000001", "-o", str(file))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Written" in done.stderr
    return file.read_text(encoding="utf-8")


def test_a_report_says_what_the_api_says(page):
    text = " ".join("".join(Page(page).text).split())
    # Food: North by two, else nobody; debt: North and South by one each, East by nobody.
    assert "2 needs in 3 wards make 6 cells" in text
    assert "In 3 of them nobody provides, and in 2 everything hangs on one provider" in text
    assert "1. Not a list would be missed most: 1 cell would be left with nobody, ≈ 2,000 people" in text
    assert "Nobody in 2 of 3: all but North <b>End</b>." in text
    assert "Cannot be met: It asks for at least 3 providers" in text
    assert "excepted until 31 December 2999" in text
    assert "an exception ended on 1 January 2001" in text
    assert "all residents" in text
    assert "State of the registry" in text


def test_hostile_names_are_text_and_nothing_else(page):
    found = Page(page)
    assert found.of("script") == []
    assert found.of("b") == []
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    for _, attributes in found.tags:
        for name in ("href", "src"):
            assert attributes.get(name, "#").startswith("#"), attributes


def test_a_report_needs_nothing_from_elsewhere(page):
    assert not re.search(r"(?i)https?://|//[a-z]|@import|url\((?!#)", page)
    assert Page(page).of("link") == []


def test_a_report_is_marked_up_for_every_reader(page):
    found = Page(page)
    assert found.of("html") == [{"lang": "en-GB"}]
    assert len(found.of("title")) == 1
    assert len(found.of("table")) == len(found.of("caption")) > 5
    assert all(header.get("scope") in ("col", "row", "rowgroup") for header in found.of("th"))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    drawn = [svg for svg in found.of("svg") if svg.get("role") == "img"]
    assert len(drawn) == 3
    for svg in drawn:
        assert svg["aria-labelledby"] in ids
    hidden = [svg for svg in found.of("svg") if svg.get("role") != "img"]
    assert all(svg.get("aria-hidden") == "true" for svg in hidden)
    for link in found.of("a"):
        assert link["href"][1:] in ids
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def luminance(colour):
    parts = [c / 255 for c in struct.unpack("BBB", bytes.fromhex(colour.lstrip("#")))]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_read_and_told_apart_in_grey(page):
    fills = dict(re.findall(r"\.(s\d|gap|single|overlap) \{ fill: (#[0-9a-f]{6})", page))
    steps = [luminance(fills[f"s{step}"]) for step in range(5)]
    assert steps == sorted(steps, reverse=True)
    assert all(before - after > 0.05 for before, after in pairwise(steps))
    for step in range(5):
        ink = "#ffffff" if step >= 3 else "#16202a"
        assert contrast(fills[f"s{step}"], ink) >= 4.5
    assert luminance(fills["overlap"]) > luminance(fills["single"]) > luminance(fills["gap"])
    for ink, paper in (("#16202a", "#ffffff"), ("#4a5763", "#ffffff"), ("#0b4a7f", "#ffffff")):
        assert contrast(ink, paper) >= 4.5


def test_the_same_as_markdown_with_whole_tables(harbour, tmp_path):
    file = tmp_path / "report.md"
    assert harbour.command("report", "E06000001", "--output", str(file)).returncode == 0
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<\w", text)
    assert "\\<script\\>" in text
    assert not re.search(r"(?<!\\)\]\(", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    width = 0
    for before, row in zip(["", *text.splitlines()], text.splitlines(), strict=False):
        if not row.startswith("|"):
            continue
        cells = len(re.findall(r"(?<!\\)\|", row))
        width = cells if not before.startswith("|") else width
        assert cells == width, row
    assert len(rows) > 20
    assert "## Who would be missed most" in text
    printed = harbour.command("report", "E06000001", "--format", "md")
    assert printed.stdout.split("the report was made")[0] == text.split("the report was made")[0]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["E06000001", "-o", "report.pdf"], 2, "end it in .html or .md"),
        (["E06000001", "--format", "pdf"], 2, "html or md"),
        (["E06000001", "-o", "/nowhere/at/all/report.html"], 2, "cannot be written"),
        (["E06999999", "-o", "x.html"], 1, "No such area"),
        (["E06000001", "--level", "lsoa", "-o", "x.html"], 1, "ward"),
        (["E06000001", "--rule", "nearby", "-o", "x.html"], 1, "rule"),
    ],
)
def test_what_cannot_be_reported_is_one_clear_line(harbour, arguments, code, says):
    done = harbour.command("report", *arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_place_without_needs_or_outlines_still_gets_its_report(harbour, tmp_path):
    file = tmp_path / "alone.html"
    done = harbour.command("report", "E05000003", "-o", str(file), "--rule", "sited")
    assert done.returncode == 0, done.stderr
    text = file.read_text(encoding="utf-8")
    assert "no map" in text
    assert "No service is known to serve" in text


def test_names_stay_names_in_markdown():
    line = _environment(MARKDOWN).from_string("{{ name }}")
    for name, written in (
        ("# Heading", "\\# Heading"),
        ("1. One", "1\\. One"),
        ("- item", "\\- item"),
        ("a | b", "a \\| b"),
        ("Bucklow-St Martins 2.5 & Co", "Bucklow-St Martins 2.5 & Co"),
        ("two\nlines\x00", "two lines"),
    ):
        assert line.render(name=name) == written


def test_outlines_are_thinned_and_holes_kept():
    ring = [[0, 0], [1, 0], [1, 0.00001], [1, 1], [0, 1], [0, 0]]
    hole = [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6], [0.4, 0.4]]
    (shape,) = shapes_of(
        [{"properties": {"code": "a"}, "geometry": {"type": "Polygon", "coordinates": [ring, hole]}}]
    )
    drawn = Map.of([shape])
    assert drawn is not None
    assert drawn.areas[0].path.count("M") == 2
    assert drawn.areas[0].path.split("Z")[0].count("L") == 4
    assert drawn.outlined
    dots = Map.of([Shape("a", "A", (), (0.0, 51.0)), Shape("b", "B", (), (0.0, 51.0))])
    assert dots is not None
    assert (dots.outlined, dots.width, dots.height) == (False, 36.0, 36.0)
    assert Map.of([]) is None
    assert shapes_of([{"properties": {"code": "a"}, "geometry": None}]) == []


def test_classes_of_a_map_cover_every_count_once():
    for counts in ([0], [], [0, 1], [3], [5, 5], [0, 1, 2, 3, 4], [4, 14, 9], list(range(40))):
        made = shades(counts)
        for count in counts:
            assert sum(shade.low <= count <= shade.high for shade in made) == 1
        steps = [shade.step for shade in made]
        assert steps == sorted(set(steps))
        if any(counts):
            assert steps[-1] == 4
