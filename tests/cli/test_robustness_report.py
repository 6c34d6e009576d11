"""--robustness-report, -json, -markdown: written from the run that was judged, or refused before it."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from pytest_robustness.cli.main import main
from pytest_robustness.plugin.outputs import OutputOptions
from pytest_robustness.report.data import Report

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
ALL = ("--robustness-report", "page.html", "--robustness-json", "run.json", "--robustness-markdown", "comment.md")


def report(project, name="run.json"):
    return Report.from_json((project.path / name).read_text())


def test_a_regression_is_on_the_page_in_the_data_and_in_the_comment(recorded, monkeypatch):
    summary = recorded.path / "summary.md"
    summary.write_text("# before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    recorded.behave(small_fgsm="weak", large_pgd="broken")
    result = recorded.run(*ALL, "--junitxml", "junit.xml")
    assert result.ret == FAILED
    for name in ("page.html", "run.json", "comment.md"):
        result.stdout.fnmatch_lines([f"written: {name}"])
    found = report(recorded)
    assert [case.word for case in found.cases] == ["regressed", "same", "same", "error"]
    assert found.sentence.startswith("Robustness regressed: small is easier to attack than before, under fgsm;")
    assert "this factory is broken" in found.cases[3].reason
    assert found.cases[0].test == "test_robustness.py::test_robustness[small/fgsm]"
    assert found.provenance.rerun == "pytest test_robustness.py"
    page = (recorded.path / "page.html").read_text()
    assert found.sentence in page
    diagnosis = found.cases[0].diagnosis
    result.stdout.fnmatch_lines([f"diagnosis: small (fgsm): {diagnosis.pattern}. Usually: *"])
    assert found.cases[1].diagnosis is None
    assert all(text in page for text in (*diagnosis.causes, "images that could be are lost"))
    pictures = {picture.why for gallery in found.galleries for picture in gallery.pictures}
    assert "lost" in pictures
    assert [model.worst_case is None for model in found.models] == [False, True]  # of the other a case is missing
    comment = (recorded.path / "comment.md").read_text()
    assert f"**{found.sentence}**" in comment
    assert summary.read_text() == "# before\n" + comment

    # the gallery of the regressed case, and of no other
    (gallery,) = found.galleries
    assert gallery.case == "small/fgsm"
    measured = recorded.measurement("small/fgsm").images.count
    assert 0 < len(gallery.pictures) <= 6 < measured
    assert page.count("data:image/png;base64,") == 3 * len(gallery.pictures) + 1  # and the icon

    # JUnit has the values
    cases = {case.get("name"): case for case in ElementTree.parse(recorded.path / "junit.xml").iter("testcase")}
    properties = {one.get("name"): one.get("value") for one in cases["test_robustness[small/fgsm]"].iter("property")}
    assert properties["robustness_verdict"] == "regressed"
    assert float(properties["robustness_success_rate"]) == pytest.approx(found.cases[0].success_rate.value)
    assert "robustness_verdict" not in ElementTree.tostring(cases["test_robustness[large/pgd]"]).decode()


def test_without_the_options_nothing_is_written_and_nothing_kept(recorded, monkeypatch):
    def none(*_, **__):
        raise AssertionError("nobody asked for it")

    monkeypatch.setattr("pytest_robustness.execute.measuring.attack_again", none)
    monkeypatch.setattr("pytest_robustness.report.build.build", none)
    before = {path.name for path in recorded.path.iterdir()}
    recorded.behave(small_fgsm="weak")
    result = recorded.run("-k", "small and fgsm", "-p", "no:cacheprovider", "-p", "no:benchmark")
    assert result.ret == FAILED
    result.stdout.no_fnmatch_line("*nobody asked*")
    assert {path.name for path in recorded.path.iterdir()} - before == {"behaviour.json", "executed.txt"}


def test_workers_send_what_the_controller_writes(recorded, monkeypatch):
    summary = recorded.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    recorded.behave(small_fgsm="weak", large_pgd="dies")
    command = [sys.executable, "-m", "pytest", "-n", "2", *ALL, "--robustness-gallery", "large/fgsm"]
    subprocess.run(command, cwd=recorded.path, capture_output=True, check=False)
    found = report(recorded)
    assert {case.case: case.word for case in found.cases} == {
        "small/fgsm": "regressed",
        "small/pgd": "same",
        "large/fgsm": "same",
        "large/pgd": "crashed",
    }
    assert [gallery.case for gallery in found.galleries] == ["small/fgsm", "large/fgsm"]
    assert summary.read_text() == (recorded.path / "comment.md").read_text()  # once, by the controller


@pytest.mark.parametrize("pattern", ["large/fgsm", "large/*", "*/fgsm"])
def test_a_gallery_on_request(recorded, pattern):
    result = recorded.run("--robustness-json", "run.json", "--robustness-gallery", pattern, "-k", "large")
    assert result.ret == OK
    expected = {"large/fgsm": ["large/fgsm"], "large/*": ["large/fgsm", "large/pgd"], "*/fgsm": ["large/fgsm"]}[pattern]
    assert [gallery.case for gallery in report(recorded).galleries] == expected


def test_class_names_come_from_the_suite(recorded):
    recorded.edit("tiny.toml", 'file = "images.npz"', 'file = "images.npz"\nclasses = ["<b>", "a|b", "模型", "x"]')
    recorded.run(*ALL, "--robustness-gallery", "small/fgsm", "-k", "small and fgsm")
    (gallery,) = report(recorded).galleries
    assert {picture.label for picture in gallery.pictures} <= {"<b>", "a|b", "模型", "x"}


def test_an_empty_run_leaves_an_empty_report(recorded, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(recorded.path / "summary.md"))
    result = recorded.run(*ALL, "-k", "nonesuch")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert report(recorded).sentence == "No case was run."
    assert "No case was run." in (recorded.path / "page.html").read_text()
    assert not (recorded.path / "summary.md").exists()


def test_recording_is_reported_as_recording(project):
    assert project.run("--update-baselines", "--robustness-json", "run.json", "-k", "small and fgsm").ret == OK
    found = report(project)
    assert found.sentence == "Recorded, not judged: 1 case of tiny measured."
    assert found.passed


def test_a_run_that_was_cut_short_says_so(recorded):
    recorded.behave(small_fgsm="weak")
    recorded.run("--robustness-json", "run.json", "-x")
    found = report(recorded)
    assert found.sentence.endswith("; the run was cut short.")
    assert len(found.cases) == 1


MISTAKES = {
    "folder": (("--robustness-report", "none/page.html"), "--robustness-report: no folder "),
    "file": (("--robustness-json", "."), "is no regular file"),
    "same": (("--robustness-json", "x", "--robustness-markdown", "x"), "give each its own file"),
    "case": (("--robustness-json", "x", "--robustness-gallery", "small/cw"), "no case 'small/cw' in "),
    "gallery alone": (("--robustness-gallery", "small/pgd"), "pictures need --robustness-report or --robustness-json"),
    "suite": (("--robustness-json", "x", "-o", "robustness_suite="), "no suite to report on"),
    "the same by another way": (
        ("--robustness-json", "x", "--robustness-report", "baselines/../x"),
        "--robustness-report and --robustness-json: give each its own file",
    ),
    "a baseline": (
        ("--robustness-json", "baselines/tiny/small/fgsm.json"),
        "baselines/tiny/small/fgsm.json lies among the baselines, in ",
    ),
    "a file beside baselines": (("--robustness-markdown", "baselines/notes.md"), "lies among the baselines, in "),
    "an anchor": (
        ("--robustness-json", "release/tiny/rules.json", "--robustness-anchor", "release"),
        "lies among the anchors, in ",
    ),
    "the suite": (("--robustness-json", "tiny.toml"), "tiny.toml is read by this run: give another file"),
    "the images": (("--robustness-report", "images.npz"), "images.npz is read by this run: give another file"),
    "twice": (
        ("--robustness-json", "x", "--robustness-json", "y"),
        "--robustness-json: given 2 times (x, y): give one",
    ),
    "nothing": (("--robustness-json", ""), "--robustness-json: "),
    "somebody's module": (("--robustness-json", "tinyzoo.py"), "was not written by --robustness-json: give another"),
    "somebody's test": (("--robustness-report", "test_robustness.py"), "was not written by --robustness-report: give"),
    "another format's": (("--robustness-markdown", "strange.md"), "was not written by --robustness-markdown: give"),
    "a name that is too long": (("--robustness-json", "x" * 300), "File name too long"),
    "a name that is nearly too long": (("--robustness-json", "x" * 250), "File name too long"),
    "the configuration": (("--robustness-json", "pyproject.toml"), "pyproject.toml is read by this run: give another "),
}


@pytest.mark.parametrize(("options", "said"), MISTAKES.values(), ids=MISTAKES)
def test_what_could_not_be_written_is_refused_before_anything_runs(recorded, options, said, capsys):
    assert main(["anchor", "tiny.toml", "release"]) == OK
    (recorded.path / "strange.md").write_text("# Shopping\n")
    kept = (".json", ".toml", ".npz", ".py", ".md")
    before = {path: path.read_bytes() for path in recorded.path.rglob("*") if path.suffix in kept}
    result = recorded.run(*options)
    assert result.ret == USAGE
    assert said in result.stdout.str() + result.stderr.str()
    assert recorded.executed() == []
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable_is_refused(project):
    (project.path / "closed").mkdir(mode=0o500)
    assert project.run("--robustness-json", "closed/run.json").ret == USAGE


def test_a_folder_that_is_not_writable_is_a_usage_error(project, monkeypatch):
    monkeypatch.setattr("pytest_robustness.plugin.outputs.os.access", lambda *_: False)
    result = project.run("--robustness-json", "run.json")
    assert result.ret == USAGE
    assert "is not writable" in result.stderr.str()


@pytest.mark.parametrize("module", ["jinja2", "PIL"])
def test_what_is_not_installed_is_a_usage_error(project, monkeypatch, module):
    monkeypatch.setattr("pytest_robustness.plugin.outputs.find_spec", lambda name: None if name == module else object())
    result = project.run("--robustness-report", "page.html")
    assert result.ret == USAGE
    assert f"needs {module}: pip install 'pytest-robustness[report]'" in result.stderr.str()


def test_a_report_that_cannot_be_written_at_the_end_fails_the_run(recorded, monkeypatch):
    (recorded.path / "run.json").write_text('{"schema": 2, "sentence": "old"}')

    def full(path, text):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("pytest_robustness.plugin.reporter.write_whole", full)
    result = recorded.run("--robustness-json", "run.json", "-k", "small and fgsm")
    assert result.ret == FAILED
    result.stdout.fnmatch_lines(["FAILED: *run.json: cannot be written: No space left on device"])
    assert "old" in (recorded.path / "run.json").read_text()


def test_the_options_are_known_without_torch(pytester):
    modules = "pytest_robustness.plugin.reporter, pytest_robustness.report.build"
    code = f"import sys; sys.modules['torch'] = None; import {modules}"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert OutputOptions({}, ("*",)).pictures_of("a/b", regressed=True) is False


def test_the_data_is_json_with_a_version(recorded):
    recorded.run("--robustness-json", "run.json", "-k", "small and fgsm")
    data = json.loads((recorded.path / "run.json").read_text())
    assert data["schema"] == 2
    assert next(iter(data)) == "schema"


def test_text_that_would_move_the_cursor_is_written_out(project):
    project.edit("tiny.toml", 'source = "tinyzoo:small"', 'source = "tinyzoo:small"\nweights = "a\\u001b[2Jb.pth"')
    (project.path / "a\x1b[2Jb.pth").write_bytes(b"nothing")
    result = project.run("-k", "small and fgsm", "--color=no")
    assert result.ret == FAILED
    assert "\x1b" not in result.stdout.str()
    assert r"a\x1b[2Jb.pth" in result.stdout.str()
