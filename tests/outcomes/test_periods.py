import csv
import gzip
import io
from datetime import date
from pathlib import Path

import pytest
from hedgerow_outcomes.domain.periods import Period, PeriodForm, months, twelve_months_to
from hedgerow_outcomes.domain.spellings import parse_period
from hedgerow_outcomes.errors import AmbiguousPeriod, UnknownPeriod
from hypothesis import given
from hypothesis import strategies as st

SPELLINGS = """
2024                       2024-01-01 2024-12-31 year            2024
2024-25                    2024-04-01 2025-03-31 financial_year  2024/25
2024/25                    2024-04-01 2025-03-31 financial_year  2024/25
2024–25                    2024-04-01 2025-03-31 financial_year  2024/25
2024/2025                  2024-04-01 2025-03-31 financial_year  2024/25
2019 - 20                  2019-04-01 2020-03-31 financial_year  2019/20
24/25                      2024-04-01 2025-03-31 financial_year  2024/25
FY 2024/25                 2024-04-01 2025-03-31 financial_year  2024/25
2010/11                    2010-04-01 2011-03-31 financial_year  2010/11
1999-00                    1999-04-01 2000-03-31 financial_year  1999/00
2023/24 academic           2023-09-01 2024-08-31 academic_year   2023/24 academic
2019-21                    2019-01-01 2021-12-31 span            2019 to 2021
2015 - 17                  2015-01-01 2017-12-31 span            2015 to 2017
2010 - 12                  2010-01-01 2012-12-31 span            2010 to 2012
2019 to 2020               2019-01-01 2020-12-31 span            2019 to 2020
2020/21 - 24/25            2020-04-01 2025-03-31 span            2020/21 to 2024/25
Q1 2024                    2024-01-01 2024-03-31 quarter         2024-Q1
2024 Q1                    2024-01-01 2024-03-31 quarter         2024-Q1
2024Q1                     2024-01-01 2024-03-31 quarter         2024-Q1
2023/24 Q4                 2024-01-01 2024-03-31 quarter         2024-Q1
Q1 2024-25                 2024-04-01 2024-06-30 quarter         2024-Q2
2021/22 Q1 - 2021/22 Q2    2021-04-01 2021-09-30 span            2021-04 to 2021-09
H1 2024                    2024-01-01 2024-06-30 half            2024-H1
May-24                     2024-05-01 2024-05-31 month           2024-05
May 2024                   2024-05-01 2024-05-31 month           2024-05
Sept 2023                  2023-09-01 2023-09-30 month           2023-09
2022-05                    2022-05-01 2022-05-31 month           2022-05
2024/05                    2024-05-01 2024-05-31 month           2024-05
202405                     2024-05-01 2024-05-31 month           2024-05
05/2024                    2024-05-01 2024-05-31 month           2024-05
2024-02-29                 2024-02-29 2024-02-29 day             2024-02-29
29/02/2024                 2024-02-29 2024-02-29 day             2024-02-29
2024-05-31T00:00:00        2024-05-31 2024-05-31 day             2024-05-31
1st May 2024               2024-05-01 2024-05-01 day             2024-05-01
2024-W05                   2024-01-29 2024-02-04 week            2024-W05
Oct 2021-Sep 2022          2021-10-01 2022-09-30 span            2021-10 to 2022-09
Apr 2022-Mar 2023          2022-04-01 2023-03-31 financial_year  2022/23
Jan 2020 to Dec 2022       2020-01-01 2022-12-31 span            2020 to 2022
Apr-Jun 2024               2024-04-01 2024-06-30 quarter         2024-Q2
Oct-Mar 2024               2023-10-01 2024-03-31 span            2023-10 to 2024-03
year ending March 2024     2023-04-01 2024-03-31 financial_year  2023/24
2024-01-01/2024-03-31      2024-01-01 2024-03-31 quarter         2024-Q1
2010-12 to 2011-03         2010-12-01 2011-03-31 span            2010-12 to 2011-03
"""

FORMS = """
2010-12     month      2010-12-01 2010-12-31
2010-12     span       2010-01-01 2012-12-31
2010-11     financial  2010-04-01 2011-03-31
2010-11     academic   2010-09-01 2011-08-31
2010-11     span       2010-01-01 2011-12-31
2019-21     financial  2019-04-01 2022-03-31
2024        calendar   2024-01-01 2024-12-31
2024        financial  2024-04-01 2025-03-31
2024        year_end   2023-04-01 2024-03-31
2023/24     academic   2023-09-01 2024-08-31
Mar 2024    year_end   2023-04-01 2024-03-31
2024-03-31  year_end   2023-04-01 2024-03-31
2024-05-17  month      2024-05-01 2024-05-31
24-May      month      2024-05-01 2024-05-31
Q1 2024     financial  2024-04-01 2024-06-30
11/12       financial  2011-04-01 2012-03-31
2022-05     financial  2022-05-01 2022-05-31
"""


def _lines(table: str) -> list[str]:
    return [line for line in table.splitlines() if line]


@pytest.mark.parametrize("line", _lines(SPELLINGS))
def test_a_spelling_is_read_as_its_days(line: str) -> None:
    spelling, start, end, granularity, label = line[:27].strip(), *line[27:].split(maxsplit=3)
    period = parse_period(spelling)
    assert (period.start.isoformat(), period.end.isoformat()) == (start, end)
    assert (period.granularity, period.label) == (granularity, label)


@pytest.mark.parametrize("line", _lines(FORMS))
def test_the_form_of_a_file_settles_a_spelling(line: str) -> None:
    spelling, form, start, end = line[:12].strip(), *line[12:].split()
    assert parse_period(spelling, PeriodForm(form)) == Period(
        date.fromisoformat(start), date.fromisoformat(end)
    )


@pytest.mark.parametrize(
    "spelling", ["2010-12", "2010-11", "2009-12", "2010/12", "1999-01", "11/12", "24-May"]
)
def test_a_spelling_with_two_readings_is_refused_and_says_what_would_settle_it(spelling: str) -> None:
    with pytest.raises(AmbiguousPeriod, match="period="):
        parse_period(spelling)


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "  ",
        "NA",
        "latest",
        "Q5 2024",
        "2024-02-30",
        "2024-00",
        "1801",
        "2150",
        "2024-W54",
        "2024/26 Q1",
        "May 2024 to Apr 2024",
        "45432.5",
        "2024-05-31T10:00:00",
        "Mayor-24",
        "9" * 100,
    ],
)
def test_what_is_no_period_is_refused(spelling: str) -> None:
    with pytest.raises(UnknownPeriod):
        parse_period(spelling)


@pytest.mark.parametrize(
    ("spelling", "form"), [("2024", "month"), ("2019-20", "month"), ("May 2024", "date")]
)
def test_a_file_of_months_or_days_takes_nothing_else(spelling: str, form: str) -> None:
    with pytest.raises(UnknownPeriod, match="period="):
        parse_period(spelling, PeriodForm(form))


def test_a_year_ends_on_a_leap_day() -> None:
    assert twelve_months_to(date(2024, 2, 29)) == Period(date(2023, 3, 1), date(2024, 2, 29))
    assert twelve_months_to(date(2024, 2, 28)) == Period(date(2023, 3, 1), date(2024, 2, 28))


DAYS = st.dates(date(1900, 1, 1), date(2099, 12, 31))
PERIODS = st.one_of(
    st.builds(
        months,
        st.integers(1900, 2070),
        st.integers(1, 12),
        st.sampled_from([1, 3, 6, 12, 18, 24, 36, 60]),
    ),
    st.tuples(DAYS, DAYS).map(lambda days: Period(min(days), max(days))),
)


@given(PERIODS)
def test_a_label_is_read_as_the_period_it_was_written_for(period: Period) -> None:
    form = PeriodForm.MONTH if period.granularity == "month" else PeriodForm.AUTO
    assert parse_period(period.label, form) == period


@given(
    st.one_of(
        st.text(max_size=70),
        st.text("0123456789 -/:.QqHhWwTtomayjunFy", max_size=20),
        st.from_regex(r"[0-9]{1,4}[-/ ][0-9]{1,4}([-/ ][0-9]{1,4})?", fullmatch=True),
    ),
    st.sampled_from(PeriodForm),
)
def test_any_text_is_a_period_or_is_refused_with_a_reason(text: str, form: PeriodForm) -> None:
    reason = None
    try:
        period = parse_period(text, form)
    except UnknownPeriod as error:
        reason = str(error)
    assert reason or (period.start <= period.end and period.label)


REAL = ("trafford/kpis", "kpi_trafford_themes", "kpi_trafford_wards", "kpi_nhs_ae", "kpi_covid_la_daily")


def _periods(path: Path) -> set[str]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    column = next((name for name in rows.fieldnames or [] if name in ("period", "Date")), None)
    return {row[column] for row in rows} if column else set()


@pytest.mark.parametrize("folder", [*REAL, "kpi_census21_trafford", "kpi_iod2025_long"])
def test_every_period_of_the_real_files_is_understood(folder: str, shared: Path) -> None:
    files = [*(shared / "data" / folder).rglob("*.csv"), *(shared / "data" / folder).rglob("*.csv.gz")]
    spellings = set().union(*(_periods(file) for file in files))
    assert spellings
    refused = {}
    for period in spellings:
        try:
            parse_period(period)
        except UnknownPeriod as error:
            refused[period] = str(error)
    assert refused == {}
