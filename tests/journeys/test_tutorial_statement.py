"""The tutorial on statements: every request it shows is sent, every answer it shows is what comes back."""

import json
import re
from pathlib import Path
from typing import Any

from tests.support.platform import Platform

PAGE = Path(__file__).parents[2] / "docs/tutorials/explain-a-statement.md"
STEP = re.compile(r"<!-- (send|answer)(?: ([^>\n]*?))? -->\n(?:```(?:json)?\n(.*?)```)?", re.DOTALL)


def test_a_finance_officer_can_follow_each_penny(empty_platform: Platform) -> None:
    answer: Any = None
    shown = 0
    for what, how, body in STEP.findall(PAGE.read_text()):
        if what == "send":
            method, path, *media_type = how.split()
            headers = {"Content-Type": media_type[0]} if media_type else {}
            sent = empty_platform.client.request(method, path, content=body.encode(), headers=headers)
            assert sent.status_code in (200, 201), (how, sent.text)
            answer = sent.json()
            assert answer.get("counts", {}).get("quarantined", 0) == 0
            continue
        found = answer
        for step in how.split():
            found = found[int(step) if step.isdigit() else step]
        shown += 1
        assert_shows(json.loads(body), found)
    assert shown == 6


def assert_shows(said: Any, found: Any) -> None:
    """What the page says is in the answer: objects may hold more, lists not."""
    if isinstance(said, dict):
        for name, value in said.items():
            assert_shows(value, found[name])
    elif isinstance(said, list):
        assert len(said) == len(found)
        for one, other in zip(said, found, strict=True):
            assert_shows(one, other)
    else:
        assert said == found
