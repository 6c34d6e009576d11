"""The comment for a pull request is short, and shows whatever it is given as text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.records.diagnosis import Diagnosis
from pytest_robustness.report.data import Report
from pytest_robustness.report.markdown import ROOM, escaped, item, markdown
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


#: What begins a block in CommonMark 0.31, sections 4.1 to 4.4 and 5.2, of what is left of an escaped text.
BLOCK = re.compile(r"\s|#{1,6}(\s|$)|[-+](\s|$)|-{3,}|\d{1,9}[.)](\s|$)")


@pytest.mark.parametrize("mark", ["# h", "###### h", "---", "- a", "+ a", "* a", "1. a", "12) a", "    code", "#", "-"])
def test_no_item_of_a_list_begins_another_block(small, mark):
    assert BLOCK.match(mark) or mark[0] == "*"
    made = report(small, {"vgg11/fgsm": 0.4})
    text = markdown(made.model_copy(update={"failures": [mark], "notes": [mark]}))
    shown = [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")]
    assert len(shown) >= 2
    assert not any(BLOCK.match(one) for one in shown)
    plain = mark.strip()
    assert sum(re.sub(r"\\(\W)", r"\1", one) == plain for one in shown) == 2


@pytest.mark.parametrize("said", ["C# is no heading", "3 of 4", "1.5 pp", "a - b", "2024"])
def test_other_beginnings_are_left_alone(said):
    assert item(said) == f"- {said}"


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


def huge(base: Report, models: int, attacks: int, width: int) -> Report:
    """Every case failed and is diagnosed, in a suite of so many models and attacks with names that long."""
    (case,) = base.cases
    one = Diagnosis(
        case="",
        rule="other",
        pattern="p" * width,
        of_model=["f" * width],
        facts=["f" * width] * 4,
        causes=["c" * width] * 3,
    )
    cases = []
    for i in range(models):
        for j in range(attacks):
            model, attack = (f"{kind}{number:04}" + "_&" * (width // 2) for kind, number in (("m", i), ("a", j)))
            name = f"{model}/{attack}"
            told = one.model_copy(update={"case": name})
            more = {"case": name, "model": model, "attack": attack, "failed": True, "reason": name, "diagnosis": told}
            cases.append(case.model_copy(update=more))
    texts = [f"{one.case}: {'&' * width}" for one in cases]
    more = {"cases": cases, "notes": texts, "failures": texts, "title": "t&" * width, "sentence": "s&" * width}
    return base.model_copy(update=more)


@pytest.fixture(scope="module")
def regressed(zoo):
    return report(zoo, {"vgg11/fgsm": 0.4}, only=["vgg11/fgsm"])


@pytest.mark.parametrize("recording", ["none", "all"])
def test_it_stays_below_githubs_limit_whatever_the_suite(regressed, recording):
    found = huge(regressed, 200, 20, 100).model_copy(update={"recording": recording})
    text = markdown(found)
    assert len(text) <= ROOM < 65_536
    assert text.count("<details>") == text.count("</details>")
    assert text.splitlines()[0].startswith("### ❌ Robustness of t&#38;t&#38;")
    assert "**s&#38;s" in text
    assert text.endswith("</sub>\n")
    assert "cut, as GitHub takes 65,536 characters" in text
    first = found.cases[0]
    assert escaped(first.model) in text
    hidden = [int(count) for count in re.findall(r"^(?:- )?and (\d+) more", text, re.MULTILINE)]
    assert sum(count > 3900 for count in hidden) >= 4


@modest
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 400), st.integers(2_000, 20_000))
def test_rows_are_cut_from_the_end_and_counted(regressed, models, attacks, width, room):
    found = huge(regressed, models, attacks, width)
    whole = markdown(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pytest_robustness.report.markdown.ROOM", room)
        text = markdown(found)
    heading = len("\n".join(text.splitlines()[:3])) + 400
    assert len(text) <= max(room, heading)
    assert text.count("<details>") == text.count("</details>")
    if len(whole) <= room // 8:
        assert text == whole
    rows = [line for line in text.splitlines() if line.startswith("| m")]
    assert set(rows) <= {line for line in whole.splitlines() if line.startswith("| m")}


def test_a_diagnosis_is_told_in_short_and_folded_whole(small):
    base = report(small, {"vgg11/fgsm": 0.4, "vgg11/pgd": 0.4})
    one = Diagnosis(
        case="vgg11/fgsm",
        rule="r",
        pattern="the pattern",
        of_model=["Of it."],
        facts=["Fact *x*."],
        causes=["a: try b", "c", "d"],
    )
    cases = [
        case.model_copy(update={"diagnosis": one.model_copy(update={"case": case.case})})
        if case.model == "vgg11"
        else case
        for case in base.cases
    ]
    text = markdown(base.model_copy(update={"cases": cases}))
    assert "- vgg11 (fgsm, pgd, cw): the pattern. Usually: a: try b; c; d\n" in text
    assert "<summary>Diagnosis of 3 cases</summary>" in text
    assert "- **vgg11 under fgsm, pgd, cw**: the pattern. Of it. Usually: a: try b; c; d.\n" in text
    assert "\n  - pgd: Fact \\*x\\*.\n" in text
    assert "What it looks like" not in markdown(base)
