"""Postcodes of the United Kingdom: their shape and their usual spelling."""

import re

from hedgerow_registry.errors import Malformed

# Outward code (area, district) and inward code (sector, unit), after BS 7666; GIR 0AA is the one exception.
_SHAPE = re.compile(
    r"([A-Z]{1,2}[0-9][A-Z0-9]?|ASCN|STHL|TDCU|BBND|BIQQ|FIQQ|PCRN|SIQQ|TKCA)([0-9][ABD-HJLNP-UW-Z]{2})",
    re.ASCII,
)


def postcode(text: str) -> str:
    """A postcode in capitals with one space before its last three characters.

    Raises Malformed for what does not have the shape of one. Whether it exists is not asked.

    >>> postcode("m334qx"), postcode(" WA15  7XR ")
    ('M33 4QX', 'WA15 7XR')
    """
    squeezed = "".join(text.split()).upper()
    if squeezed == "GIR0AA":
        return "GIR 0AA"
    found = _SHAPE.fullmatch(squeezed)
    if found is None:
        raise Malformed("not the shape of a postcode")
    return f"{found[1]} {found[2]}"
