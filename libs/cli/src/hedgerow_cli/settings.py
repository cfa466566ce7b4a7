"""What holds for every command: where the data lies, which platform to ask, with which key."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hedgerow_cli.errors import NoKey

DEFAULT_URL = "http://127.0.0.1:8000"
ADDRESS_FILE = "gateway.json"
KEY_FILE = "admin.key"

TAKING_A_VALUE = ("--data-dir", "--url", "--key-file")
FLAGS = ("--json", "--quiet")


@dataclass(frozen=True)
class Settings:
    """The options every command shares."""

    data_dir: Path = Path("var")
    given_url: str | None = None
    given_key_file: Path | None = None
    json: bool = False
    quiet: bool = False

    @property
    def url(self) -> str:
        """The platform's address: as given, else as `hedgerow up` wrote it, else the default."""
        if self.given_url:
            return self.given_url.rstrip("/")
        try:
            written = json.loads((self.data_dir / ADDRESS_FILE).read_text(encoding="utf-8"))
            return str(written["url"])
        except (OSError, ValueError, KeyError, TypeError):
            return DEFAULT_URL

    @property
    def key_file(self) -> Path:
        """The file that holds the caller's API key."""
        return self.given_key_file or self.data_dir / KEY_FILE

    def key(self) -> str:
        """Read the API key; raises NoKey when there is none."""
        try:
            key = self.key_file.read_text(encoding="utf-8").strip()
        except FileNotFoundError as missing:
            raise NoKey(
                f"There is no key file {self.key_file}: start the platform with `hedgerow up`,"
                " or name the file with --key-file."
            ) from missing
        except (OSError, UnicodeDecodeError) as unreadable:
            raise NoKey(
                f"The key file {self.key_file} cannot be read ({reason(unreadable)}): mend its rights,"
                " or name another with --key-file."
            ) from unreadable
        if not key or not key.isascii() or len(key.split()) != 1:
            raise NoKey(
                f"The key file {self.key_file} does not hold one key: put the key there as one line,"
                " or name another file with --key-file."
            )
        return key


def reason(error: BaseException) -> str:
    """The short cause of an operating-system error, without the path it repeats."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text)[:1].lower() + str(text)[1:]


def shared_options_first(arguments: Sequence[str]) -> list[str]:
    """Move the shared options in front of the command, so that they may stand anywhere on the line.

    >>> shared_options_first(["up", "--data-dir", "x", "--empty"])
    ['--data-dir', 'x', 'up', '--empty']
    """
    first: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            rest += [word, *waiting]
            break
        if word in FLAGS or word.split("=", 1)[0] in TAKING_A_VALUE:
            first.append(word)
            if word in TAKING_A_VALUE and waiting:
                first.append(waiting.pop(0))
        else:
            rest.append(word)
    return first + rest
