"""What may be taken as gone after a pull: only what a feed that was read whole has no more."""

from typing import Final

from hedgerow_registry.domain.feeds.progress import UNSTATED, WHOLE

# Of fewer services than this no share says anything: two of three may well have closed.
FEW: Final = 5


def pulls_to_miss(verdict: str) -> int | None:
    """In how many pulls in a row a service must be missing to be gone; `None`: this pull takes nothing away.

    verdict: of `Progress.verdict`. A feed that was read whole is believed at once; one that never says how
    many services it has may have broken off, and is believed the second time.

    >>> pulls_to_miss("whole"), pulls_to_miss("unstated"), pulls_to_miss("inconsistent")
    (1, 2, None)
    """
    return {WHOLE: 1, UNSTATED: 2}.get(verdict)


def asks_first(gone: int, held: int, largest_loss: float) -> bool:
    """Whether so many services would vanish that a person has to say yes.

    gone: how many would · held: how many the feed brought before · largest_loss: the share, 0 to 1, that may
    vanish without asking. Everything at once is always asked about.

    >>> asks_first(3, 100, 0.2), asks_first(21, 100, 0.2), asks_first(2, 4, 0.2), asks_first(4, 4, 0.2)
    (False, True, False, True)
    """
    if gone <= 0:
        return False
    if gone >= held and largest_loss < 1:
        return True
    return gone >= FEW and gone > largest_loss * held
