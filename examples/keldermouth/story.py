"""The services that carry the story, and the cells that are meant to be empty or to hang on one provider."""

from typing import NamedTuple

ALL = "*"
WORK_WARDS = "OT FD NG RW GW LH SP OX SB HE HW MS BW"

# need: (wards nobody covers, wards exactly one provider covers), by the areas that services declare, today.
PROMISED = {
    "food": ("EN SF TH UK", "KB OX SC"),
    "debt-advice": ("", "BW EN HW KB MC SC SF TH UK"),
    "housing-advice": ("", "BW KB MC SC SF TH UK"),
    "mental-health": ("", "EN KB SF TH UK"),
    "adult-social-care": ("", ""),
    "domestic-abuse": ("", "OT FD NG RW GW LH SP OX MS MC SC TH UK KB SB EN HE HW SF BW"),
    "employment": ("KB MC SC TH", "EN SF UK"),
    "youth-work": ("BW MC OX UK", "EN KB SC SF TH"),
    "early-years": ("EN UK", "KB OX SB SF TH"),
    "substance-misuse": ("BW EN HE HW KB MC SC SF TH UK", "FD LH MS OX SB SP"),
    "carers": ("EN KB SC UK", "BW HW OX SB SF TH"),
    "digital-inclusion": ("KB TH UK", "EN MC SC SF"),
}


class Told(NamedTuple):
    """A service written by hand; `wards` are keys or `ALL`, `sites` the wards it is delivered in."""

    name: str
    organisation: str
    needs: str
    wards: str
    sites: str = ""
    ages: tuple[int | None, int | None] = (None, None)
    capacity: int | None = None
    valid_from: str = ""
    valid_to: str = ""
    status: str = "active"
    description: str = ""


SERVICES = [
    # One provider for everybody, and in the docks for recovery too: its exit hurts most.
    Told("Harbourlight Refuge and Helpline", "harbour", "domestic-abuse", ALL, "OT SB", (16, None), 640,
         "2011-04-01",
         description="Refuge places, outreach and a helpline for the whole borough."),
    Told("Harbourlight Recovery Outreach", "harbour", "substance-misuse", "FD SB MS OT RW", "FD SB MS", (18,
         None), 310,
         "2018-04-01", "2028-03-31",
         description="Street outreach and recovery groups along the docks and the front."),
    Told("Harbourlight Housing Rights", "harbour", "housing-advice", "OT FD SB", "OT", (16, None), 220,
         "2020-10-01"),
    # A group that is three names in the same wards.
    Told("Kelder Valley Recovery Hub", "recovery", "substance-misuse", "OT RW NG GW SP LH OX", "NG OX", (18,
         None), 720,
         "2022-04-01", "2029-03-31"),
    Told("Northbank Prescribing Clinic", "clinics", "substance-misuse", "NG GW", "GW", (18, None), 180,
         "2023-04-01",
         "2029-03-31"),
    Told("Havenbridge Home Care", "havenbridge", "adult-social-care", "OT FD NG RW GW LH SP OX MS MC SB EN",
         "NG",
         (18, None), 520, "2017-06-01"),
    Told("Sandpiper Care at Home", "sandpiper", "adult-social-care", "OT FD NG RW GW LH SP OX MS SC TH HE",
         "SP",
         (65, None), 410, "2019-06-01"),
    Told("Kittiwake Supported Living", "kittiwake", "adult-social-care", "MS MC SC TH OX GW FD HE HW", "MS",
         (18, None),
         190, "2016-09-01"),
    Told("Estuary Homecare", "carecoop", "adult-social-care", "SB EN HE HW SF BW UK KB", "SB HE", (18, None),
         260,
         "2014-04-01"),
    Told("Adult Social Care Front Door", "council", "adult-social-care", ALL, "OT HE", (18, None), 2600,
         "2013-04-01"),
    Told("Kelder Community Reablement", "community", "adult-social-care",
         "OT FD NG RW GW LH SP OX MS MC SC TH UK KB",
         "NG", (18, None), 480, "2016-10-01"),
    # Two services for the same people in the same wards, both half empty.
    Told("Steps into Work", "pathfold", "employment digital-inclusion", WORK_WARDS, "NG HE", (18, 66), 2400,
         "2024-07-01", "2027-06-30", description="Coaching, CVs and digital skills for adults out of work."),
    Told("Working Kelder", "council", "employment digital-inclusion", WORK_WARDS, "OT SB", (18, 66), 2200,
         "2023-04-01",
         description="Job coaching, CVs and digital skills for adults out of work."),
    Told("College Outreach: Ready for Work", "college", "employment", "UK SF EN", "SF", (16, None), 150,
         "2022-09-01"),
    # Mental health stops at 15 and starts again at 18.
    Told("Community Mental Health Team", "nhs", "mental-health", ALL, "NG HE MS", (18, None), 4200,
         "2012-04-01"),
    Told("Children's Emotional Wellbeing Service", "nhs", "mental-health", ALL, "LH HE", (5, 15), 1500,
         "2018-09-01"),
    Told("Stillwater Talking Therapies", "stillwater", "mental-health", "OT FD NG RW GW MS HE SB", "OT HE",
         (18, None),
         460, "2009-01-01"),
    Told("St Ebba's Bereavement Support", "hospice", "mental-health", "LH SP MC MS SC OT OX", "LH", (18,
         None), 140,
         "2010-05-01"),
    Told("Keldermouth Advice Centre: Money and Debt", "advice", "debt-advice", ALL, "OT HE", (16, None), 3100,
         "1996-01-01"),
    Told("Advice Centre: Housing Casework", "advice", "housing-advice", "NG RW GW OX MS", "OT", (16, None),
         420,
         "2008-04-01"),
    Told("Two Banks Money Coaching", "creditunion", "debt-advice", "OT FD NG RW GW SB OX", "RW SB", (18,
         None), 520,
         "2015-02-01"),
    Told("Housing Options", "council", "housing-advice", ALL, "OT", (16, None), 3400, "2013-04-01"),
    Told("Fishergate Tenancy Support", "fishergate", "housing-advice debt-advice", "OT FD NG RW GW OX SP LH",
         "FD",
         (16, None), 560, "2014-04-01"),
    Told("Kelder and Wolds Tenancy Support", "wolds", "housing-advice", "MS SB EN HE HW LH", "HE", (16, None),
         300,
         "2016-04-01"),
    Told("Wolds Money Matters", "wolds", "debt-advice", "HE MS LH SP", "HE", (18, None), 160, "2018-04-01"),
    Told("Tideway Larder Food Bank", "larder", "food", "OT FD NG RW GW MS SB SC", "OT FD MS SB", (None, None),
         3600,
         "2013-11-01"),
    Told("Saltings Community Fridge", "leisure", "food", "LH SP HE HW BW MC MS", "SP HE", (None, None), 900,
         "2021-03-01"),
    Told("Oxmarsh Pantry", "Oxmarsh Community Pantry", "food", "OX", "OX", (None, None), 380, "2020-05-01"),
    Told("Ketterby Village Larder", "Ketterby Village Trust", "food", "KB", "KB", (None, None), 60,
         "2021-01-01"),
    Told("Ketterby Youth Night", "Ketterby Village Trust", "youth-work", "KB", "KB", (11, 17), 40,
         "2019-09-01"),
    Told("Marram Youth Trust: Out and About", "marramyouth", "youth-work", "MS SC TH SP", "MS", (11, 18), 420,
         "2017-01-01", "2027-12-31"),
    Told("Holme Young People's Project", "Holme Young People's Project", "youth-work", "HE HW SF", "HE", (11,
         19), 340,
         "2012-09-01"),
    Told("Ness Point Youth Sessions", "leisure", "youth-work", "EN SB", "EN", (8, 17), 120, "2022-05-01"),
    Told("Saltings Street Games", "leisure", "youth-work", "OT FD NG RW GW LH SP", "NG", (8, 17), 600,
         "2019-05-01"),
    # The last family hub on the south bank runs out in the spring.
    Told("Southbank Family Hub", "council", "early-years", "SB", "SB", (0, 5), 460, "2022-04-01",
         "2027-03-31",
         description="The only early years provision of the ward; the grant ends in March 2027."),
    Told("Town Family Hub", "council", "early-years", "OT FD NG RW GW", "NG", (0, 5), 1300, "2022-04-01"),
    Told("Marram Family Hub", "council", "early-years", "MS MC SC SP LH", "MS", (0, 5), 700, "2022-04-01"),
    Told("Holme Family Hub", "council", "early-years", "HE HW BW", "HE", (0, 5), 520, "2022-04-01"),
    Told("Lanthorn Nursery at Oxmarsh", "academies", "early-years", "OX", "OX", (2, 4), 210, "2018-09-01"),
    Told("Thornwold Forest School", "Thornwold Forest School", "early-years", "TH", "TH", (2, 5), 64,
         "2016-09-01"),
    Told("Ketterby Pre-school", "Ketterby Pre-school", "early-years", "KB", "KB", (2, 4), 38, "2004-09-01"),
    Told("Fenside Pre-school", "Fenside Pre-school", "early-years", "SF", "SF", (2, 4), 44, "2007-09-01"),
    Told("Kelder Carers' Centre", "carers", "carers", "OT FD NG RW GW LH SP OX MS MC TH SB HE HW SF BW",
         "OT HE",
         (18, None), 1900, "2001-04-01"),
    Told("Young Carers in Town", "moorings", "carers", "OT FD NG RW GW", "RW", (8, 17), 150, "2016-04-01"),
    Told("Admiral Dementia Carers", "nhs", "carers", "LH SP MS MC HE", "LH", (18, None), 240, "2019-04-01"),
    Told("Moorings Supported Lodgings Advice", "moorings", "housing-advice", "RW OX SP", "RW", (16, 25), 120,
         "2015-04-01"),
    Told("Open Shelf: Get Online", "openshelf", "digital-inclusion", "OT NG GW MS HE SC SF EN MC",
         "OT NG GW MS HE SC",
         (None, None), 1400, "2019-04-01"),
    # Provision that has gone: it explains the gaps of today and must not count.
    Told("Oxmarsh Youth Club", "leisure", "youth-work", "OX", "OX", (11, 18), 180, "2009-09-01", "2025-08-31",
         description="Closed when the hall's lease ended."),
    Told("Upper Kelder Mobile Pantry", "larder", "food", "UK TH", "", (None, None), 140, "2021-04-01",
         "2026-03-31"),
    Told("Thornwold Rural Jobs Bus", "college", "employment", "TH KB SC MC", "", (16, None), 90, "2020-09-01",
         "",
         "defunct"),
    Told("Eastness Children's Centre", "council", "early-years", "EN", "EN", (0, 5), 150, "2008-04-01",
         "2024-12-31",
         "inactive"),
]  # fmt: skip

# (need, number of neighbourhood services beside those above)
FILL = {
    "adult-social-care": 57,
    "early-years": 34,
    "food": 26,
    "youth-work": 20,
    "mental-health": 19,
    "digital-inclusion": 18,
    "carers": 14,
    "debt-advice": 10,
    "housing-advice": 3,
}
