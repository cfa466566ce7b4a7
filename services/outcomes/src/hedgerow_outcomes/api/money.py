"""Money on the wire: pounds as numbers that are exact to the penny."""

from typing import Annotated

from pydantic import Field

Pounds = Annotated[float, Field(description="Pounds, exact to the penny")]


def pounds(pence: int) -> float:
    """Pence as pounds: the double nearest to the decimal, which reads back as it to the penny."""
    return pence / 100
