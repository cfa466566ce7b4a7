"""`hedgerow audit verify`: what it says, compares and keeps."""

from pathlib import Path
from typing import Any

from tests.cli.command import Said, hedgerow
from tests.cli.scripted import Platform, Reply, answering

AT = "GET /v1/audit/verification"


def ask(platform: Platform, folder: Path, *arguments: str) -> Said:
    key = folder / "admin.key"
    key.write_text("hedgerow_1_secret\n", encoding="utf-8")
    return hedgerow(*arguments, "--url", platform.url, "--key-file", key, "--data-dir", folder)


def verdict(
    seq: int, *, fault: dict[str, Any] | None = None, missing: tuple[str, ...] = ()
) -> dict[str, Any]:
    one: dict[str, Any] = {"app": "registry", "intact": fault is None, "entries": seq, "fault": fault}
    one["head"] = {"seq": seq, "hash": str(seq) * 64}
    return {"intact": fault is None and not missing, "apps": [one], "missing": list(missing)}


def test_what_was_told_is_kept_and_sent_the_next_time(tmp_path: Path) -> None:
    with answering({AT: [Reply(verdict(1)), Reply(verdict(2))]}) as platform:
        code, out, _ = ask(platform, tmp_path, "audit", "verify")
        assert (code, "whole" in out) == (0, True)
        assert "anchor" not in platform.asked[-1].query
        assert ask(platform, tmp_path, "audit", "verify").code == 0
        assert platform.asked[-1].query["anchor"] == f"registry:1:{'1' * 64}"
    assert (tmp_path / "audit.anchors").read_text() == f"registry:2:{'2' * 64}\n"


def test_the_first_wrong_entry_is_named_and_nothing_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "anchors"
    fault = {"seq": 7, "reason": "change 1 has been changed"}
    with answering(
        {AT: [Reply(verdict(9, fault=fault)), Reply(verdict(9, missing=("network",)))]}
    ) as platform:
        code, out, err = ask(platform, tmp_path, "audit", "verify", "--anchors", str(file))
        assert code == 1
        assert "entry 7: change 1 has been changed" in " ".join(out.split())
        assert "not whole: registry" in err
        code, _, err = ask(platform, tmp_path, "audit", "verify", "--anchors", str(file))
        assert (code, "cannot be asked: network" in err) == (1, True)
    assert not file.exists()


def test_what_cannot_be_kept_for_the_next_time_is_said(tmp_path: Path) -> None:
    with answering({AT: [Reply(verdict(1))]}) as platform:
        code, out, err = ask(platform, tmp_path, "audit", "verify", "--anchors", "/proc/nowhere/anchors")
    assert (code, "whole" in out) == (1, True)
    assert "All is whole, and what to compare with the next time is not kept" in err
    assert "(no such file or directory): name another with --anchors." in err
