"""A real file of 1,215,180 rows: loaded, loaded again, in flat memory."""

import gzip
from pathlib import Path

import pytest

from tests.support.app_process import app_process
from tests.support.databases import Databases

ROWS, BLANKS, AREAS, KPIS = 1_215_180, 1_707, 33_755, 36


@pytest.fixture(scope="module")
def national(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = shared / "data" / "kpi_iod2025_long" / "iod2025_lsoa_long.csv.gz"
    path = tmp_path_factory.mktemp("national") / "observations.csv"
    with gzip.open(source, "rb") as packed, path.open("wb") as file:
        header = packed.readline().decode().strip()
        names = {"area_code": "subject", "indicator": "kpi"}
        file.write((",".join(names.get(name, name) for name in header.split(",")) + "\n").encode())
        while piece := packed.read(1 << 20):
            file.write(piece)
    return path


def test_a_national_file_lands_once_in_flat_memory(national: Path, made_databases: Databases) -> None:
    with app_process("outcomes", made_databases.migrated("hedgerow_outcomes")) as app:
        idle = app.memory_mb("VmRSS")
        first = app.send("observations", national, define="true")
        assert first["counts"] == {
            "accepted": ROWS - BLANKS,
            "changed": 0,
            "unchanged": 0,
            "quarantined": BLANKS,
        }
        blanks = app.get(first["receipts"], verdict="quarantined", limit=1000)["items"]
        assert {(blank["column"], blank["records"]) for blank in blanks} == {("value", 1)}
        again = app.send("observations", national, define="true")
        assert again["counts"]["unchanged"] == ROWS - BLANKS
        kept = app.send("observations", national, blank="missing")
        assert kept["counts"] == {
            "accepted": BLANKS,
            "changed": 0,
            "unchanged": ROWS - BLANKS,
            "quarantined": 0,
        }
        assert app.memory_mb("VmHWM") - idle <= 200
        kpis = app.get("/v1/kpis", limit=1000)["items"]
        assert len(kpis) == KPIS
        assert all(kpi["incomplete"] for kpi in kpis)
        one = app.get("/v1/observations", subject="E01000001", limit=1000)["items"]
        assert len(one) == KPIS
        assert {row["period"] for row in one} == {"2025"}
