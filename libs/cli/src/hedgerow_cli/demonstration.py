"""The place `hedgerow up` shows: loaded at first start, remembered in the data directory."""

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from hedgerow_cli.client import Client
from hedgerow_cli.errors import AnswerIsAnError
from hedgerow_cli.settings import Settings
from hedgerow_cli.terminal import err, say

PLACE = "keldermouth"
REMEMBERED = "demonstration.json"
# libs/cli/src/hedgerow_cli/demonstration.py: the repository is four folders above this one.
EXAMPLES = Path(__file__).resolve().parents[4] / "examples"


@dataclass(frozen=True)
class Place:
    """What was loaded at first start."""

    name: str
    area: str
    manifest: str


def manifest() -> Path | None:
    """The manifest of the fictional locality; None where the examples are not installed."""
    path = EXAMPLES / PLACE / "manifest.toml"
    return path if path.is_file() else None


def loaded(data_dir: Path) -> Place | None:
    """The place that was loaded in this data directory, if one was."""
    try:
        return Place(**orjson.loads((data_dir / REMEMBERED).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def load(client: Client, settings: Settings, chosen: Path) -> None:
    """Load a place by its manifest and remember it; raises CommandError, and then remembers nothing."""
    from hedgerow_cli.loading import load_manifest

    say(f"First start: loading {chosen}.", quiet=settings.quiet)
    report = load_manifest(client, chosen, chosen.parent, quiet=settings.quiet)
    if report.stopped is not None:
        raise report.stopped
    if not settings.quiet:
        report.show(err(), shown=0)
    if not report.complete:
        raise AnswerIsAnError(f"{len(report.incomplete)} of {len(report.files)} files did not load.")
    place = Place(name=report.name, area=report.area, manifest=str(chosen))
    (settings.data_dir / REMEMBERED).write_bytes(orjson.dumps(asdict(place)) + b"\n")
