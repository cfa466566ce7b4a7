import doctest

import pytest
from hedgerow_cli import settings, sources, tables
from hedgerow_cli.tables import computed_lines, figure, named, people
from hedgerow_cli.terminal import plain


@pytest.mark.parametrize("module", [settings, sources, tables])
def test_the_examples_in_the_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(("count", "said"), [(0, "0"), (1234567, "1,234,567"), (0.4, "0"), (None, "–")])
def test_people_have_thousands_separators(count: float | None, said: str) -> None:
    assert people(count) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0, "0"), (-3.0, "-3"), (0.12345, "0.1235"), (99.96, "99.96"), ("n/a", "n/a")],
)
def test_values_are_short(value: float | str | None, said: str) -> None:
    assert figure(value) == said


def test_a_name_stands_beside_its_code_and_cannot_write_on_the_terminal() -> None:
    assert named("Food", "h:food") == "Food [dim](h:food)[/]"
    assert named(None, "h:food") == named("h:food", "h:food") == "h:food"
    assert plain("[red]a\x1b[2Jb\nc") == "\\[red]a [2Jb c"


def test_what_an_answer_rests_on_is_said_in_plain_words() -> None:
    computed = {
        "at": "2026-11-22",
        "rule": "default",
        "rules_used": {"declared": 1200, "sited": 12},
        "thresholds": {"level": "ward", "count": "owners", "index": "deprivation", "single_depth": 1},
        "registry_seq": 512,
        "caveats": ["In 3 of 9 cells people are derived."],
    }
    assert computed_lines(computed) == [
        "As of 2026-11-22, by ward, counting owners, areas as services declare them, else by their sites"
        " (1,200 declared, 12 sited), residents weighted by deprivation,"
        " a depth of 1 is single, of more an overlap, registry state 512.",
        "Note: In 3 of 9 cells people are derived.",
    ]
    within = {
        "at": "2026-11-22",
        "rule": "within:2",
        "rules_used": {"within": 7},
        "thresholds": {"new_one": 0.5},
    }
    assert computed_lines(within) == ["As of 2026-11-22, rule within:2, new one 0.5."]
