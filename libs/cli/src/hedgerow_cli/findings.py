"""What `hedgerow doctor` finds."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One check and what it found, with what to do next where something is to be done."""

    check: str
    state: Literal["ok", "wrong", "note"]
    said: str
