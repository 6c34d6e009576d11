"""The comment for a pull request is short, and shows whatever it is given as text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.report.markdown import escaped, markdown
from pytest_robustness.report.text import columns, printable

from tests.gate.strategies import modest
from tests.report.examples import HOSTILE, report


def rows(text):
    """The cells of each row of each table, headers too."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_it_opens_with_the_verdict_and_what_failed(small):
    found = report(small, {"vgg11/fgsm": 0.4}, failures=["vgg11 under 3 attacks: success rate +5 pp"])
    text = markdown(found)
    lines = text.splitlines()
    assert lines[0] == "### ❌ Robustness of zoo"
    assert lines[2] == f"**{escaped(found.sentence)}**"
    failed = rows(text)[2]
    assert failed[:3] == ["vgg11", "fgsm", "regressed"]
    assert "success rate +" in failed[4]
    assert "- vgg11 under 3 attacks: success rate +5 pp" in lines
    assert text.endswith("\n")


def test_a_passing_run_is_a_sentence_and_folds_the_rest(small):
    text = markdown(report(small))
    assert text.startswith("### ✅ Robustness of zoo\n\n**All 6 cases")
    assert "|" not in text[: text.index("<details>")]
    assert text.count("<details>") == text.count("</details>") == 2


def test_new_baselines_are_shown_beside_the_old(small):
    text = markdown(report(small, {"vgg11/fgsm": 0.4}, recording="all"))
    header, _, row, *_ = rows(text)
    assert header == ["case", "metric", "old -> new", ""]
    assert row[:2] == ["vgg11/fgsm", "success rate"]
    assert re.match(r"66.0% -&#62; \d\d.\d% \(\+", row[2])
    assert row[3] == "**worse**"
    assert "No value left its tolerance." in markdown(report(small, recording="all"))


def test_all_rows_have_as_many_cells(small):
    found = report(small, {"vgg11/fgsm": 0.4}, troubles={"vgg11/cw": "error"}, problems={"vgg11/cw": HOSTILE})
    assert {len(row) for row in rows(markdown(found))} == {8}


def test_a_thousand_failures_are_counted(zoo):
    found = report(zoo, only=["vgg11/fgsm"])
    (case,) = found.cases
    many = [case.model_copy(update={"failed": True, "word": "regressed"})] * 1000
    text = markdown(found.model_copy(update={"cases": many, "notes": ["n"] * 1000}))
    assert "and 940 more" in text
    assert "- and 970 more" in text
    assert len(text) < 40_000


@pytest.mark.parametrize("mark", ["<script>", "@team", "#12", "a|b", "`code`", "**bold**", "[x](y)", "![x](y)", "&lt;"])
def test_what_markdown_acts_upon_is_text(mark):
    text = re.sub(r"&#\d+;|\\[^\w\s]", "", escaped(mark))
    assert not re.search(r"[<>&|`*\[\]!]|@\w|#\d", text)


#: GitHub's autolinked references: mentions, issues, commits and addresses, as its pages describe them.
AUTOLINKED = re.compile(
    r"@[A-Za-z0-9]|#\d|\bGH-\d|https?://|ftp://|\bwww\.\S|[\w.]+@[\w.]+|\b[0-9a-f]{7,40}\b", re.IGNORECASE
)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "@octocat",
            "a@example.org",
            "#12",
            "owner/repo#7",
            "GH-1",
            "gh-22",
            "https://example.org/x",
            "www.example.org",
        ),
        *("ftp://x", "d7994feb", "a" * 40, "Net @team #3 http://a GH-5 deadbeefcafe"),
    ],
)
def test_no_name_becomes_a_mention_an_issue_a_commit_or_a_link(name):
    text = escaped(name)
    assert AUTOLINKED.search(name)
    assert not AUTOLINKED.search(text)
    assert text.replace("\u200d", "") == re.sub(r"([*_\[\]~!$|`\\{}])", r"\\\1", name)


def test_other_words_are_left_alone():
    for text in ("vgg11_bn/pgd", "40.0% (+2.5 pp", "p = 0.00012", "abc123", "a # b", "C#"):
        assert "\u200d" not in escaped(text)


@modest
@given(st.text(max_size=20))
def test_any_text_stays_in_its_line(text):
    assert len(escaped(text).splitlines()) <= 1


@modest
@given(st.text(st.characters(codec="ascii"), max_size=20))
def test_nothing_moves_the_cursor(text):
    assert printable(text).isprintable()


def test_scripts_keep_their_letters():
    for text in ("模型", "עברית", "नमस्ते", "épée", "क्\u200dष"):
        assert printable(text) == text
    assert printable("a\x1b[31mb\u202ec\nd") == r"a\x1b[31mb\u202ec d"


def test_wide_letters_take_two_columns():
    assert (columns("vgg"), columns("模型"), columns("e\u0301")) == (3, 4, 1)
