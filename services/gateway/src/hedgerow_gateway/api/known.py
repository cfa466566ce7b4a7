"""For whom something that was shown stands."""

from datetime import datetime
from typing import NamedTuple

from hedgerow_kit.auth import Principal


class Known(NamedTuple):
    """For whom a credential stands, and until when at the longest."""

    principal: Principal
    ends_at: datetime | None
