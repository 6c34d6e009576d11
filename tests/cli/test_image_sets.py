"""Image sets may grow and be rearranged, and shrink only where somebody says so: ``--accept-removed-images``."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.conftest import ALONE_AND_BY_WORKERS, COUNTED, IMAGES, SUITE, Project

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED
ACCEPT = "--accept-removed-images"
EVERY = range(IMAGES)


def words(project: Project, result: pytest.RunResult) -> list[str]:
    return [re.split(r"  +", row.strip())[-1] for row in project.table(result)]


def line(result: pytest.RunResult, start: str) -> str:
    (found,) = {one for one in result.outlines if one.startswith(start)}
    return found


# --- lists -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "workers"])
def test_the_list_of_images_is_stored_once_beside_the_baselines(project: Project, workers: tuple[str, ...]) -> None:
    project.record(*workers)
    ((name, data),) = project.lists().items()
    stored = json.loads(data)
    assert len(stored["keys"]) == len(stored["labels"]) == IMAGES
    assert stored["labels"] == project.images()["labels"].tolist()
    digests = {project.measurement(case).images.digest for case in project.cases}
    assert {f"tiny/images-{digest[:16]}.json" for digest in digests} == {name}
    assert project.run(*workers).ret == OK


def test_a_worker_that_dies_loses_no_list(project: Project) -> None:
    """Each process sends its lists itself, with the first of its results."""
    project.behave(small_fgsm="dies", large_fgsm="broken")
    project.run("--update-baselines", "-n2")
    assert set(project.files()) == {"tiny/small/pgd.json", "tiny/large/pgd.json"}
    assert len(project.lists()) == 1


def test_a_list_that_got_lost_is_written_again_by_an_update_that_changes_nothing(recorded: Project) -> None:
    ((name, data),) = recorded.lists().items()
    (recorded.baselines / name).unlink()
    assert recorded.run().ret == OK  # not needed
    result = recorded.run("--update-baselines", "-k", "small and pgd")
    result.stdout.fnmatch_lines("baselines in baselines/tiny: 0 written, 1 unchanged")
    assert recorded.lists() == {name: data}


# --- sets that grow ----------------------------------------------------------------------------------------------


@ALONE_AND_BY_WORKERS
def test_new_images_are_attacked_said_and_not_compared(recorded: Project, workers: tuple[str, ...]) -> None:
    before = recorded.files() | recorded.lists()
    recorded.grow(12)
    result = recorded.run(*workers, "--robustness-json", "run.json", "--robustness-markdown", "run.md")
    assert result.ret == OK
    assert words(recorded, result) == ["same"] * 4
    said = "12 new images, not in the baseline, are not compared: "
    assert line(result, said).endswith(" and 3 more")
    assert said in (recorded.path / "run.md").read_text()
    found = json.loads((recorded.path / "run.json").read_text())
    assert {case["images"] for case in found["cases"]} == {IMAGES + 12}
    assert {case["set_change"]["new"] for case in found["cases"]} == {12}
    assert {one["verdict"]["images"] for one in found["pooled"]} == {IMAGES}
    assert recorded.files() | recorded.lists() == before


def test_a_weaker_model_fails_on_the_images_of_the_baseline_however_many_are_new(recorded: Project) -> None:
    recorded.behave(small_fgsm="weak")
    usual = line(recorded.run("-k", "small and fgsm"), "small/fgsm: ")
    recorded.grow(30)
    result = recorded.run("-k", "small and fgsm")
    assert result.ret == FAILED
    said = line(result, "small/fgsm: ")
    assert said == f"{usual}; 30 new images, not in the baseline, are not compared"


def test_a_set_in_another_order_is_the_same_set(recorded: Project) -> None:
    before = recorded.files() | recorded.lists()
    recorded.choose(EVERY[::-1])
    for options in ((), ("--update-baselines",)):
        result = recorded.run(*options)
        assert result.ret == OK
        result.stdout.no_fnmatch_line("*not compared*")
        assert recorded.files() | recorded.lists() == before
    assert all(row.endswith("same") for row in recorded.table(result))


def test_an_update_records_a_grown_set_whole_and_forgets_the_old_list(recorded: Project) -> None:
    old = recorded.lists()
    recorded.grow(3)
    result = recorded.run("--update-baselines", "-k", "small")
    assert result.ret == OK
    assert line(result, "small/fgsm: ").endswith("; 3 new images")
    result.stdout.fnmatch_lines("baselines in baselines/tiny: 2 written, 0 unchanged")
    assert recorded.measurement("small/pgd").images.count == IMAGES + 3
    assert len(recorded.lists()) == 2  # the large model's cases are of the old set
    assert recorded.run().ret == OK
    assert recorded.run("--update-baselines").ret == OK
    assert len(recorded.lists()) == 1
    assert recorded.lists() != old
    assert recorded.run().ret == OK


def test_cases_of_one_model_recorded_over_different_sets_are_judged_together(project: Project) -> None:
    whole = (project.path / "images.npz").read_bytes()
    project.choose(EVERY[5:])
    project.record("-k", "small and pgd")
    (project.path / "images.npz").write_bytes(whole)
    project.record("-k", "small and fgsm")
    project.behave(small_fgsm="weak", small_pgd="weak")
    result = project.run("-k", "small")
    assert result.ret == FAILED
    assert f"on {IMAGES} images" in line(result, "FAILED: small under 2 attacks: ")
    assert "5 new images" in line(result, "small/pgd: ")
    assert "new images" not in line(result, "small/fgsm: ")


def test_an_update_is_refused_where_the_model_changed_too(recorded: Project) -> None:
    before = recorded.files()
    recorded.grow(3)
    recorded.behave(small_fgsm="weak")
    result = recorded.run("--update-baselines")
    assert result.ret == FAILED
    said = line(result, "FAILED: small/fgsm: not recorded: its images grew, and on those of the baseline success rate ")
    assert said.endswith("record the changed model on the old set first, then let the set grow")
    assert "baselines in baselines/tiny: 3 written, 0 unchanged" in result.outlines
    after = recorded.files()
    assert after["tiny/small/fgsm.json"] == before["tiny/small/fgsm.json"]
    assert len(recorded.lists()) == 2
    # in two steps it goes
    recorded.choose(range(3, IMAGES + 3))
    assert recorded.run("--update-baselines", ACCEPT, "-k", "small and fgsm").ret == OK


def test_only_what_is_missing_is_recorded_over_a_grown_set(recorded: Project) -> None:
    recorded.baseline("small/fgsm").unlink()
    before = recorded.files()
    recorded.grow(2)
    assert recorded.run("--update-baselines-missing").ret == OK
    assert recorded.executed() == ["small/fgsm"]
    assert {name: data for name, data in recorded.files().items() if name in before} == before
    assert len(recorded.lists()) == 2
    assert recorded.run().ret == OK


def test_what_may_have_new_images_is_measured_also_where_only_changes_are(recorded: Project) -> None:
    recorded.grow(2)
    result = recorded.run("--robustness-changed")
    assert result.ret == OK
    assert words(recorded, result) == ["same"] * 4


# --- sets that shrink --------------------------------------------------------------------------------------------


@ALONE_AND_BY_WORKERS
def test_missing_images_fail_named_and_counted_with_the_command_that_accepts_it(
    recorded: Project, workers: tuple[str, ...]
) -> None:
    ((_, data),) = recorded.lists().items()
    stored = json.loads(data)
    recorded.choose(EVERY[5:])
    result = recorded.run(*workers)
    assert result.ret == FAILED
    assert words(recorded, result) == ["not comparable"] * 4
    said = line(result, "small/fgsm: ")
    assert said.startswith("small/fgsm: not comparable: 5 images of the baseline are missing (")
    for key, label in list(zip(stored["keys"], stored["labels"], strict=True))[:3]:
        assert f"{key[:12]} of class {label}" in said
    assert ", ...): restore them, or accept it by --accept-removed-images; record it: pytest " in said
    assert recorded.run_command(recorded.commands(result)["small/fgsm"]).ret == OK
    assert recorded.measurement("small/fgsm").provenance.removed_images == 5
    assert recorded.run("-k", "small and fgsm").ret == OK


def test_what_is_left_is_judged_where_that_is_accepted(recorded: Project) -> None:
    before = recorded.files() | recorded.lists()
    recorded.choose(EVERY[5:])
    result = recorded.run(ACCEPT)
    assert result.ret == OK
    assert words(recorded, result) == ["same"] * 4
    assert "5 images of the baseline are missing, which was accepted" in "\n".join(result.outlines)
    recorded.behave(small_fgsm="weak")
    assert words(recorded, recorded.run(ACCEPT, "-k", "small and fgsm")) == ["regressed"]
    assert recorded.files() | recorded.lists() == before


def test_an_update_that_would_lose_images_is_refused_and_keeps_every_file(recorded: Project) -> None:
    before = recorded.files() | recorded.lists()
    recorded.choose(EVERY[1:])
    result = recorded.run("--update-baselines")
    assert result.ret == FAILED
    result.assert_outcomes(passed=4, failed=4)  # four baselines that were not written
    said = line(result, "FAILED: large/pgd: not recorded: 1 image of the baseline is missing (")
    assert said.endswith("restore them, or record without them by --accept-removed-images")
    assert recorded.files() | recorded.lists() == before


def test_accepted_removals_add_up(recorded: Project) -> None:
    for left, removed in ((EVERY[5:], 5), (range(30), 10)):
        recorded.choose(left)
        result = recorded.run("--update-baselines", ACCEPT)
        assert result.ret == OK
        assert "; 5 images removed" in line(result, "small/fgsm: ")
        assert {recorded.measurement(case).provenance.removed_images for case in recorded.cases} == {removed}
        assert recorded.run().ret == OK
    recorded.behave(small_fgsm="weak")
    assert recorded.run("--update-baselines").ret == OK
    assert recorded.measurement("small/fgsm").provenance.removed_images == 10


def test_images_exchanged_are_missing_and_new(recorded: Project) -> None:
    recorded.grow(4)
    recorded.choose([*range(4), *range(8, IMAGES + 4)])  # the first four are gone
    assert recorded.run("-k", "fgsm").ret == FAILED
    result = recorded.run("-k", "fgsm", ACCEPT)
    assert result.ret == OK
    for said in ("4 new images, not in the baseline, are", "4 images of the baseline are missing, which was accepted"):
        assert said in "\n".join(result.outlines)


def test_an_anchor_of_the_images_that_went_needs_no_accepting_again(recorded: Project) -> None:
    from pytest_robustness.cli.main import main

    assert main(["anchor", "tiny.toml", "release"]) == OK
    anchor = ("--robustness-anchor", "release")
    recorded.choose(EVERY[5:])
    assert recorded.run("--update-baselines", ACCEPT).ret == OK
    assert recorded.run(*anchor).ret == OK
    recorded.baseline("small/fgsm").unlink()
    assert recorded.run("--update-baselines-missing").ret == OK  # a way round: nobody accepted anything
    result = recorded.run(*anchor)
    assert result.ret == FAILED
    assert "small/fgsm: since the anchor: not comparable: 5 images of the baseline are missing" in "\n".join(
        result.outlines
    )


# --- attacks that are called with whole batches ------------------------------------------------------------------


def test_a_set_is_part_of_the_protocol_of_an_attack_of_ones_own(project: Project) -> None:
    (project.path / "tiny.toml").write_text(SUITE + COUNTED)
    project.record()
    project.grow(2)
    result = project.run("-k", "small")
    assert result.ret == FAILED
    assert "the baseline's protocol differs in batch.images" in line(result, "small/counted: ")
    assert sorted(words(project, result)) == ["not comparable", "same", "same"]
    assert project.run("-k", "small", "--update-baselines").ret == OK
    project.choose(range(5, IMAGES))
    result = project.run("-k", "small and counted", "--update-baselines")
    assert result.ret == FAILED
    assert " images of the baseline are missing (" in line(result, "FAILED: small/counted: not recorded: ")
