"""A stranger with a key: pushes a feed, lists a ward's gaps, is told of a breach, as the tutorial shows."""

import os
import sys
from pathlib import Path

from tests.support.pages import follow, shell
from tests.support.platform import ROOT, free_port, platform

STAND_INS = str(ROOT / "tests" / "support" / "commands")
PAGE = ROOT / "docs" / "tutorials" / "integrate.md"


def test_a_stranger_with_a_key_connects_a_system(tmp_path: Path) -> None:
    port = free_port()
    text = PAGE.read_text().replace("9000", str(port))
    named = {"HEDGEROW_GATEWAY_WEBHOOK_HOSTS": f"127.0.0.1:{port}"}
    with platform(tmp_path / "var", environment=named) as started:
        started.wait_until_loaded()
        reader = {
            "HEDGEROW": started.url,
            "KEY": (started.data_dir / "admin.key").read_text().strip(),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], STAND_INS]),
        }
        with shell(tmp_path, reader) as terminal:
            assert follow(text, tmp_path, terminal) == 10
