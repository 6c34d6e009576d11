"""The documentation: links lead somewhere, commands and tables are read, and what is generated is current."""

from __future__ import annotations

import argparse
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from pytest_robustness.cli import main
from pytest_robustness.evaluate.attacks.registry import resolve
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite

from benchmarks import pages as benchmark_pages
from tests.docs import ROOT, Page, pages
from tools import suite_reference

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCS = [page for page in pages() if page.path.parent.name == "docs"]
README = Page(ROOT / "README.md")


def by_name(page: Page) -> str:
    return str(page.path.relative_to(ROOT))


def where(page: Page, link: str) -> tuple[Path, str]:
    """The file of the repository and the anchor that a link names."""
    inside = re.sub(f"^{re.escape(PROJECT['urls']['Source'])}/(?:blob|tree|raw)/main/", "/", link)
    path, _, anchor = inside.partition("#")
    base = ROOT if path.startswith("/") else page.path.parent
    return (base / path.lstrip("/")).resolve() if path else page.path, anchor


def is_of_the_repository(link: str) -> bool:
    return link.startswith(f"{PROJECT['urls']['Source']}/") or "://" not in link


@pytest.mark.parametrize("page", pages(), ids=by_name)
def test_links_lead_to_files_and_headings(page: Page) -> None:
    for link in filter(is_of_the_repository, page.links()):
        path, anchor = where(page, link)
        assert path.exists(), link
        assert path.is_relative_to(ROOT), link
        assert not anchor or anchor in Page(path).anchors(), link


def test_links_of_the_readme_also_work_elsewhere() -> None:
    """On PyPI there is no repository around it."""
    links = list(README.links())
    assert len(links) > 10
    assert [link for link in links if not link.startswith("https://")] == []
    assert README.undefined() == []
    own = [link for link in links if "github.com" in link]
    assert [link for link in own if not link.startswith(PROJECT["urls"]["Source"])] == []


def test_addresses_of_the_project_agree() -> None:
    assert all(address.startswith("https://") for address in PROJECT["urls"].values())
    assert PROJECT["urls"]["Changelog"].startswith(PROJECT["urls"]["Source"])
    owner, name = PROJECT["urls"]["Source"].split("/")[-2:]
    assert PROJECT["urls"]["Documentation"] == f"https://{owner}.github.io/{name}/"


def commands() -> list[tuple[str, str]]:
    """Commands of the pages and of the jobs they show, which README's own test does not run."""
    found = []
    for page in DOCS:
        steps = [text for block in page.blocks("yaml") for text in _steps(yaml.safe_load(block))]
        found += [(by_name(page), one) for one in [*page.commands(), *steps]]
    return found


def _steps(job: object) -> list[str]:
    """The commands of a job of GitHub, GitLab or pre-commit."""
    if isinstance(job, list):
        return [line for one in job for line in ([one] if isinstance(one, str) else _steps(one))]
    if isinstance(job, dict):
        texts = [value for key, value in job.items() if key in ("run", "entry")]
        inner = [value for key, value in job.items() if key in ("jobs", "steps", "repos", "hooks", "script")]
        inner += [value for value in job.values() if isinstance(value, dict)]
        return [*texts, *(line for one in inner for line in _steps(one))]
    return []


def _options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


@pytest.fixture(scope="module")
def known_options(request: pytest.FixtureRequest) -> set[str]:
    """Every option that pytest has here, with this plugin's."""
    parser = request.config._parser
    options = [option for group in [parser._anonymous, *parser._groups] for option in group.options]
    return {name for option in options for name in option.names()}


def extras(requirement: str) -> list[str]:
    return re.findall(r"[\w-]+", requirement.partition("[")[2])


@pytest.mark.parametrize(("page", "command"), commands())
def test_a_command_is_understood(page: str, command: str, known_options: set[str]) -> None:
    words = [word for word in shlex.split(command) if "=" not in word or word.startswith("-") or ":" in word]
    match words:
        case ["pytest", *arguments]:
            given = {word for word in arguments if word.startswith("-")} - {"-"}
            short = {word for word in given if re.match(r"-[a-zA-Z]\w+$", word)}  # -rA
            unknown = {word for word in given - short if word not in {*known_options, "--robustness-csv"}}
            assert unknown == set()
        case ["python", "-m", "pytest_robustness", *arguments]:
            if arguments:
                own, _ = main._split(arguments)
                main._parser().parse_args(own)
        case ["python", "-m", module, *_]:
            assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()
        case ["python", script, *_]:
            assert (ROOT / script).is_file()
        case ["pip", "install", *requirements]:
            own = [one for one in requirements if one.startswith("pytest-robustness")]
            assert all(extra in PROJECT["optional-dependencies"] for one in own for extra in extras(one))
        case _:
            assert words[0] in ("git", "nox"), command


def test_tables_of_a_suite_are_read(tmp_path: Path) -> None:
    """Those that show keys only; the quick start's suites run, and test_readme.py reads those of models.md."""
    read = 0
    for page in DOCS:
        if page.path.name in ("quickstart.md", "models.md", "extending.md", "imagenet.md"):
            continue
        for text in page.blocks("toml"):
            tables = tomllib.loads(text)
            if tables.keys() & {"tool", "project"}:
                continue
            whole = text
            whole += "" if "images" in tables else '\n[images]\nfolder = "photographs"\n'
            whole += "" if "models" in tables else '\n[models.mine]\nsource = "shop.models:build"\n'
            if "attacks" not in tables:
                whole += '\n[attacks.pgd]\nattack = "PGD"\neps = 0.01\nalpha = 0.0025\n'
                whole += '[attacks.apgd]\nattack = "APGD"\neps = 0.01\n'
            (tmp_path / "robustness.toml").write_text(whole)
            suite = load_suite(tmp_path / "robustness.toml", files=False)
            for case in suite.cases():
                if case.ensemble is None and ":" not in case.attack.attack:
                    resolve(case)  # it also knows the parameters
            read += 1
    assert read >= 8


def test_the_page_of_the_suite_has_every_key() -> None:
    text = Page(ROOT / "docs" / "suite.md").text
    for name, table in suite_reference.tables().items():
        assert f"<!-- {name} -->\n{table}\n{benchmark_pages.END}" in text, "run python -m tools.suite_reference"
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.*) \| (.*) \|$", text, re.MULTILINE)
    keys = [key for model in every_table(Suite) for key, field in model.model_fields.items() if not field.exclude]
    assert sorted(key for key, *_ in rows) == sorted(keys)
    assert [key for key, meaning, kind, _ in rows if not kind.strip() or not meaning.strip()] == []


def every_table(model: type[BaseModel]) -> set[type[BaseModel]]:
    """A table and all that lie in it."""
    found = {model}
    for field in model.model_fields.values():
        for inner in _models(field.annotation):
            found |= every_table(inner)
    return found


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    arguments = [*getattr(annotation, "__args__", ()), *getattr(annotation, "__metadata__", ())]
    return [model for one in arguments for model in _models(one)]


def test_figures_are_those_of_the_statistics() -> None:
    """choosing.md repeats some of two tables that a benchmark writes."""
    statistics, choosing = (Page(ROOT / "docs" / name) for name in ("statistics.md", "choosing.md"))
    smallest = [row for row in _rows(statistics, "How small a change is caught") if row[0].replace(",", "").isdigit()]
    expected = []
    for images in ("100", "300", "1,000", "5,000"):
        by_change = {row[1]: (row[2].strip("*"), row[5]) for row in smallest if row[0] == images}
        expected.append([images, *by_change["10%"], *by_change["30%"]])
    assert _rows(choosing, "How many images")[2:] == expected
    collapses = [[row[1], row[6]] for row in _rows(statistics, "What slices see") if row[0] == "3"]
    assert _rows(choosing, "Single classes, cameras, sites")[2:] == collapses


def _rows(page: Page, section: str) -> list[list[str]]:
    lines = [line for line in page.sections()[section].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_word_of_a_verdict_is_explained() -> None:
    from pytest_robustness.records.verdict import Status

    text = Page(ROOT / "docs" / "failed.md").text
    assert [status for status in Status if f"`{status}`" not in text] == []
