import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.command import Said, environment, hedgerow
from tests.cli.scripted import PROBLEM, Platform, Reply, answering

HELD = {
    "id": "0123456789abcdef",
    "prefix": "hedgerow_0123456789abcdef_AbCd",
    "name": "warehouse",
    "roles": ["system"],
    "authorities": ["E06999001"],
    "created_at": "2026-11-01T10:00:00Z",
    "expires_at": "2026-11-02T23:59:59Z",
    "revoked_at": None,
    "last_used_at": None,
}


def ask(platform: Platform, folder: Path, *arguments: str) -> Said:
    key = folder / "admin.key"
    key.write_text("hedgerow_1_secret\n", encoding="utf-8")
    return hedgerow(*arguments, "--url", platform.url, "--key-file", key)


def test_the_version_is_the_packages() -> None:
    assert hedgerow("--version") == (0, f"hedgerow {version('hedgerow-cli')}\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gapz"], "No such command 'gapz'"),
        (["gaps"], "Missing argument 'AREA'"),
        (["gaps", "X", "--neeed", "y"], "No such option: --neeed"),
        (["up", "--port", "many"], "Invalid value for '--port'"),
        (["keys", "create", "x"], "Missing option '--role'"),
        (["--data-dir"], "requires an argument"),
    ],
)
def test_a_slip_on_the_command_line_is_one_line_and_ends_with_2(arguments: list[str], said: str) -> None:
    code, out, err = hedgerow(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "--help`" in err


@pytest.mark.parametrize("group", [[], ["keys"], ["feeds"], ["audit"], ["--quiet", "keys"]])
def test_a_command_without_its_second_word_says_which_there_are(group: list[str]) -> None:
    code, out, err = hedgerow(*group)
    asked = " ".join(["hedgerow", *(word for word in group if not word.startswith("-"))])
    assert (code, out) == (2, "")
    assert f"Usage: {asked} " in err
    last = err.splitlines()[-1]
    assert last.startswith(f"error: {asked} needs one of these commands: ")
    assert last.endswith(f"see `{asked} COMMAND --help`.")
    assert hedgerow(*group, "--help").out.strip() in err


def test_a_platform_that_does_not_answer_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "admin.key").write_text("hedgerow_1_secret", encoding="utf-8")
    code, _out, err = hedgerow("kpis", "E06999001", "--data-dir", tmp_path, "--url", "http://127.0.0.1:9")
    assert code == 3
    assert err == (
        "error: No platform answers at http://127.0.0.1:9: start it with `hedgerow up`, or give --url.\n"
    )


def test_a_missing_key_ends_with_4(tmp_path: Path) -> None:
    code, _out, err = hedgerow("gaps", "E06999001", HEDGEROW_DATA_DIR=str(tmp_path))
    assert code == 4
    assert err.startswith(f"error: There is no key file {tmp_path}/admin.key: ")


def test_every_option_has_an_environment_twin() -> None:
    shared = hedgerow("--help").out
    for name in ("DATA_DIR", "URL", "KEY_FILE", "JSON", "QUIET"):
        assert f"HEDGEROW_{name}]" in shared
    assert "HEDGEROW_GAPS_NEED]" in hedgerow("gaps", "--help").out
    assert "HEDGEROW_PORT]" in hedgerow("up", "--help").out


def test_a_new_key_goes_to_standard_output_alone(tmp_path: Path) -> None:
    made = {**HELD, "key": "hedgerow_0123456789abcdef_AbCdrest"}
    with answering({"POST /v1/keys": Reply(made, 201)}) as platform:
        code, out, err = ask(
            platform,
            tmp_path,
            "keys",
            "create",
            "warehouse",
            "--role",
            "system",
            "--until",
            "2026-11-02",
        )
    assert (code, out) == (0, "hedgerow_0123456789abcdef_AbCdrest\n")
    assert "keep it now" in err
    assert platform.asked[0].body == (
        b'{"name":"warehouse","roles":["system"],"authorities":["*"],'
        b'"expires_at":"2026-11-02T23:59:59+00:00"}'
    )


def test_a_rotation_says_when_the_new_signing_key_takes_over(tmp_path: Path) -> None:
    made = {"id": "5677ccd432bb9749", "signs_from": "2026-11-26T22:31:30Z", "state": "published"}
    with answering({"POST /v1/signing-keys": Reply(made, 201)}) as platform:
        code, _out, err = ask(platform, tmp_path, "keys", "rotate-signing")
        assert ask(platform, tmp_path, "keys", "rotate-signing", "--at-once").code == 0
    assert (code, err) == (0, "Signing key 5677ccd432bb9749 signs from 2026-11-26 22:31:30 UTC.\n")
    assert [asked.body for asked in platform.asked] == [b'{"at_once":false}', b'{"at_once":true}']


def test_keys_are_listed_without_their_secret(tmp_path: Path) -> None:
    pages = [
        Reply({"items": [HELD], "next": "more"}),
        Reply(
            {"items": [{**HELD, "revoked_at": "2026-11-03T00:00:00Z", "authorities": ["*"]}], "next": None}
        ),
    ]
    with answering({"GET /v1/keys": pages}) as platform:
        code, out, _err = ask(platform, tmp_path, "keys", "list")
    assert code == 0
    rows = [" ".join(line.split()) for line in out.splitlines()[2:]]
    assert rows == [
        "hedgerow_0123456789abcdef_AbCd… warehouse system E06999001 2026-11-01 2026-11-02 expired never",
        "hedgerow_0123456789abcdef_AbCd… warehouse system all 2026-11-01 2026-11-02 revoked never",
    ]
    assert [asked.query for asked in platform.asked] == [
        {"limit": "1000"},
        {"limit": "1000", "after": "more"},
    ]


def test_pages_are_joined_in_one_json_document(tmp_path: Path) -> None:
    pages = [Reply({"items": [1], "next": "more", "other": True}), Reply({"items": [2], "next": None})]
    with answering({"GET /v1/keys": pages}) as platform:
        assert (
            ask(platform, tmp_path, "--json", "keys", "list").out
            == '{"items":[1,2],"next":null,"other":true}\n'
        )


def test_a_key_is_revoked_by_how_it_begins(tmp_path: Path) -> None:
    replies: dict[str, Reply | list[Reply]] = {
        "GET /v1/keys": Reply({"items": [HELD], "next": None}),
        "DELETE /v1/keys/0123456789abcdef": Reply(b"", 204),
    }
    with answering(replies) as platform:
        code, _out, err = ask(platform, tmp_path, "keys", "revoke", "hedgerow_0123")
        assert (code, err) == (0, "Revoked: hedgerow_0123456789abcdef_AbCd…, warehouse.\n")
        unknown = ask(platform, tmp_path, "keys", "revoke", "ffff")
    assert (unknown.code, unknown.err) == (1, "error: No key is called ffff: see `hedgerow keys list`.\n")


def test_a_problem_is_told_with_its_errors(tmp_path: Path) -> None:
    problem = {
        "title": "x",
        "detail": "Unknown role.",
        "errors": [{"pointer": "/roles", "reason": "unknown\x1b[31m"}],
    }
    with answering({"POST /v1/keys": Reply(problem, 422, PROBLEM)}) as platform:
        code, _out, err = ask(platform, tmp_path, "keys", "create", "x", "--role", "king")
    assert (code, err) == (1, "error: Unknown role – /roles: unknown [31m.\n")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "admin.key").write_text("hedgerow_1_secret\n", encoding="utf-8")
    with answering({"GET /v1/keys": Reply({"items": [HELD] * 20_000, "next": None})}) as platform:
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "hedgerow_cli",
                "--data-dir",
                tmp_path,
                "--url",
                platform.url,
                "--json",
                "keys",
                "list",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        ) as listing:
            assert listing.stdout is not None
            assert listing.stderr is not None
            os.read(listing.stdout.fileno(), 10)
            listing.stdout.close()
            assert listing.stderr.read() == b""
        assert listing.returncode == 0
