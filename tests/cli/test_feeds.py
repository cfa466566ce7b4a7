import json
from pathlib import Path
from typing import Any

from tests.cli.command import hedgerow
from tests.cli.scripted import Platform, Reply, answering


def run(platform: Platform, folder: Path, *arguments: str) -> tuple[int, str, str]:
    key = folder / "admin.key"
    key.write_text("hedgerow_1_secret\n", encoding="utf-8")
    return hedgerow("--url", platform.url, "--key-file", key, "feeds", *arguments)


def pull(state: str = "completed", **more: Any) -> dict[str, Any]:
    return {
        "id": "registry-1",
        "state": state,
        "error": None,
        "pages": 2,
        "gone": 1,
        "counts": {"accepted": 10, "changed": 0, "unchanged": 1200, "quarantined": 0},
        "notes": [],
        "receipts": "/v1/imports/registry-1/receipts",
        "started_at": "2026-11-26T02:30:00Z",
        "next_try_at": None,
        **more,
    }


FEED = {
    "id": "f-1",
    "source": "bristol",
    "url": "https://directory.example/api",
    "schedule": "P1D",
    "enabled": True,
    "services": 819,
    "next_due_at": "2026-11-27T02:30:00Z",
    "last_pull": pull(),
}


def test_a_feed_is_registered_with_what_was_said_of_it(tmp_path: Path) -> None:
    with answering({"POST /v1/feeds": Reply(FEED, status=201)}) as platform:
        code, out, _ = run(platform, tmp_path, "add", FEED["url"], "--source", "bristol", "--schedule", "P1D")
    assert (code, out) == (0, "")
    [asked] = platform.asked
    assert json.loads(asked.body) == {"url": FEED["url"], "source": "bristol", "schedule": "P1D"}


def test_feeds_are_listed_with_their_last_pulls(tmp_path: Path) -> None:
    off = {**FEED, "source": "leeds", "enabled": False, "last_pull": None, "next_due_at": None}
    with answering({"GET /v1/feeds": Reply({"items": [FEED, off], "next": None})}) as platform:
        code, out, _ = run(platform, tmp_path, "list")
    assert code == 0
    assert "bristol" in out
    assert "2026-11-26 02:30" in out
    assert "never pulled" in out


def test_a_feed_is_pulled_by_its_source_and_what_came_of_it_is_shown(tmp_path: Path) -> None:
    with answering(
        {
            "GET /v1/feeds": Reply({"items": [FEED], "next": None}),
            "POST /v1/feeds/f-1/pull": Reply(pull("waiting"), status=202),
            "GET /v1/feeds/f-1/pulls/registry-1": Reply(pull(notes=["9 services said, 10 served"])),
        }
    ) as platform:
        code, out, _ = run(platform, tmp_path, "pull", "bristol", "--full")
    assert code == 0
    assert out == (
        "bristol: completed, 2 pages, 10 accepted, 0 changed, 1,200 unchanged, 0 quarantined, 1 gone\n"
        "  note: 9 services said, 10 served\n"
    )
    assert platform.asked[1].query == {"mode": "full"}


def test_a_pull_that_failed_ends_with_1(tmp_path: Path) -> None:
    failed = pull("failed", error="the feed answers with status 404")
    with answering(
        {
            "GET /v1/feeds": Reply({"items": [FEED], "next": None}),
            "POST /v1/feeds/f-1/pull": Reply(failed, status=202),
            "GET /v1/feeds/f-1/pulls/registry-1": Reply(failed),
        }
    ) as platform:
        code, _, err = run(platform, tmp_path, "pull", "f-1")
        assert code == 1
        assert "status 404" in err
        assert run(platform, tmp_path, "pull", "nowhere")[0] == 1
