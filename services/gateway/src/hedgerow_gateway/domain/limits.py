"""How many requests a caller may make in a minute: any minute, not only each one of the clock.

What was used is counted in cells of a second. In every cell the last sixty and the one that runs may hold
no more than the quota together, and any sixty seconds lie within so many cells.
"""

from typing import NamedTuple

WINDOW_S = 60
# A gateway takes at most this part of what is left at a time, so that little lies idle with the others.
SHARE = 20
# Whoever counts in memory forgets who came first when so many have come within a minute.
MOST_COUNTED = 100_000


class Taken(NamedTuple):
    """What a gateway got of a quota.

    granted: requests it may let in while the cell lasts · left: what nobody has taken yet · cell: its number
    · cell_s: until the cell ends · opens_s: until some of what was used is free again, at the least
    """

    granted: int
    left: int
    cell: int
    cell_s: float
    opens_s: float


class Windows:
    """Quotas counted in memory."""

    def __init__(self, most_counted: int = MOST_COUNTED) -> None:
        self._most_counted = most_counted
        self._used: dict[str, dict[int, int]] = {}

    def take(self, key: str, quota: int, *, want: int, back: int, back_cell: int, now: float) -> Taken:
        """Take up to `want` of what is left, after giving `back` what was taken in a cell and not used.

        now: seconds of a clock that only goes forward. At least one is granted if one is left.

        >>> windows = Windows()
        >>> windows.take("a", 2, want=5, back=0, back_cell=0, now=10.25)
        Taken(granted=1, left=1, cell=10, cell_s=0.75, opens_s=60.75)
        """
        cell = int(now)
        used = self._used.get(key) or self._begin(key)
        for gone in [counted for counted in used if counted < cell - WINDOW_S]:
            del used[gone]
        if back and used.get(back_cell, 0) >= back:
            used[back_cell] -= back
        left = max(0, quota - sum(used.values()))
        granted = min(want, left, max(1, left // SHARE))
        if granted:
            used[cell] = used.get(cell, 0) + granted
        oldest = min((counted for counted, number in used.items() if number), default=cell)
        return Taken(granted, left - granted, cell, cell + 1 - now, oldest + WINDOW_S + 1 - now)

    def forget_old(self, now: float) -> None:
        """Let those go who have used nothing for a minute."""
        first = int(now) - WINDOW_S
        for key in [key for key, used in self._used.items() if all(cell < first for cell in used)]:
            del self._used[key]

    def _begin(self, key: str) -> dict[int, int]:
        if len(self._used) >= self._most_counted:
            del self._used[next(iter(self._used))]
        return self._used.setdefault(key, {})
