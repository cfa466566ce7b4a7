"""What a statement of the Beneficial Ownership Data Standard 0.4 must look like, in models of our own.

Unknown properties are allowed, as the standard allows them; a property that is there must be right, and
`null` is never right. Nothing here is kept: `reading` takes from a valid statement what the registry needs.
"""

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

_FULL_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
    r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_PARTIAL_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2]))?", re.ASCII)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]+")


def _day(text: str) -> bool:
    if not _FULL_DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _full_date(text: str) -> str:
    if not _day(text):
        raise PydanticCustomError("date", "a date is written YYYY-MM-DD")
    return text


def _moment(text: str) -> str:
    timed = _DATE_TIME.fullmatch(text)
    if not _day(text) and not (timed and _day(timed[1])):
        raise PydanticCustomError("date", "a date is written YYYY-MM-DD, a time after it as in RFC 3339")
    return text


def _some_date(text: str) -> str:
    if not _PARTIAL_DATE.fullmatch(text) and not _day(text):
        raise PydanticCustomError("date", "a date is written YYYY, YYYY-MM or YYYY-MM-DD")
    return text


def _uri(text: str) -> str:
    if not _URI.fullmatch(text):
        raise PydanticCustomError("uri", "not a URI with its scheme, such as https://example.org")
    return text


Day = Annotated[StrictStr, AfterValidator(_full_date)]
Moment = Annotated[StrictStr, AfterValidator(_moment)]
SomeDate = Annotated[StrictStr, AfterValidator(_some_date)]
Uri = Annotated[StrictStr, AfterValidator(_uri)]
CountryCode = Annotated[StrictStr, StringConstraints(min_length=2, max_length=2)]
PlaceCode = Annotated[StrictStr, StringConstraints(min_length=2, max_length=6)]
Percent = Annotated[float, Field(strict=True, ge=0, le=100, allow_inf_nan=False)]


def absent() -> Any:
    """The default of a property that may be left out. It is never valid itself, so `null` is refused."""
    return Field(default=None)


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Country(_Model):
    name: StrictStr
    code: CountryCode = absent()


class Jurisdiction(_Model):
    name: StrictStr
    code: PlaceCode = absent()


class _Address(_Model):
    address: StrictStr = absent()
    postCode: StrictStr = absent()
    country: Country = absent()


class EntityAddress(_Address):
    type: Literal["registered", "business", "alternative"] = absent()


class PersonAddress(_Address):
    type: Literal["residence", "service", "alternative"] = absent()


class BirthPlace(_Address):
    type: Literal["placeOfBirth"] = absent()


class Identifier(_Model):
    id: StrictStr = absent()
    scheme: StrictStr = absent()
    schemeName: StrictStr = absent()
    uri: Uri = absent()

    @model_validator(mode="after")
    def _of_some_scheme(self) -> "Identifier":
        if not {"scheme", "schemeName"} & self.model_fields_set:
            raise _at("scheme", "missing", "a scheme or a schemeName is needed", type(self))
        return self


Reason = Literal[
    "noBeneficialOwners",
    "subjectUnableToConfirmOrIdentifyBeneficialOwner",
    "interestedPartyHasNotProvidedInformation",
    "subjectExemptFromDisclosure",
    "interestedPartyExemptFromDisclosure",
    "unknown",
    "informationUnknownToPublisher",
]


class Unspecified(_Model):
    reason: Reason
    description: StrictStr = absent()


class Agent(_Model):
    name: StrictStr = absent()
    uri: Uri = absent()


class Source(_Model):
    type: list[
        Literal["selfDeclaration", "officialRegister", "thirdParty", "primaryResearch", "verified"]
    ] = absent()
    description: StrictStr = absent()
    url: Uri = absent()
    retrievedAt: Moment = absent()
    assertedBy: list[Agent] = absent()


_SUBTYPES = {
    "arrangement": {"trust", "nomination", "other"},
    "legalEntity": {"trust", "other"},
    "stateBody": {"governmentDepartment", "stateAgency", "other"},
}


class EntityType(_Model):
    type: Literal[
        "registeredEntity",
        "legalEntity",
        "arrangement",
        "anonymousEntity",
        "unknownEntity",
        "state",
        "stateBody",
    ]
    subtype: Literal["governmentDepartment", "stateAgency", "other", "trust", "nomination"] = absent()
    details: StrictStr = absent()

    @model_validator(mode="after")
    def _subtype_of_type(self) -> "EntityType":
        fitting = _SUBTYPES.get(self.type, {"other"})
        if "subtype" in self.model_fields_set and self.subtype not in fitting:
            raise _at("subtype", "subtype", "not a subtype of this type of entity", type(self))
        return self


class Security(_Model):
    ticker: StrictStr
    idScheme: Literal["isin", "figi", "cusip", "cins"] = absent()
    id: StrictStr = absent()


class Listing(_Model):
    stockExchangeJurisdiction: PlaceCode
    stockExchangeName: StrictStr
    security: Security
    marketIdentifierCode: StrictStr = absent()
    operatingMarketIdentifierCode: StrictStr = absent()


class PublicListing(_Model):
    hasPublicListing: StrictBool
    companyFilingsURLs: list[Uri] = absent()
    securitiesListings: list[Listing] = absent()


class Statute(_Model):
    name: StrictStr = absent()
    date: Day = absent()


class Entity(_Model):
    isComponent: StrictBool
    entityType: EntityType
    unspecifiedEntityDetails: Unspecified = absent()
    name: StrictStr = absent()
    alternateNames: list[StrictStr] = absent()
    jurisdiction: Jurisdiction = absent()
    identifiers: list[Identifier] = absent()
    foundingDate: Day = absent()
    dissolutionDate: Day = absent()
    addresses: list[EntityAddress] = absent()
    uri: Uri = absent()
    publicListing: PublicListing = absent()
    formedByStatute: Statute = absent()


class PersonName(_Model):
    fullName: StrictStr
    type: Literal["legal", "translation", "transliteration", "former", "alternative", "birth"] = absent()
    familyName: StrictStr = absent()
    givenName: StrictStr = absent()
    patronymicName: StrictStr = absent()


class PoliticalDetails(_Model):
    reason: StrictStr = absent()
    missingInfoReason: StrictStr = absent()
    jurisdiction: Jurisdiction = absent()
    startDate: Day = absent()
    endDate: Day = absent()
    source: Source = absent()


class PoliticalExposure(_Model):
    status: Literal["isPep", "isNotPep", "unknown"]
    details: list[PoliticalDetails] = absent()


class Person(_Model):
    isComponent: StrictBool
    personType: Literal["anonymousPerson", "unknownPerson", "knownPerson"]
    unspecifiedPersonDetails: Unspecified = absent()
    names: list[PersonName] = absent()
    identifiers: list[Identifier] = absent()
    nationalities: list[Country] = absent()
    placeOfBirth: BirthPlace = absent()
    birthDate: SomeDate = absent()
    deathDate: SomeDate = absent()
    taxResidencies: list[Country] = absent()
    addresses: list[PersonAddress] = absent()
    politicalExposure: PoliticalExposure = absent()


class Share(_Model):
    exact: Percent = absent()
    maximum: Percent = absent()
    minimum: Percent = absent()
    exclusiveMinimum: Percent = absent()
    exclusiveMaximum: Percent = absent()


class Interest(_Model):
    type: Literal[
        "shareholding",
        "votingRights",
        "appointmentOfBoard",
        "otherInfluenceOrControl",
        "seniorManagingOfficial",
        "settlor",
        "trustee",
        "protector",
        "beneficiaryOfLegalArrangement",
        "rightsToSurplusAssetsOnDissolution",
        "rightsToProfitOrIncome",
        "rightsGrantedByContract",
        "conditionalRightsGrantedByContract",
        "controlViaCompanyRulesOrArticles",
        "controlByLegalFramework",
        "boardMember",
        "boardChair",
        "unknownInterest",
        "unpublishedInterest",
        "enjoymentAndUseOfAssets",
        "rightToProfitOrIncomeFromAssets",
        "nominee",
        "nominator",
    ] = absent()
    directOrIndirect: Literal["direct", "indirect", "unknown"] = absent()
    beneficialOwnershipOrControl: StrictBool = absent()
    details: StrictStr = absent()
    share: Share = absent()
    startDate: Day = absent()
    endDate: Day = absent()


class Relationship(_Model):
    isComponent: StrictBool
    subject: StrictStr | Unspecified = Field(union_mode="left_to_right")
    interestedParty: StrictStr | Unspecified = Field(union_mode="left_to_right")
    componentRecords: list[StrictStr] = absent()
    interests: list[Interest] = absent()

    @model_validator(mode="after")
    def _no_components_of_a_component(self) -> "Relationship":
        if self.isComponent and self.componentRecords:
            reason = "a component has no components of its own"
            raise _at("componentRecords", "components", reason, type(self))
        return self


class Annotation(_Model):
    statementPointerTarget: StrictStr
    motivation: Literal["commenting", "correcting", "identifying", "linking", "transformation"]
    creationDate: Moment = absent()
    createdBy: Agent = absent()
    description: StrictStr = absent()
    transformedContent: StrictStr = absent()
    url: Uri = absent()

    @model_validator(mode="after")
    def _as_its_motivation_asks(self) -> "Annotation":
        if self.motivation == "linking" and "url" not in self.model_fields_set:
            raise _at("url", "missing", "a link needs it", type(self))
        if self.motivation != "transformation" and self.transformedContent:
            reason = "only an annotation of the motivation `transformation` has it"
            raise _at("transformedContent", "transformed", reason, type(self))
        return self


class Publisher(_Model):
    name: StrictStr = absent()
    url: Uri = absent()

    @model_validator(mode="after")
    def _known_somehow(self) -> "Publisher":
        if not self.model_fields_set:
            raise PydanticCustomError("publisher", "a name or a url is needed")
        return self


class PublicationDetails(_Model):
    publicationDate: Moment
    bodsVersion: Annotated[StrictStr, StringConstraints(pattern=r"^[0-9]+\.[0-9]+$")]
    publisher: Publisher
    license: Uri = absent()


class Statement(_Model):
    statementId: Annotated[StrictStr, StringConstraints(min_length=32, max_length=64)]
    statementDate: Moment
    declarationSubject: StrictStr
    recordId: StrictStr
    recordType: Literal["entity", "person", "relationship"]
    recordDetails: dict[str, Any]
    recordStatus: Literal["new", "updated", "closed"] = absent()
    declaration: StrictStr = absent()
    annotations: list[Annotation] = absent()
    publicationDetails: PublicationDetails = absent()
    source: Source = absent()


DETAILS: dict[str, type[Entity] | type[Person] | type[Relationship]] = {
    "entity": Entity,
    "person": Person,
    "relationship": Relationship,
}


class Invalid(Exception):
    """A statement that is not one of BODS 0.4: which field, like `recordDetails.identifiers[0].id`, and why.

    It never repeats what stands in the field.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def validated(fields: dict[str, Any]) -> tuple[Statement, Entity | Person | Relationship]:
    """A statement and its details, of the kind its type says. Raises Invalid for the first field amiss."""
    try:
        statement = Statement.model_validate(fields)
    except ValidationError as error:
        raise _invalid(error, ()) from None
    try:
        return statement, DETAILS[statement.recordType].model_validate(statement.recordDetails)
    except ValidationError as error:
        raise _invalid(error, ("recordDetails",)) from None


_REASONS = {
    "missing": "is missing",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "float_type": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "literal_error": "is none of the values of its code list",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "is not written as the standard asks",
    "greater_than_equal": "must not be below 0",
    "less_than_equal": "must not be above 100",
    "finite_number": "must be a number",
}


def _invalid(error: ValidationError, within: tuple[str, ...]) -> Invalid:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    # The members of a union stand in the place of an error too: they are no part of the statement.
    place = [*within, *(part for part in first["loc"] if part not in ("str", "Unspecified"))]
    field = ""
    for part in place:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
    custom = first["type"] in ("date", "uri", "publisher", "subtype", "components", "transformed")
    reason = first["msg"] if custom else _REASONS.get(first["type"], "is not as the standard asks")
    return Invalid(field[:200] or "statement", reason)


def _at(field: str, kind: str, reason: str, model: type[BaseModel]) -> ValidationError:
    """An error of one field that only the whole object shows."""
    error = PydanticCustomError(kind, reason)
    details: InitErrorDetails = {"type": error, "loc": (field,), "input": None}
    return ValidationError.from_exception_data(model.__name__, [details])
