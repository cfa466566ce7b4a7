"""Payment rules as JSON documents: read strictly, written back in one form, described by a JSON Schema."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from hedgerow_outcomes.domain.payments.rules import Cadence, Context, Contributor, Part, Payer, Rule

Id = Annotated[str, Field(min_length=1, max_length=120)]


class RuleDocument(BaseModel):
    """A payment rule: who pays whom for what, over which term.

    Shares are exact and sum to 1. `parts` are paid side by side; a part that a later one names in `of` is
    paid only through that one.
    """

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=300)
    contract: str | None = Field(default=None, max_length=230, description="The contract it belongs to")
    cadence: Cadence = Field(description="How often there is a statement")
    starts: date
    ends: date
    payers: list[Payer] = Field(max_length=100)
    contributors: list[Contributor] = Field(max_length=1000)
    parts: list[Annotated[Part, Field(discriminator="kind")]] = Field(max_length=200)
    context: Context = Context()

    def rule(self) -> Rule:
        """The rule that the document writes down."""
        lists = {"payers": self.payers, "contributors": self.contributors, "parts": self.parts}
        return Rule(
            title=self.title,
            contract=self.contract,
            cadence=self.cadence,
            starts=self.starts,
            ends=self.ends,
            context=self.context,
            **{name: tuple(items) for name, items in lists.items()},  # type: ignore[arg-type]
        )


def written(document: RuleDocument) -> dict[str, Any]:
    """The document as JSON keeps it; sums and shares as texts, so that none is rounded."""
    return document.model_dump(mode="json", exclude_none=True)


def read(document: dict[str, Any]) -> Rule:
    return RuleDocument.model_validate(document).rule()
