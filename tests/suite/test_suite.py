"""A suite file is read as it is meant."""

import json
import os
from pathlib import Path

import pytest
from pytest_robustness.evaluate.attacks.registry import resolve
from pytest_robustness.suite.load import load_suite

from tests.gate.examples import refusal
from tests.suite.examples import ATTACK, IMAGES, MODEL, SOUND, folder, loaded, written

__all__ = ["folder"]  # a fixture
ZOO = Path(__file__).parents[2] / "robustness_tests" / "zoo.toml"


def test_paths_are_relative_to_the_suite_and_not_to_the_current_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    suite = loaded(folder, SOUND.replace(MODEL, MODEL + 'weights = "weights/small.safetensors"\n'))
    assert suite.images.file == folder / "images.npz"
    assert suite.models["small"].weights == folder / "weights" / "small.safetensors"
    relative = Path(os.path.relpath(folder / "suite.toml"))
    assert load_suite(relative).images.file.samefile(folder / "images.npz")


def test_absolute_paths_stay_as_they_are(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other folder") / "images.npz"
    other.touch()
    assert loaded(folder, SOUND.replace("images.npz", str(other))).images.file == other


def test_cases_are_every_model_under_every_attack_in_the_order_of_the_file(folder: Path) -> None:
    more = '[models."b-2.x"]\nsource = "a:b"\n[models.a]\nsource = "a:b"\n[attacks.cw]\nattack = "CW"\n'
    suite = loaded(folder, SOUND + more)
    assert suite.name == "suite"
    expected = ["small/fgsm", "small/cw", "b-2.x/fgsm", "b-2.x/cw", "a/fgsm", "a/cw"]
    assert [case.id for case in suite.cases()] == expected
    for case in suite.cases():
        again = suite.case(case.id)
        assert (again.model, again.attack, again.id) == (case.model, case.attack, case.id)
        assert again.model is suite.models[case.model_name]
        assert again.attack is suite.attacks[case.attack_name]


def test_a_case_belongs_to_the_groups_of_its_model(folder: Path) -> None:
    other = MODEL.replace("small", "other")
    suite = loaded(folder, SOUND + other + '[groups]\none = ["small"]\nboth = ["other", "small"]\n')
    assert {case.id: case.groups for case in suite.cases()} == {"small/fgsm": ["one", "both"], "other/fgsm": ["both"]}


def test_a_group_may_leave_models_out_and_share_them(folder: Path) -> None:
    others = MODEL.replace("small", "other") + MODEL.replace("small", "third")
    suite = loaded(folder, SOUND + others + '[groups]\none = ["small", "other"]\ntwo = ["other"]\n')
    assert suite.groups == {"one": ["small", "other"], "two": ["other"]}
    assert suite.case("third/fgsm").groups == []
    assert loaded(folder, SOUND).groups == {}


def test_variants_are_pairs_of_models_in_the_order_of_the_file(folder: Path) -> None:
    first = '[[variants]]\nbase = "small"\nupdate = "other"\ngroup = "batch norm"\n'
    second = '[[variants]]\nbase = "other"\nupdate = "third"\n'
    more = MODEL.replace("small", "other") + MODEL.replace("small", "third")
    suite = loaded(folder, SOUND + more + first + second)
    assert [(one.base, one.update, one.group) for one in suite.variants] == [
        ("small", "other", "batch norm"),
        ("other", "third", ""),
    ]
    assert loaded(folder, SOUND).variants == []


def test_policies_and_limits_are_as_the_file_says_and_lenient_where_it_does_not(folder: Path) -> None:
    usual = loaded(folder, SOUND)
    assert (usual.policy, usual.inconclusive, usual.attacks["fgsm"].max_success_rate) == ("significance", "pass", None)
    head = 'policy = "tolerance"\ninconclusive = "fail"\n'
    other = loaded(folder, head + SOUND + "max_success_rate = 0.5\n")
    assert (other.policy, other.inconclusive) == ("tolerance", "fail")
    assert other.attacks["fgsm"].max_success_rate == 0.5
    for limit in (0, 1, 0.0, 1.0):
        assert loaded(folder, SOUND + f"max_success_rate = {limit}\n").attacks["fgsm"].max_success_rate == limit


def test_a_limit_is_no_parameter_of_the_attack(folder: Path) -> None:
    limited = loaded(folder, SOUND + "max_success_rate = 0.5\n")
    assert limited.attacks["fgsm"].parameters == {"eps": 0.01}
    assert dict(resolve(limited.case("small/fgsm")).given) == {"eps": 0.01}


def test_a_candidate_leaves_groups_and_variants_behind(folder: Path) -> None:
    more = '[groups]\none = ["small", "other"]\n[[variants]]\nbase = "small"\nupdate = "other"\n'
    suite = loaded(folder, SOUND + MODEL.replace("small", "other") + more).with_candidate("small=other", folder)
    assert (list(suite.models), suite.groups, suite.variants) == (["small"], {}, [])


@pytest.mark.parametrize(
    ("text", "seconds"), [("90 s", 90), ("10 min", 600), ("1.5 h", 5400), ("2h", 7200), ("0.5s", 0.5)]
)
def test_a_time_limit_is_written_with_its_unit(folder: Path, text: str, seconds: float) -> None:
    assert loaded(folder, SOUND).timeout is None
    assert loaded(folder, f'timeout = "{text}"\n' + SOUND).timeout == seconds


@pytest.mark.parametrize(
    ("key", "usual", "other"),
    [("time", "work", "clock"), ("slices", None, []), ("suspicious", "fail", "warn")],
)
def test_what_time_slices_and_suspicion_mean_is_the_file_s(
    folder: Path, key: str, usual: object, other: object
) -> None:
    assert getattr(loaded(folder, SOUND), key) == usual
    assert getattr(loaded(folder, f"{key} = {json.dumps(other)}\n" + SOUND), key) == other
    path = written(folder, f'{key} = "else"\n' + SOUND)
    assert key in refusal(lambda: load_suite(path))


@pytest.mark.parametrize(
    ("slices", "labels", "by", "columns"),
    [
        (None, "given", ["class"], ()),
        (None, "predicted", [], ()),
        ([], "given", [], ()),
        (["camera", "class"], "given", ["camera", "class"], ("camera",)),
        (["camera"], "predicted", ["camera"], ("camera",)),
    ],
)
def test_images_are_sliced_by_class_where_labels_are_given_and_by_columns(
    folder: Path, slices: list[str] | None, labels: str, by: list[str], columns: tuple[str, ...]
) -> None:
    line = "" if slices is None else f"slices = {json.dumps(slices)}\n"
    suite = loaded(folder, (line + SOUND).replace("[images]\n", f'[images]\nlabels = "{labels}"\n'))
    assert suite.sliced_by == by
    assert suite.columns == columns


def test_a_candidate_takes_its_input_like_the_model_whose_place_it_takes(folder: Path) -> None:
    like = "torchvision:vgg11@IMAGENET1K_V1"
    suite = loaded(folder, IMAGES + MODEL + f'like = "{like}"\n' + ATTACK)
    candidate = suite.with_candidate("small=package.zoo:other", folder).models["small"]
    assert (candidate.source, candidate.like) == ("package.zoo:other", like)


def test_an_attack_keeps_its_parameters_and_their_types(folder: Path) -> None:
    text = SOUND + 'steps = 10\nrandom_start = true\nc = 1\nloss = "ce"\nstop = "full"\nbatch_size = 7\n'
    attack = loaded(folder, text).attacks["fgsm"]
    assert attack.parameters == {"eps": 0.01, "steps": 10, "random_start": True, "c": 1, "loss": "ce"}
    assert [type(value) for value in attack.parameters.values()] == [float, int, bool, int, str]
    assert (attack.attack, attack.stop, attack.batch_size) == ("FGSM", "full", 7)


def test_what_a_model_or_attack_does_not_say_the_suite_says(folder: Path) -> None:
    own = '[models.own]\nsource = "a:b"\nnormalisation = {mean = [0.5], std = [0.5]}\n'
    small = '[attacks.small]\nattack = "FGSM"\nbatch_size = 7\n'
    general = "[normalisation]\nmean = [0, 0.1, 0.2]\nstd = [1, 0.5, 0.25]\n"
    suite = loaded(folder, "batch_size = 50\n" + SOUND + own + small + general)
    assert suite.case("small/fgsm").batch_size == 50
    assert suite.case("small/small").batch_size == 7
    assert suite.case("small/fgsm").normalisation.mean == (0.0, 0.1, 0.2)
    assert suite.case("small/fgsm").normalisation.std == (1.0, 0.5, 0.25)
    assert suite.case("own/fgsm").normalisation.mean == (0.5,)


def test_the_shipped_suite_is_sound_and_all_its_attacks_are_known() -> None:
    suite = load_suite(ZOO)
    cases = list(suite.cases())
    assert {"vgg11/fgsm", "vgg11/pgd", "vgg11/cw", "vgg11_bn/fgsm", "vgg11_bn/pgd", "vgg11_bn/cw"} <= {
        case.id for case in cases
    }
    assert suite.images.unselected is not None
    for case in (member for whole in cases for member in whole.members()):
        resolved = resolve(case)
        assert resolved.watched, f"{case.id} is measured without effort"
        assert resolved.given.items() >= case.attack.parameters.items()
        assert case.model.weights is not None


def test_the_shipped_suite_attacks_as_the_paper_does() -> None:
    attacks = load_suite(ZOO).attacks
    assert attacks["fgsm"].parameters["eps"] == 0.01
    pgd = attacks["pgd"].parameters
    assert (pgd["eps"], pgd["alpha"], pgd["steps"]) == (0.01, 0.0025, 10)
    cw = attacks["cw"].parameters
    assert (cw["c"], cw["kappa"], cw["steps"], cw["lr"]) == (1, 0, 50, 0.01)
    assert load_suite(ZOO).batch_size == 100


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["net", "Net"], "models: net and Net differ in case only, and would share files on macOS and Windows"),
        (["con"], "models.con: should be another name: on Windows it is a device, and no file"),
        (["LPT1.v2"], "models.LPT1.v2: should be another name: on Windows it is a device, and no file"),
        (["x."], "models.x.: should not end in a dot: Windows drops it, and two names become one"),
        (["console", "net", "net2", "x.y"], None),
    ],
)
def test_names_are_files_on_every_system(folder: Path, names: list[str], said: str | None) -> None:
    models = "".join(f'[models."{name}"]\nsource = "package.module:factory"\n' for name in names)
    text = IMAGES + models + ATTACK
    if said is None:
        assert list(loaded(folder, text).models) == names
    else:
        assert f"suite.toml: {said}" in refusal(lambda: loaded(folder, text))


@pytest.mark.parametrize("key", ["unselected", "clean_images"])
def test_images_for_clean_accuracy_have_two_names(key: str, folder: Path) -> None:
    (folder / "blind.npz").touch()
    text = SOUND.replace(IMAGES, f'{IMAGES}{key} = "blind.npz"\n')
    assert loaded(folder, text).images.unselected == folder / "blind.npz"
    said = refusal(lambda: loaded(folder, text.replace("blind", "none")))
    assert f"images.{key}: no such file: " in said


LIBRARYS = '[models.small]\nsource = "timm:resnet18"\n'
LIKE = '[models.alike]\nsource = "package.zoo:alike"\nlike = "timm:resnet18"\n'
OWN = "preprocessing = { resize = 64, crop = 64 }\n"
PHOTOGRAPHS = '[images]\nfolder = "weights"\n'


@pytest.mark.parametrize("models", [LIBRARYS, LIBRARYS + LIKE, LIBRARYS + MODEL.replace("small", "own") + OWN])
def test_what_no_model_takes_is_refused_and_not_passed_over(folder: Path, models: str) -> None:
    problem = refusal(lambda: loaded(folder, OWN + PHOTOGRAPHS + models + ATTACK))
    assert "preprocessing: no model takes the suite's: small" in problem
    assert problem.endswith("write models.small.preprocessing instead")


@pytest.mark.parametrize("models", [MODEL, MODEL + OWN, LIBRARYS + LIKE + MODEL.replace("small", "own")])
def test_what_one_model_takes_the_suite_may_say(folder: Path, models: str) -> None:
    loaded(folder, OWN + PHOTOGRAPHS + models + ATTACK)


def test_a_range_makes_the_suite_s_normalisation_the_model_s(folder: Path) -> None:
    normalisation = "normalisation = { mean = [0.5], std = [0.5] }\n"
    loaded(folder, normalisation + IMAGES + LIBRARYS + "range = [-1, 1]\n" + ATTACK)
    problem = refusal(lambda: loaded(folder, normalisation + IMAGES + LIBRARYS + ATTACK))
    assert "normalisation: no model takes" in problem
