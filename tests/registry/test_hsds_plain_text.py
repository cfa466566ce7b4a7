import time

import pytest
from hedgerow_registry.domain.plain_text import plain_text
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<ul><li>tea</li><li><p>cake</p></li></ul>", "- tea\n- cake"),
        ("<p>Ring&nbsp;us &amp; ask</p>", "Ring us & ask"),
        ('<a href="https://a.example/x">our page</a>', "our page (https://a.example/x)"),
        ('<a href="https://a.example/">a.example</a>', "a.example"),
        ('<a href="mailto:info@a.example">info@a.example</a>', "info@a.example"),
        ('<a href="mailto:info@a.example">Write</a> soon', "Write (info@a.example) soon"),
        ('<a href="javascript:alert(1)">Go</a>', "Go"),
        ('<img src="https://a.example/map.png" alt="Map">', "Map (https://a.example/map.png)"),
        (
            "<table><tr><th>Day</th><th>Time</th></tr><tr><td>Mon</td><td>9</td></tr></table>",
            "Day | Time\nMon | 9",
        ),
        ("<script>alert(1)</script><style>p{}</style>Text", "Text"),
        ("&lt;p&gt;encoded twice&lt;/p&gt;", "encoded twice"),
        ("&amp;amp;pound;5", "£5"),
        ("Parents>Grandparents", "Parents>Grandparents"),
        ("ages <5 and >3", "ages <5 and >3"),
        ("AT&T &copy=1", "AT&T &copy=1"),
        ("<wow> what", "<wow> what"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("  lines  \n\n\n\n end ", "lines\n\nend"),
        ("<p><br></p>", ""),
    ],
)
def test_markup_becomes_text(sent: str, text: str) -> None:
    assert plain_text(sent).text == text


def test_an_embedded_image_is_dropped_and_its_size_told() -> None:
    image = "data:image/png;base64," + "iVBORw0KGgo" * 100

    plain = plain_text(f'<p>Before<img src="{image}" data-cke-saved-src="{image}">after</p>')

    assert plain.text == "Before after"
    assert plain.embedded == (len(image), len(image))


def test_an_image_that_is_not_base64_is_dropped_too() -> None:
    plain = plain_text('<img src="data:image/svg+xml;utf8,%3Csvg/%3E" alt="Logo">')

    assert plain.text == "Logo"
    assert len(plain.embedded) == 1


def test_words_after_embedded_bytes_stay() -> None:
    assert plain_text("see data:image/gif;base64,R0lGODlhAQAB for more").text == "see for more"


def test_control_characters_and_lone_surrogates_go_and_are_counted() -> None:
    assert plain_text("a\x00b\ud800c\x1b") == ("abc", False, (), 3)


@pytest.mark.parametrize(
    "hostile",
    [
        "<div>" * 19_999 + "x",
        "<div" * 100_000 + ">",
        "<b><p>" * 9_999,
        "&" + "amp;" * 50_000,
        "&amp;" * 50_000,
        "data:a/b;base64," * 20_000,
        "data:" * 100_000 + "base64,",
        "<a href=" * 30_000,
    ],
    ids=lambda text: text[:12],
)
def test_hostile_text_is_done_with_quickly_and_for_good(hostile: str) -> None:
    started = time.perf_counter()

    text = plain_text(hostile).text

    assert time.perf_counter() - started < 10
    assert plain_text(text).text == text


pieces = st.sampled_from(
    ["<p>", "</p>", "<br>", "<li>", "&amp;", "&lt;", "&gt;", "amp;", "lt;", "p&gt;", "<a href='",
    "https://a.example",
     "'>", "</a>", "data:image/png;base64,", "AAAA", "<!--", "-->", "\n", " ", "\x00", "\ud800",
     "&#0;", "&#55296;",
     "<td>", "é", ">", "<", "&", ";", "x"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.one_of(st.text(max_size=80), st.lists(pieces, max_size=25).map("".join)))
def test_plain_text_is_a_fixed_point(sent: str) -> None:
    once = plain_text(sent)

    assert plain_text(once.text).text == once.text
    assert not plain_text(once.text).embedded
    once.text.encode()
    assert "\x00" not in once.text
