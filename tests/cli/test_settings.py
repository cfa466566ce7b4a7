from pathlib import Path

import pytest
from hedgerow_cli.errors import NoKey
from hedgerow_cli.settings import Settings, shared_options_first


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("gaps X --json", "--json gaps X"),
        ("gaps X --url http://h --need a", "--url http://h gaps X --need a"),
        ("up --data-dir=x --port 1 --quiet", "--data-dir=x --quiet up --port 1"),
        ("--json gaps", "--json gaps"),
        ("import areas -- --json", "import areas -- --json"),
        ("gaps X --data-dir", "--data-dir gaps X"),
        ("", ""),
    ],
)
def test_shared_options_may_stand_anywhere(written: str, read: str) -> None:
    assert " ".join(shared_options_first(written.split())) == read


def test_the_address_is_the_one_given_else_the_one_written_else_the_default(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).url == "http://127.0.0.1:8000"
    (tmp_path / "gateway.json").write_text('{"url": "http://127.0.0.1:8123"}', encoding="utf-8")
    assert Settings(data_dir=tmp_path).url == "http://127.0.0.1:8123"
    assert Settings(data_dir=tmp_path, given_url="https://a.example/").url == "https://a.example"
    (tmp_path / "gateway.json").write_text("[]", encoding="utf-8")
    assert Settings(data_dir=tmp_path).url == "http://127.0.0.1:8000"


def test_the_key_is_one_line_of_a_file(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(
        NoKey, match=r"There is no key file .*admin.key: start the platform with `hedgerow up`"
    ):
        settings.key()
    for content in ("", "two words", "kéy"):
        (tmp_path / "admin.key").write_text(content, encoding="utf-8")
        with pytest.raises(NoKey, match="does not hold one key"):
            settings.key()
    (tmp_path / "admin.key").write_bytes(b"\xff\xfe")
    with pytest.raises(NoKey, match="cannot be read"):
        settings.key()
    (tmp_path / "admin.key").write_text("hedgerow_1_x\n", encoding="utf-8")
    assert settings.key() == "hedgerow_1_x"
