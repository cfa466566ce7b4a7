"""`/hsds`: the open feed in HSDS 3.1 and Open Referral UK 3.0, for anyone, to read only."""

from hedgerow_kit import problems

from hedgerow_registry.api.hsds import organizations, root, service_at_locations, services, taxonomies

router = problems.router(tags=["open feed"])
for part in (root, services, taxonomies, service_at_locations, organizations):
    router.include_router(part.router)
