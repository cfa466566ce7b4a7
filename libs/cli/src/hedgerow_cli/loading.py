"""The work of `hedgerow load`: plan every file before anything is sent, then send them one by one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from hedgerow_cli.canonical import TABLES
from hedgerow_cli.client import LOOPBACK, Client, Pieces, Problem
from hedgerow_cli.errors import CommandError
from hedgerow_cli.load_progress import FileBar, LoadBars
from hedgerow_cli.load_report import FileReceipt, LoadReport
from hedgerow_cli.manifest import File, Lookup, Manifest, ManifestError, read_manifest
from hedgerow_cli.mapping.cells import columns_of
from hedgerow_cli.mapping.lookups import LookupTable
from hedgerow_cli.mapping.places import is_crs
from hedgerow_cli.mapping.reading import (
    Progress,
    SourceRow,
    Unreadable,
    check_whole,
    declared_crs,
    format_of,
    header,
    inline_rows,
    rows,
)
from hedgerow_cli.mapping.rows import Mapper, Record, made_columns, spread_columns
from hedgerow_cli.terminal import progress
from hedgerow_cli.uploads import MEDIA_TYPES, as_csv, as_features, as_it_is, count_records, gzipped

POLL_SECONDS = 0.5
DEFINITIONS = "KPI definitions"


@dataclass
class Job:
    """One import to make: a file (or rows of the manifest) as one kind."""

    label: str
    kind: str
    parameters: dict[str, str]
    file: File | None = None
    path: Path | None = None
    header: list[str] = field(default_factory=list)
    missing: tuple[str, ...] = ()
    given: Sequence[dict[str, str]] = ()
    notes: Sequence[str] = ()

    @property
    def size(self) -> int | None:
        return None if self.path is None else self.path.stat().st_size

    def source(self, found: Progress | None = None) -> Iterator[SourceRow]:
        """The rows of the job's file, or those the manifest gives."""
        if self.path is None or self.file is None:
            return inline_rows(self.given)
        return rows(self.path, self.file, found)


@dataclass
class Plan:
    """Everything a manifest asks for, checked against the folder."""

    manifest: Manifest
    jobs: list[Job]
    lookups: dict[str, LookupTable]

    def mapper(self, job: Job) -> Mapper:
        if job.file is None:
            raise ValueError(f"{job.label} has no mapping")
        return Mapper(
            job.file,
            header=job.header,
            missing=job.missing,
            lookups=self.lookups,
            stem="" if job.path is None else job.path.name.split(".")[0],
        )


def load_manifest(
    client: Client,
    manifest: Path,
    folder: Path,
    *,
    only: Sequence[str] = (),
    quiet: bool = False,
    receipts: int = 3,
) -> LoadReport:
    """Send everything the manifest names; answers with what became of every row.

    A file the platform refuses is told in the report and the next one is sent; when the platform itself does
    not answer, the report's `stopped` says why and the rest is not sent. Raises ManifestError before that.
    """
    with progress(quiet=quiet) as shown:
        bars = LoadBars(shown)
        plan = plan_manifest(manifest, folder, only=only, bars=bars)
        report = _begin(plan, bars)
        for job, receipt in zip(plan.jobs, report.files, strict=True):
            try:
                with bars.file(job.label, job.path) as bar:
                    _send(client, plan, job, receipt, bar, shown=receipts)
            except Problem as refused:
                receipt.status, receipt.problem = "refused", str(refused)
            except Unreadable as broken:
                receipt.status, receipt.problem = "broken", str(broken)
            except CommandError as stopped:
                receipt.status, receipt.problem = "stopped", str(stopped)
                report.stopped = stopped
                break
    return report


def check_manifest(
    manifest: Path, folder: Path, *, only: Sequence[str] = (), quiet: bool = False
) -> LoadReport:
    """Read and map everything and send nothing. Raises ManifestError."""
    with progress(quiet=quiet) as shown:
        bars = LoadBars(shown)
        plan = plan_manifest(manifest, folder, only=only, bars=bars)
        report = _begin(plan, bars)
        for job, receipt in zip(plan.jobs, report.files, strict=True):
            receipt.status = "checked"
            try:
                if job.file is None or job.file.mapped:
                    with bars.file(job.label, job.path) as bar:
                        for _ in _mapped(plan, job, receipt, bar):
                            pass
                elif job.path is not None:
                    receipt.read = receipt.sent = count_records(job.path)
            except Unreadable as broken:
                receipt.status, receipt.problem = "broken", str(broken)
    return report


def plan_manifest(
    manifest: Path, folder: Path, *, only: Sequence[str] = (), bars: LoadBars | None = None
) -> Plan:
    """The imports a manifest asks for. Raises ManifestError with every missing file, column and lookup."""
    read = read_manifest(manifest)
    named = [word for file in read.file for word in file.path or ()]
    if named and not any(next(folder.glob(word), None) for word in named if not Path(word).is_absolute()):
        raise ManifestError(
            [f"{manifest}: none of its files lies in {folder}: name their folder with --from"]
        )
    faults: list[str] = []
    jobs: list[Job] = []
    for number, file in enumerate(read.file, start=1):
        told = f"{manifest}: [[file]] {number} ({file.label})"
        for job in _jobs(read, file, folder, told, faults):
            if not only or any(fnmatch(job.label, word) or fnmatch(job.kind, word) for word in only):
                jobs.append(job)
    for job in jobs:
        _check_columns(job, read, manifest, faults)
    used = _used_columns(read, jobs)
    lookups = {name: LookupTable(name, read.lookup[name], taken) for name, taken in used.items()}
    for name, table in lookups.items():
        _fill(table, read, folder, f"{manifest}: [lookup.{name}]", faults)
    if not faults and not jobs:
        faults.append(f"{manifest}: {'no file matches --only' if only else 'names no file'}")
    if faults:
        raise ManifestError(faults)
    plan = Plan(read, jobs, lookups)
    wanted = not only or any(job.kind == "observations" for job in jobs)
    _add_definitions(plan, manifest, wanted=wanted, bars=bars or LoadBars())
    return plan


def _begin(plan: Plan, bars: LoadBars) -> LoadReport:
    read = plan.manifest
    bars.begin(read.name, [job.path for job in plan.jobs if job.path is not None])
    return LoadReport(
        read.name, read.area, read.source, [FileReceipt(job.label, job.kind) for job in plan.jobs]
    )


def _jobs(read: Manifest, file: File, folder: Path, told: str, faults: list[str]) -> Iterator[Job]:
    table = TABLES.get(file.kind)
    named = {"source": file.source or read.source} if table is None or table.has_source else {}
    parameters = {**named, **file.options}
    if file.period is not None:
        parameters["period"] = file.period
    if file.blank in ("missing", "quarantine"):
        parameters["blank"] = file.blank
    missing = file.missing if file.missing is not None else read.missing
    if file.path is None:
        given = [dict(row) for row in file.rows or ()]
        names = list(dict.fromkeys(name for row in given for name in row))
        yield Job(file.label, file.kind, parameters, file, None, names, missing, given)
        return
    paths: list[Path] = []
    for word in file.path:
        if Path(word).is_absolute():
            faults.append(f"{told}, key 'path': {word} must lie under the folder of --from")
            continue
        found = sorted(folder.glob(word)) if any(sign in word for sign in "*?[") else [folder / word]
        if not found:
            faults.append(f"{told}, key 'path': nothing in {folder} matches {word}")
        paths += found
    unwanted = {path for word in file.leave for path in folder.glob(word)}
    paths = [path for path in dict.fromkeys(paths) if path not in unwanted]
    for path in paths:
        if not path.is_file():
            faults.append(f"{told}, key 'path': {path} is missing")
            continue
        label = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
        job = Job(label, file.kind, parameters, file, path, [], missing)
        try:
            check_whole(path)
            if file.mapped:
                job.header = header(path, file)
        except (Unreadable, OSError) as error:
            faults.append(f"{told}: {label} cannot be read: {error}")
            continue
        yield job


def _check_columns(job: Job, read: Manifest, manifest: Path, faults: list[str]) -> None:
    file = job.file
    if file is None or not file.mapped:
        return
    known = {*job.header, *made_columns(file)}
    asked: dict[str, str] = {}
    for name, cell in [*file.columns.items(), *(file.kpi or {}).items()]:
        for alternatives in columns_of(cell):
            there = [column for column in alternatives if column in known]
            if there or "" not in alternatives:
                asked |= {column: f"columns.{name}" for column in there or alternatives}
    asked |= {column: "where" for column in file.where}
    asked |= {condition.unlike: "where" for condition in file.where.values() if condition.unlike}
    for number, step in enumerate(file.place, start=1):
        if step.easting is not None and not is_crs(step.crs):
            faults.append(f"{manifest}: {job.label}, key 'place.{number}.crs': no such coordinate system")
        asked |= {column: f"place.{number}" for column in step.columns}
    for column, key in asked.items():
        if column not in known:
            faults.append(
                f"{manifest}: {job.label}, key '{key}': there is no column '{column}'; "
                f"the file has {', '.join(job.header)}"
            )
        elif job.header.count(column) > 1:
            faults.append(f"{manifest}: {job.label}, key '{key}': the file has two columns '{column}'")
    if file.unpivot is not None and not spread_columns(file, job.header):
        faults.append(f"{manifest}: {job.label}, key 'unpivot.columns': no column of the file matches")


def _used_columns(read: Manifest, jobs: Iterable[Job]) -> dict[str, list[str]]:
    """Which columns of each lookup the jobs ask for; a lookup nobody asks is not read."""
    used: dict[str, list[str]] = {}
    for job in jobs:
        if job.file is None:
            continue
        for cell in [*job.file.columns.values(), *(job.file.kpi or {}).values()]:
            for part in cell.within():
                if part.lookup is not None and part.take is not None:
                    used.setdefault(part.lookup, []).append(part.take)
        for condition in job.file.where.values():
            if condition.lookup is not None:
                used.setdefault(condition.lookup, [])
        for step in job.file.place:
            if step.lookup is not None:
                taken = _place_columns(read.lookup[step.lookup], named=step.name is not None)
                used.setdefault(step.lookup, []).extend(taken)
    return used


def _place_columns(lookup: Lookup, *, named: bool) -> list[str]:
    if named:
        return [lookup.code]
    grid = [name for name in (lookup.easting, lookup.northing) if name is not None]
    return grid or [name for name in (lookup.lon, lookup.lat) if name is not None]


def _fill(table: LookupTable, read: Manifest, folder: Path, told: str, faults: list[str]) -> None:
    lookup = table.lookup
    path = folder / lookup.path
    if not path.is_file():
        faults.append(f"{told}, key 'path': {path} is missing")
        return
    try:
        known = header(path, lookup)
        for name in (*lookup.key, *table.taken):
            if name not in known:
                faults.append(
                    f"{told}: there is no column '{name}' in {lookup.path}; it has {', '.join(known)}"
                )
                return
        check_whole(path)
        table.read(path, lookup.missing if lookup.missing is not None else read.missing)
    except (Unreadable, OSError) as error:
        faults.append(f"{told}: {lookup.path} cannot be read: {error}")


def _add_definitions(plan: Plan, manifest: Path, *, wanted: bool, bars: LoadBars) -> None:
    """KPIs go before the first observations: those the manifest declares, then those the files speak of."""
    found = {row.get("id", ""): dict(row) for row in plan.manifest.kpi}
    declared = set(found)
    notes: list[str] = []
    first = next((n for n, job in enumerate(plan.jobs) if job.kind == "observations"), len(plan.jobs))
    for job in plan.jobs:
        if job.kind != "observations" or job.file is None or job.file.kpi is None:
            continue
        come = Progress(job.size or 0)
        try:
            with bars.file(f"KPIs of {job.label}", job.path) as bar:
                for kpi in plan.mapper(job).definitions(_watched(job.source(come), come, bar)):
                    held = found.setdefault(kpi["id"], kpi)
                    if held != kpi and kpi["id"] not in declared:
                        notes.append(
                            f"{kpi['id']} is told in two ways, the second in {job.label}: the first stands"
                        )
        except Unreadable as error:
            raise ManifestError([f"{manifest}: {job.label} cannot be read: {error}"]) from error
    if not found or not wanted:
        return
    given = list(found.values())
    names = [name for name in TABLES["kpis"].columns if any(name in row for row in given)]
    file = File.model_validate({"kind": "kpis", "rows": given})
    parameters = {"source": plan.manifest.source}
    plan.jobs.insert(first, Job(DEFINITIONS, "kpis", parameters, file, None, names, (), given, notes))


def _watched(source: Iterator[SourceRow], come: Progress, bar: FileBar) -> Iterator[SourceRow]:
    for number, row in enumerate(source):
        yield row
        if number % 5_000 == 0:
            bar.moved(come.position)


def _mapped(plan: Plan, job: Job, receipt: FileReceipt, bar: FileBar) -> Iterator[bytes]:
    """The job's records as bytes to send; the receipt takes over the counts at the end."""
    mapper = plan.mapper(job)
    found = Progress(job.size or 0)
    refused: list[Record] = []
    records = _noting(mapper.records(job.source(found)), refused)
    if job.kind == "boundaries" and job.file is not None and job.path is not None:
        pieces = as_features(mapper.columns, records, crs=job.file.crs or declared_crs(job.path))
    else:
        pieces = as_csv(mapper.columns, records)
    for piece in pieces:
        yield piece
        bar.moved(found.position)
    bar.waiting()
    receipt.mapped(mapper.tally)
    receipt.quarantined = [
        {"line": record.line, "column": record.column, "reason": record.reason} for record in refused
    ]


def _noting(records: Iterable[Record], refused: list[Record]) -> Iterator[Record]:
    for record in records:
        if record.reason and len(refused) < 10:
            refused.append(record)
        yield record


def _send(client: Client, plan: Plan, job: Job, receipt: FileReceipt, bar: FileBar, *, shown: int) -> None:
    if job.path is not None and (job.file is None or not job.file.mapped):
        receipt.read = receipt.sent = count_records(job.path)
        media_type = MEDIA_TYPES[format_of(job.path)]
        packed = job.path.name.lower().endswith(".gz")
        pieces: Pieces = partial(as_it_is, job.path, bar.moved)
    else:
        media_type = MEDIA_TYPES["geojson" if job.kind == "boundaries" else "csv"]
        packed = urlsplit(client.url).hostname not in LOOPBACK
        mapped = partial(_mapped, plan, job, receipt, bar)
        pieces = (lambda: gzipped(mapped())) if packed else mapped
    answer = client.upload(job.kind, pieces, job.parameters, media_type=media_type, gzipped=packed).body
    while answer["status"] == "running":
        time.sleep(POLL_SECONDS)
        answer = client.get(f"/v1/imports/{answer['id']}").body
    receipt.answered(answer)
    if receipt.counts["quarantined"] and shown and receipt.receipts:
        page = client.get(receipt.receipts, verdict="quarantined", limit=shown).body
        receipt.quarantined = page["items"]
    else:
        receipt.quarantined = receipt.quarantined[:shown]
