"""`/v1/localities/{area}/explained/{need}`: which services an answer counted, and which not, with reasons."""

from typing import Annotated, Literal

from fastapi import Depends, Query
from hedgerow_kit import problems
from pydantic import BaseModel, Field

from hedgerow_network.api.access import Supply, travel
from hedgerow_network.api.asking import About, NeedPath
from hedgerow_network.api.concentration import ContestReach
from hedgerow_network.api.wire import Computed, Named, computed, need_name, provider_named, service_named
from hedgerow_network.domain.explain_answers import AnswerName, Considered, Ways, account
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.travel import Travel

router = problems.router(prefix="/v1/localities/{area}", tags=["localities"])


class ConsideredService(BaseModel):
    service: Named
    provider: Named
    reason: str


class LeftOutService(ConsideredService):
    why: Literal[
        "not active", "contract", "opening", "cohort", "need", "area", "part", "site", "capacity", "reach"
    ]


class AnswerExplained(BaseModel):
    """The services that an answer counted for a need, and those one might have expected, with the reasons."""

    need: str
    need_name: str
    answer: str
    counted: list[ConsideredService]
    excluded: list[LeftOutService]
    elsewhere: int = Field(description="Services for this need that have to do with other places only")
    computed: Computed


@router.get("/explained/{this_need}")
def explain_answer(
    base: About,
    this_need: NeedPath,
    way: Annotated[Travel, Depends(travel)],
    answer: Annotated[AnswerName, Query(description="Which answer about the place to explain")] = "cover",
    supply: Supply = None,
    reach: ContestReach = None,
) -> AnswerExplained:
    """Which services an answer counted for a need, and which not and why not.

    Every answer about a place names this address in `computed.explained`, with what it was asked.
    """
    need = base.need(this_need)
    asked = base if need in base.assessment().needs else base.about(needs=(need,))
    of = asked.assessment()
    ways = Ways(None if way.matrix is None else way.unit, reach, supply)
    found = account(of, of.needs.index(need), answer, ways)
    return AnswerExplained(
        need=need,
        need_name=need_name(of, need),
        answer=answer,
        counted=[_considered(of, one) for one in found.counted],
        excluded=[
            LeftOutService(**_considered(of, one).model_dump(), why=one.why)
            for one in found.excluded
            if one.why is not None
        ],
        elsewhere=found.elsewhere,
        computed=computed(asked, of),
    )


def _considered(of: Assessment, one: Considered) -> ConsideredService:
    return ConsideredService(
        service=service_named(of, one.service),
        provider=provider_named(of, one.service),
        reason=one.reason,
    )
