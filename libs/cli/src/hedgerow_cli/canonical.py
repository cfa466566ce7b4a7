"""What the platform's imports take: kinds, their columns, and where a place is written."""

from __future__ import annotations

from typing import NamedTuple


class CanonicalKind(NamedTuple):
    """The canonical CSV of one import kind."""

    needed: tuple[str, ...]
    """Columns a mapping must fill."""
    base: tuple[str, ...] = ()
    """Columns always written, blank where the mapping says nothing."""
    optional: tuple[str, ...] = ()
    """Columns written only when the mapping fills them."""
    code: str | None = None
    """Column that takes an area code found by `place`."""
    point: tuple[str, str] | None = None
    """Columns that take a longitude and latitude found by `place`."""
    value: str | None = None
    """Column whose blank cells the manifest's `blank` speaks of."""
    has_source: bool = True
    """Whether the import keeps its records by the source that brought them."""

    @property
    def columns(self) -> tuple[str, ...]:
        return self.needed + self.base + self.optional


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TABLES: dict[str, CanonicalKind] = {
    "areas": CanonicalKind(
        _words("code name level vintage"),
        _words("parent_code"),
        _words("successor_code lon lat"),
        point=("lon", "lat"),
    ),
    "boundaries": CanonicalKind(_words("code"), code="code"),
    "residents": CanonicalKind(
        _words("area_code period age_from age_to sex count"), code="area_code", value="count"
    ),
    "demand": CanonicalKind(
        _words("need area_code period count"),
        optional=_words("weight source"),
        code="area_code",
        value="count",
    ),
    "indices": CanonicalKind(_words("index area_code period value"), code="area_code", value="value"),
    "needs": CanonicalKind(_words("taxonomy term name"), _words("parent_term")),
    "crosswalk": CanonicalKind(_words("from_taxonomy from_term to_taxonomy to_term relation")),
    "organisations": CanonicalKind(
        _words("id name"),
        optional=_words(
            "identifiers sector legal_form size status url email description owner_ids aliases "
            "head_office_area_code user_led user_led_evidence user_led_on "
            "supported_business supported_business_evidence supported_business_on "
            "public_service_mutual public_service_mutual_evidence public_service_mutual_on"
        ),
    ),
    "ownership": CanonicalKind(
        _words("interest_type"),
        optional=_words(
            "id subject_id subject_identifier owner_id owner_identifier owner_name owner_kind "
            "share_exact share_min share_max direct start end evidence evidence_url stated_on"
        ),
    ),
    "members": CanonicalKind(
        _words("organisation_id member_id"),
        optional=_words("organisation_identifier member_identifier role start end"),
    ),
    "organisation-figures": CanonicalKind(
        _words("figure date value"),
        optional=_words("organisation_id organisation_identifier unit evidence evidence_url"),
        value="value",
    ),
    "services": CanonicalKind(
        _words("id name"),
        optional=_words(
            "organisation_id organisation_name organisation_identifiers needs area_codes status description "
            "url email phone minimum_age maximum_age circumstances capacity valid_from valid_to assured_on "
            "site_id site_name address postcode site_area_code lon lat"
        ),
        code="site_area_code",
        point=("lon", "lat"),
    ),
    "sites": CanonicalKind(
        _words("id service_id name"),
        optional=_words("address postcode area_code lon lat"),
        code="area_code",
        point=("lon", "lat"),
    ),
    "contracts": CanonicalKind(
        _words("id title"),
        optional=_words(
            "ocid description status method category programme published buyer_id buyer_name "
            "buyer_identifiers supplier_id supplier_name supplier_identifiers supplier_size supplier_vcse "
            "value currency start end extension_months extended_to awarded_on signed_on advertised_on needs "
            "area_codes service_ids reserved_for reserved_under"
        ),
    ),
    "relations": CanonicalKind(
        _words("network from to type"), optional=_words("weight from_date to_date"), has_source=False
    ),
    "costs": CanonicalKind(_words("from_area to_site"), optional=_words("matrix minutes km")),
    "spend": CanonicalKind(
        _words("buyer_code supplier_name date amount_gbp"),
        _words("supplier_id category redacted"),
        _words("reference department postcode area_code"),
        code="area_code",
    ),
    "kpis": CanonicalKind(
        _words("id name"),
        _words("unit polarity level perspective frequency aggregation description"),
        _words("target minimum owner"),
    ),
    "observations": CanonicalKind(
        _words("kpi subject period value"),
        optional=_words("numerator denominator lower upper status"),
        code="subject",
        value="value",
    ),
}

PASSED_THROUGH = ("hsds", "ocds", "bods")
"""Kinds of a published standard: sent as they are, never mapped."""

KINDS = (*TABLES, *PASSED_THROUGH)
