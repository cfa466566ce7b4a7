"""The rows of the registry's database, one module a subject.

Links from reference data to areas and needs carry no foreign key where the other end may arrive later
(an area's parent, a service's area); what must hold at once has one.
"""

from hedgerow_registry.tables.contracts import Contract as Contract
from hedgerow_registry.tables.contracts import ContractArea as ContractArea
from hedgerow_registry.tables.contracts import ContractingProcess as ContractingProcess
from hedgerow_registry.tables.contracts import ContractNeed as ContractNeed
from hedgerow_registry.tables.contracts import ContractParty as ContractParty
from hedgerow_registry.tables.contracts import ContractService as ContractService
from hedgerow_registry.tables.contracts import ProcessArea as ProcessArea
from hedgerow_registry.tables.contracts import ProcessNeed as ProcessNeed
from hedgerow_registry.tables.contracts import ProcessParty as ProcessParty
from hedgerow_registry.tables.contracts import Release as Release
from hedgerow_registry.tables.directory import Organisation as Organisation
from hedgerow_registry.tables.directory import OrganisationAlias as OrganisationAlias
from hedgerow_registry.tables.directory import OrganisationIdentifier as OrganisationIdentifier
from hedgerow_registry.tables.directory import OrganisationOwner as OrganisationOwner
from hedgerow_registry.tables.directory import OtherPlace as OtherPlace
from hedgerow_registry.tables.directory import PlacePostcode as PlacePostcode
from hedgerow_registry.tables.directory import Service as Service
from hedgerow_registry.tables.directory import ServiceArea as ServiceArea
from hedgerow_registry.tables.directory import ServiceNeed as ServiceNeed
from hedgerow_registry.tables.directory import ServiceOpening as ServiceOpening
from hedgerow_registry.tables.directory import ServiceTerm as ServiceTerm
from hedgerow_registry.tables.directory import Site as Site
from hedgerow_registry.tables.feeds import Feed as Feed
from hedgerow_registry.tables.feeds import FeedPage as FeedPage
from hedgerow_registry.tables.feeds import FeedPull as FeedPull
from hedgerow_registry.tables.feeds import FeedRecord as FeedRecord
from hedgerow_registry.tables.history import History as History
from hedgerow_registry.tables.intake import Change as Change
from hedgerow_registry.tables.intake import ChangeClock as ChangeClock
from hedgerow_registry.tables.intake import FeedEpoch as FeedEpoch
from hedgerow_registry.tables.intake import Import as Import
from hedgerow_registry.tables.intake import Receipt as Receipt
from hedgerow_registry.tables.intake import feed as feed
from hedgerow_registry.tables.matching import DuplicatePair as DuplicatePair
from hedgerow_registry.tables.matching import MatchingState as MatchingState
from hedgerow_registry.tables.matching import MatchKey as MatchKey
from hedgerow_registry.tables.merges import Merged as Merged
from hedgerow_registry.tables.merges import MergeEvent as MergeEvent
from hedgerow_registry.tables.needs import Crosswalk as Crosswalk
from hedgerow_registry.tables.needs import Demand as Demand
from hedgerow_registry.tables.needs import Need as Need
from hedgerow_registry.tables.ownership import Interest as Interest
from hedgerow_registry.tables.ownership import Membership as Membership
from hedgerow_registry.tables.ownership import OrganisationFigure as OrganisationFigure
from hedgerow_registry.tables.ownership import OwnershipStatement as OwnershipStatement
from hedgerow_registry.tables.places import OPEN_AGE as OPEN_AGE
from hedgerow_registry.tables.places import Area as Area
from hedgerow_registry.tables.places import AreaParent as AreaParent
from hedgerow_registry.tables.places import AreaSuccessor as AreaSuccessor
from hedgerow_registry.tables.places import Boundary as Boundary
from hedgerow_registry.tables.places import IndexValue as IndexValue
from hedgerow_registry.tables.places import Residents as Residents
from hedgerow_registry.tables.provenance import Base as Base
from hedgerow_registry.tables.provenance import Provenance as Provenance
from hedgerow_registry.tables.provenance import Source as Source
from hedgerow_registry.tables.spend import SpendBranch as SpendBranch
from hedgerow_registry.tables.spend import SpendFile as SpendFile
from hedgerow_registry.tables.spend import SpendLine as SpendLine
from hedgerow_registry.tables.spend import SpendSource as SpendSource
from hedgerow_registry.tables.spend import SpendSupplier as SpendSupplier
from hedgerow_registry.tables.spend import SpendSupplierKey as SpendSupplierKey
from hedgerow_registry.tables.spend import SpendWord as SpendWord
