"""What the designs of networks add to the questions about a locality: see `asking.FactsBeside`."""

from dataclasses import dataclass

from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database
from hedgerow_kit.reach import Reach

from hedgerow_network.api.asking import Beside, FactsBeside
from hedgerow_network.api.overlaps import CAPABILITIES
from hedgerow_network.domain.design_findings import Kpi
from hedgerow_network.domain.design_gaps import DESIGNS, KPIS, Designed
from hedgerow_network.domain.designs import read_design
from hedgerow_network.domain.telling_apart import SharedCapability
from hedgerow_network.store import networks
from hedgerow_network.store.snapshots import Snapshots
from hedgerow_network.upstream.outcomes import Outcomes


@dataclass(frozen=True)
class DesignsBeside:
    """Reads the designs that a caller may know of. outcomes: None = nobody to ask about KPIs."""

    database: Database
    relations: networks.Relations
    snapshots: Snapshots
    outcomes: Outcomes | None

    def facts(self) -> FactsBeside:
        return {DESIGNS: self.designs, KPIS: self.kpis, CAPABILITIES: self.capabilities}

    def _read(self, principal: Principal) -> tuple[tuple[tuple[str, int, int], ...], list[Designed]]:
        with self.database.reading(Reach.of(principal)) as session:
            rows = [row for row in networks.all_within_reach(session) if row.design]
            versions = tuple((row.id, row.version, row.relations_version) for row in rows)
            relations = self.relations.of(session, rows)
            designs = [
                Designed(read_design(row.id, row.name, row.design), held)
                for row, held in zip(rows, relations, strict=True)
            ]
        return versions, designs

    def designs(self, principal: Principal) -> Beside:
        return Beside(*self._read(principal))

    def kpis(self, principal: Principal) -> Beside:
        _, designs = self._read(principal)
        wanted = {id for one in designs for goal in one.design.goals for id in goal.kpis}
        known: dict[str, Kpi] = self.outcomes.kpis(wanted) if self.outcomes is not None else {}
        return Beside(tuple(sorted((id, kpi.known, kpi.has_data) for id, kpi in known.items())), known)

    def capabilities(self, principal: Principal) -> Beside:
        """Back-office capabilities: those that one organisation could keep up for several."""
        versions, designs = self._read(principal)
        names = self.snapshots.current().facts.directory.names
        return Beside(
            versions,
            [
                SharedCapability(
                    capability.id,
                    capability.name,
                    names.find(held.organisation) or held.organisation,
                    held.areas or one.design.areas,
                )
                for one in designs
                for capability in one.design.capabilities
                if capability.back_office
                for held in capability.held_by
            ],
        )
