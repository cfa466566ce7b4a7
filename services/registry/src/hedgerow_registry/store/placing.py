"""Where a postcode is."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hedgerow_registry.errors import UnplacedPostcode
from hedgerow_registry.tables import Postcode, Site


def of_postcode(session: Session, postcode: str) -> tuple[float, float]:
    """Longitude and latitude of a postcode: as a list of postcodes says, else the middle of its sites.

    Raises UnplacedPostcode.
    """
    listed = session.execute(select(Postcode.lon, Postcode.lat).where(Postcode.postcode == postcode))
    if (row := listed.one_or_none()) is not None:
        return row.lon, row.lat
    middle = select(func.avg(Site.lon), func.avg(Site.lat)).where(Site.postcode == postcode)
    lon, lat = session.execute(middle).one()
    if lon is None or lat is None:
        raise UnplacedPostcode
    return lon, lat
