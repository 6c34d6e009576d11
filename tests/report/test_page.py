"""The page is whole, self-contained, and shows whatever it is given as text."""

import re
from html.parser import HTMLParser

import pytest
from pytest_robustness.report.html.page import render

from tests.report.examples import HOSTILE, gallery, report, suite

VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """Elements, attributes and texts; every element must be closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts, self.ids = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def attributes(self, name):
        return [attributes[name] for _, attributes in self.elements if name in attributes]


@pytest.fixture(scope="module")
def regressed(zoo):
    worse = {"vgg11/fgsm": 0.4, "vgg13/pgd": 0.4}
    return report(zoo, worse, galleries=[gallery("vgg11/fgsm"), gallery("vgg19/cw")], failures=["vgg: +3 pp"])


@pytest.fixture(scope="module")
def page(regressed):
    return Page(render(regressed))


def test_it_is_one_file(page):
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "iframe", "object", "base"})
    for address in (*page.attributes("href"), *page.attributes("src")):
        assert address.startswith(("#", "data:image/png;base64,"))
    assert not [name for name in page.attributes("style") if "url(" in name]
    (policy,) = (value for value in page.attributes("content") if "default-src" in value)
    assert policy.startswith("default-src 'none'")


def test_its_links_and_labels_lead_somewhere(page):
    assert len(page.ids) == len(set(page.ids))
    for address in page.attributes("href"):
        assert not address.startswith("#") or address[1:] in page.ids
    for labels in page.attributes("aria-labelledby"):
        assert set(labels.split()) <= set(page.ids)


def test_every_chart_has_a_text_alternative_and_every_picture_too(page):
    for tag, attributes in page.elements:
        if tag == "svg":
            assert attributes.get("aria-labelledby") or attributes.get("aria-label")
            assert attributes["role"] == "img"
        if tag == "img":
            assert attributes["alt"]


def test_what_a_reader_needs_is_there(page, regressed):
    assert regressed.sentence in page.text
    for metric in ("success rate", "noise rate", "effort", "time", "clean accuracy"):
        assert metric in page.text
    for model in regressed.models:
        assert page.text.count(model.name) > 8
    for section in ("failed", "grid", "families", "variants", "gallery", "models", "protocol", "reproduce"):
        assert section in page.ids
    assert "vgg: +3 pp" in page.text
    assert "perturbation \N{MULTIPLICATION SIGN} 50" in page.text
    assert 'pytest "robustness_tests/test_robustness.py::test_robustness[vgg11/fgsm]"' in page.text


def test_failures_come_first_the_largest_before_the_others(page):
    text = page.text
    assert text.index("vgg11 under fgsm") < text.index("vgg13 under pgd") < text.rindex("Withstands")


def test_a_figure_has_its_numbers_as_a_table(regressed, page):
    case = regressed.cases[0]
    low, high = case.success_rate.interval
    assert f"{case.success_rate.value:.1%} [{low:.1%}, {high:.1%}]" in page.text


def test_it_is_small(regressed):
    many = [gallery(case.case, png="A" * 4000) for case in regressed.cases]  # of 3 kB a picture, as the zoo's are
    assert len(render(regressed.model_copy(update={"galleries": many}))) < 6_000_000


@pytest.mark.parametrize("what", [{"only": []}, {"only": ["vgg11/pgd"]}, {"troubles": {"vgg11/pgd": "crashed"}}])
def test_it_is_whole_whatever_was_run(small, what):
    found = report(small, **what)
    page = Page(render(found))
    assert found.sentence in page.text
    assert ("grid" in page.ids) == bool(found.cases)
    assert ("failed" in page.ids) == (not found.passed)
    for address in page.attributes("href"):
        assert not address.startswith("#") or address[1:] in page.ids


def test_hostile_text_is_text(tmp_path):
    family = {"x" * 100: ["m" * 100, f"{'m' * 97}_bn"]}
    found = report(
        suite(tmp_path, family, group=HOSTILE[:100]),
        {f"{'m' * 100}/fgsm": 0.4},
        title=HOSTILE,
        command=HOSTILE,
        failures=[HOSTILE],
        notes=[HOSTILE],
        troubles={f"{'m' * 100}/cw": "error"},
        problems={f"{'m' * 100}/cw": HOSTILE},
        galleries=[gallery(f"{'m' * 100}/fgsm", label=HOSTILE)],
    )
    text = render(found)
    page = Page(text)
    assert "<script" not in text.lower()
    assert "\x1b" not in text
    assert page.text.count("<script>alert(1)</script> \"quoted\" | 'single'") >= 7
    assert {tag for tag, _ in page.elements if tag not in ("title", "text")} < set(
        re.findall(r"<(\w+)", render(report(suite(tmp_path), galleries=[gallery("vgg11/fgsm")])))
    ) | {"article", "b", "h4"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_no_paper_is_spoken_of_where_nothing_was_published(page, regressed):
    assert not regressed.published
    assert "Figures 2 to 5" not in page.text
    assert "the paper" not in page.text.lower()


def test_published_values_are_marked_as_such(small):
    data = report(small).model_dump(by_alias=True)
    data["published"] = [
        {"of": "vgg11", "attack": "fgsm", "metric": "success rate", "value": 0.5, "source": "somebody"},
        {"of": "vgg11", "attack": "mean", "metric": "success rate", "value": 0.7333, "source": "somebody"},
    ]
    data["models"][0] |= {"parameters": 132863336, "layers": 11, "activation": "ReLU", "top_5": {"value": 0.8875}}
    page = Page(render(type(report(small)).model_validate(data, strict=False)))
    assert "published, not measured here" in page.text
    assert "published: 50.0%" in page.text
    assert "0.7333 (success rate, somebody)" in page.text
    assert "132,863,336" in page.text
    assert "88.8%" in page.text
