"""What people need help with: the house taxonomy, and the local directory's categories crosswalked to it."""

TAXONOMY = "hedgerow"
DIRECTORY = "kelder-directory"

NEEDS = [
    ("food", "Food"),
    ("debt-advice", "Debt and money advice"),
    ("housing-advice", "Housing advice"),
    ("mental-health", "Mental health"),
    ("adult-social-care", "Adult social care"),
    ("domestic-abuse", "Domestic abuse support"),
    ("employment", "Employment support"),
    ("youth-work", "Youth work"),
    ("early-years", "Early years"),
    ("substance-misuse", "Drug and alcohol recovery"),
    ("carers", "Support for carers"),
    ("digital-inclusion", "Digital inclusion"),
]
DIRECTORY_TERMS = [
    ("talking-therapy", "Someone to talk to"),
    ("meals-and-parcels", "Meals and parcels"),
    ("getting-online", "Getting online"),
    ("looking-after-someone", "Looking after someone"),
]
# SKOS sense: `broader` = the second term is the broader one, so a service under the first addresses it.
CROSSWALK = [
    ("talking-therapy", "mental-health", "broader"),
    ("meals-and-parcels", "food", "exact"),
    ("getting-online", "digital-inclusion", "exact"),
    ("looking-after-someone", "carers", "exact"),
    ("looking-after-someone", "adult-social-care", "related"),
]
# How the voluntary sector's directory files a service; everyone else uses the house taxonomy.
IN_DIRECTORY = {
    "mental-health": "talking-therapy",
    "food": "meals-and-parcels",
    "digital-inclusion": "getting-online",
    "carers": "looking-after-someone",
}
