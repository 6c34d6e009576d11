"""A suite file is read as it is meant, and each mistake in it costs its author one line."""

import json
import os
from pathlib import Path

import pytest
from pytest_robustness.evaluate.attacks.registry import resolve
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite

from tests.gate.examples import refusal

ZOO = Path(__file__).parents[2] / "robustness_tests" / "zoo.toml"
IMAGES = '[images]\nfile = "images.npz"\n'
MODEL = '[models.small]\nsource = "package.zoo:small"\n'
ATTACK = '[attacks.fgsm]\nattack = "FGSM"\neps = 0.01\n'
SOUND = IMAGES + MODEL + ATTACK


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that SOUND names, for a suite to be put beside."""
    (tmp_path / "images.npz").touch()
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "small.safetensors").touch()
    return tmp_path


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "suite.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def loaded(folder: Path, text: str) -> Suite:
    return load_suite(written(folder, text))


#: The whole file, the key that the line must begin with, and what else it must say.
MISTAKES: dict[str, tuple[str, str, str]] = {
    # unknown keys, at each level
    "unknown key": ("alhpa = 0.05\n" + SOUND, "alhpa", "unknown key (known: alpha, attacks,"),
    "unknown key of images": (IMAGES + "fil = 1\n" + MODEL + ATTACK, "images.fil", "(known: classes, file, folder"),
    "unknown key of a model": (
        IMAGES + MODEL + "wieghts = 1\n" + ATTACK,
        "models.small.wieghts",
        "source, version, weights",
    ),
    "unknown key of tolerances": (SOUND + "[tolerances]\nefort = 0.1\n", "tolerances.efort", "(known: clean_accuracy"),
    "unknown key of normalisation": (
        SOUND + "[normalisation]\nmeen = [0]\n",
        "normalisation.meen",
        "(known: mean, std)",
    ),
    "unknown key of a model's normalisation": (
        SOUND + "[models.small.normalisation]\nmeen = [0]\n",
        "models.small.normalisation.meen",
        "(known: mean, std)",
    ),
    "a path of its own": ('path = "x.toml"\n' + SOUND, "path", "unknown key"),
    # things missing
    "no images": (MODEL + ATTACK, "images", "field required"),
    "no image file": ("[images]\n" + MODEL + ATTACK, "images", "either a file or a folder"),
    "no models": (IMAGES + ATTACK, "models", "field required"),
    "empty models": ("models = {}\n" + IMAGES + ATTACK, "models", "at least 1"),
    "no attacks": (IMAGES + MODEL, "attacks", "field required"),
    "empty attacks": ("attacks = {}\n" + IMAGES + MODEL, "attacks", "at least 1"),
    "no source": (IMAGES + "[models.small]\n" + ATTACK, "models.small.source", "field required"),
    "no attack": (IMAGES + MODEL + "[attacks.fgsm]\neps = 0.01\n", "attacks.fgsm.attack", "field required"),
    # groups
    "a group of a stranger": (
        SOUND + '[groups]\nvgg = ["small", "smal"]\n',
        "groups.vgg",
        "no model 'smal' in this suite",
    ),
    "an empty group": (SOUND + "[groups]\nvgg = []\n", "groups.vgg", "at least 1"),
    "a group in words": (SOUND + '[groups]\nvgg = "small"\n', "groups.vgg", "valid list"),
    "a group that pytest would skip": (SOUND + '[groups]\nskip = ["small"]\n', "groups.skip", "pytest's own marker"),
    # variants
    "a variant of a stranger": (
        SOUND + '[[variants]]\nbase = "small"\nupdate = "smal"\n',
        "variants",
        "no model 'smal' in this suite",
    ),
    "a variant that updates nothing": (SOUND + '[[variants]]\nbase = "small"\n', "variants.0.update", "required"),
    "a variant of nothing": (SOUND + '[[variants]]\nupdate = "small"\n', "variants.0.base", "field required"),
    "an unknown key of a variant": (
        SOUND + '[[variants]]\nbase = "small"\nupdate = "small"\nname = "x"\n',
        "variants.0.name",
        "unknown key",
    ),
    "variants in a table": (SOUND + '[variants]\nbase = "small"\n', "variants", "valid list"),
    "a variant's group that is a number": (
        SOUND + '[[variants]]\nbase = "small"\nupdate = "small"\ngroup = 1\n',
        "variants.0.group",
        "not 1",
    ),
    "a model twice in a group": (
        SOUND + '[groups]\nvgg = ["small", "small"]\n',
        "groups.vgg",
        "a model is named twice",
    ),
    # images of two kinds
    "a list of a file's images": (
        '[images]\nfile = "images.npz"\nselected = "chosen.csv"\n' + MODEL + ATTACK,
        "images",
        "selected and classes by name are of a folder",
    ),
    "classes by name of a file": (
        '[images]\nfile = "images.npz"\nclasses = "imagenet-1k"\n' + MODEL + ATTACK,
        "images",
        "selected and classes by name are of a folder",
    ),
    "a list for a file's unselected images": (
        '[images]\nfile = "images.npz"\nunselected = "blind.csv"\n' + MODEL + ATTACK,
        "images",
        "unselected should be a .npz file, not blind.csv",
    ),
    "a file for a folder's selected images": (
        '[images]\nfolder = "."\nselected = "images.npz"\n' + MODEL + ATTACK,
        "images",
        "selected should be a .csv file, not images.npz",
    ),
    # policies and limits
    "an unknown policy": ('policy = "strict"\n' + SOUND, "policy", "'significance' or 'tolerance', not 'strict'"),
    "an unknown treatment of doubt": ('inconclusive = "warn"\n' + SOUND, "inconclusive", "'pass' or 'fail'"),
    "doubt that fails as a boolean": ("inconclusive = true\n" + SOUND, "inconclusive", "'pass' or 'fail'"),
    "a limit in per cent": (SOUND + "max_success_rate = 50\n", "attacks.fgsm.max_success_rate", "equal to 1, not 50"),
    "a negative limit": (SOUND + "max_success_rate = -0.1\n", "attacks.fgsm.max_success_rate", "equal to 0, not -0.1"),
    "a limit that is no number": (SOUND + "max_success_rate = nan\n", "attacks.fgsm.max_success_rate", "not nan"),
    "a limit in words": (SOUND + 'max_success_rate = "0.5"\n', "attacks.fgsm.max_success_rate", "not '0.5'"),
    "a limit of everything": ("max_success_rate = 0.5\n" + SOUND, "max_success_rate", "unknown key (known: alpha,"),
    # files missing
    "missing images": ('[images]\nfile = "no.npz"\n' + MODEL + ATTACK, "images.file", "no such file: "),
    "missing unselected": (IMAGES + 'unselected = "no.npz"\n' + MODEL + ATTACK, "images.unselected", "no.npz"),
    "missing weights": (IMAGES + MODEL + 'weights = "no.pth"\n' + ATTACK, "models.small.weights", "no.pth"),
    "a folder for a file": ('[images]\nfile = "weights"\n' + MODEL + ATTACK, "images.file", "no such file: "),
    # wrong types
    "images in words": ('images = "images.npz"\n' + MODEL + ATTACK, "images", "dictionary"),
    "a file that is a number": ("[images]\nfile = 1\n" + MODEL + ATTACK, "images.file", "not 1"),
    "models in a list": (IMAGES + MODEL.replace("[models.small]", "[[models]]") + ATTACK, "models", "dictionary"),
    "a model in words": (IMAGES + '[models]\nsmall = "zoo:small"\n' + ATTACK, "models.small", "not 'zoo:small'"),
    "an attack in words": (IMAGES + MODEL + '[attacks]\nfgsm = "FGSM"\n', "attacks.fgsm", "not 'FGSM'"),
    "an attack that is a number": (IMAGES + MODEL + "[attacks.fgsm]\nattack = 1\n", "attacks.fgsm.attack", "not 1"),
    "a parameter that is a list": (
        SOUND + "steps = [1]\n",
        "attacks.fgsm.steps",
        "should be a boolean, a number or a string",
    ),
    "a parameter that is a date": (
        SOUND + "steps = 2020-01-01\n",
        "attacks.fgsm.steps",
        "should be a boolean, a number or a string",
    ),
    "alpha in words": ('alpha = "0.05"\n' + SOUND, "alpha", "not '0.05'"),
    "a batch size that is a fraction": ("batch_size = 1.5\n" + SOUND, "batch_size", "not 1.5"),
    "a batch size that is true": ("batch_size = true\n" + SOUND, "batch_size", "not True"),
    "a seed in words": ('seed = "0"\n' + SOUND, "seed", "not '0'"),
    "a mean that is a number": (SOUND + "[normalisation]\nmean = 0.5\n", "normalisation.mean", "not 0.5"),
    "a mean in words": (SOUND + '[normalisation]\nmean = ["0.5"]\n', "normalisation.mean.0", "not '0.5'"),
    "a level that nothing reaches": ("alpha = 1e-7\n" + SOUND, "alpha", "greater than or equal to 0.000001, not 1e-07"),
    "a share that is none": (SOUND + "[levels]\nclean = 1e-14\n", "levels.clean", "greater than or equal to 0.0001"),
    # slices
    "slices by a label": ('slices = ["label"]\n' + SOUND, "slices", "'label' is no column to slice by"),
    "slices twice": ('slices = ["camera", "camera"]\n' + SOUND, "slices", "'camera' is named twice"),
    "a slice without a name": ('slices = [""]\n' + SOUND, "slices.0", "at least 1 character"),
    "classes of predicted labels": (
        'slices = ["class"]\n' + SOUND.replace("[images]\n", '[images]\nlabels = "predicted"\n'),
        "slices",
        "class needs labels",
    ),
    "a column of a whole folder": (
        'slices = ["camera"]\n[images]\nfolder = "photographs"\n' + MODEL + ATTACK,
        "slices",
        "'camera' should be a column of images.selected",
    ),
    # values out of range
    "alpha of 0": ("alpha = 0\n" + SOUND, "alpha", "greater than or equal to 0.000001, not 0"),
    "alpha of 1": ("alpha = 1\n" + SOUND, "alpha", "less than 1, not 1"),
    "alpha that is no number": ("alpha = nan\n" + SOUND, "alpha", "not nan"),
    "batch size of 0": ("batch_size = 0\n" + SOUND, "batch_size", "greater than 0, not 0"),
    "an attack's batch size of 0": (SOUND + "batch_size = 0\n", "attacks.fgsm.batch_size", "greater than 0, not 0"),
    "row floor of 0": ("row_floor = 0\n" + SOUND, "row_floor", "greater than 0, not 0"),
    "negative seed": ("seed = -1\n" + SOUND, "seed", "not -1"),
    "negative tolerance": (SOUND + "[tolerances]\ntime = -0.2\n", "tolerances.time", "not -0.2"),
    "tolerance that is no number": (SOUND + "[tolerances]\neffort = nan\n", "tolerances.effort", "not nan"),
    "std of 0": (SOUND + "[normalisation]\nstd = [0.2, 0.0, 0.2]\n", "normalisation.std.1", "greater than 0, not 0.0"),
    "negative std": (SOUND + "[normalisation]\nstd = [-1.0]\n", "normalisation.std.0", "greater than 0, not -1.0"),
    "no std": (SOUND + "[normalisation]\nstd = []\n", "normalisation.std", "at least 1"),
    "unknown stop": (SOUND + 'stop = "soon"\n', "attacks.fgsm.stop", "not 'soon'"),
    # names and references
    **{
        f"model named {name!r}": (
            IMAGES + f'[models."{name}"]\nsource = "a:b"\n' + ATTACK,
            f"models.{name}",
            f"not {name!r}",
        )
        for name in ("a/b", "..", "../up", "", ".hidden", "a b", "-n", "a[b]", "é", "a|b")
    },
    "attack named ..": (IMAGES + MODEL + '[attacks.".."]\nattack = "FGSM"\n', "attacks...", "not '..'"),
    "attack with a slash": (IMAGES + MODEL + '[attacks."a/b"]\nattack = "FGSM"\n', "attacks.a/b", "not 'a/b'"),
    "a very long name": (IMAGES + f'[models.{"n" * 101}]\nsource = "a:b"\n' + ATTACK, f"models.{'n' * 101}", "100"),
    **{
        f"source {source!r}": (
            IMAGES + f'[models.small]\nsource = "{source}"\n' + ATTACK,
            "models.small.source",
            f"not {source!r}",
        )
        for source in ("zoo.small", "zoo:", ":small", "zoo:a:b", "zoo:a.b", "a b:c", ".zoo:small", "zoo/small:f", "")
    },
}


@pytest.mark.parametrize(("text", "key", "said"), MISTAKES.values(), ids=[name.replace("é", "e") for name in MISTAKES])
def test_a_mistake_costs_one_line_with_file_and_key(folder: Path, text: str, key: str, said: str) -> None:
    path = written(folder, text)
    message = refusal(lambda: load_suite(path))
    beginning = f"{path}: {key}: "
    assert message[: len(beginning)] == beginning
    assert said in message[len(beginning) :]


def test_the_sound_suite_of_these_tests_is_sound(folder: Path) -> None:
    assert [case.id for case in loaded(folder, SOUND).cases()] == ["small/fgsm"]


NOT_TOML: dict[str, tuple[str | bytes, str]] = {
    "not TOML": (SOUND + "= =\n", f"line {SOUND.count(chr(10)) + 1}"),
    "a key twice": (SOUND + "eps = 0.02\n", f"line {SOUND.count(chr(10)) + 1}"),
    "a table twice": (SOUND + "[models.small]\n", "models"),
    "not UTF-8": (b'alpha = "\xff"\n', "utf-8"),
}


@pytest.mark.parametrize(("text", "said"), NOT_TOML.values(), ids=NOT_TOML)
def test_what_is_not_toml_costs_one_line_with_file_and_place(folder: Path, text: str | bytes, said: str) -> None:
    path = written(folder, text)
    message = refusal(lambda: load_suite(path))
    assert message.startswith(f"{path}: not TOML: ")
    assert said in message


@pytest.mark.parametrize("value", ["{}", "[{}]", "[[0, {}]]", "{{a = {}}}"])
def test_whole_numbers_have_64_bits_wherever_they_are(folder: Path, value: str) -> None:
    """TOML's, as it is specified: from -2^63 to 2^63 - 1."""
    for number in (2**63 - 1, -(2**63)):
        assert "not TOML" not in refusal(
            lambda number=number: loaded(folder, f"surplus = {value.format(number)}\n" + SOUND)
        )
    for number in (2**63, -(2**63) - 1):
        message = refusal(lambda number=number: loaded(folder, f"surplus = {value.format(number)}\n" + SOUND))
        assert message.endswith("suite.toml: not TOML: an integer needs 65 bits; TOML allows 64")


def test_a_missing_suite_costs_one_line_with_its_path(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path / "no folder" / "suite.toml", tmp_path):
        assert refusal(lambda path=path: load_suite(path)).startswith(f"{path}: cannot be read: ")


def test_of_several_mistakes_the_number_is_said(folder: Path) -> None:
    message = refusal(lambda: loaded(folder, "alpha = 2.0\nbatch_size = 0\nseed = -1\n" + SOUND))
    assert message.endswith("(and 2 more)")
    assert "more)" not in refusal(lambda: loaded(folder, "alpha = 2.0\n" + SOUND))


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


def test_a_model_at_fault_is_said_once_and_not_as_a_stranger_of_groups_and_variants(folder: Path) -> None:
    broken = IMAGES + MODEL.replace("package.zoo:small", "package.zoo") + ATTACK
    more = '[groups]\none = ["small"]\n[[variants]]\nbase = "small"\nupdate = "other"\n'
    path = written(folder, broken + more)
    message = refusal(lambda: load_suite(path))
    assert "models.small.source" in message
    assert "more)" not in message


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


def test_the_pooled_test_has_half_of_what_attacks_have_together(folder: Path) -> None:
    more = '[attacks.pgd]\nattack = "PGD"\n[models.large]\nsource = "a:b"\n'
    for text in (SOUND, SOUND + more):
        assert loaded(folder, text).pooled_level == pytest.approx(0.05 / 8)
        assert loaded(folder, "alpha = 0.4\n" + text).pooled_level == pytest.approx(0.05)
        assert loaded(folder, text + "[levels]\ntogether = 0.2\n").pooled_level == pytest.approx(0.005)


def test_a_candidate_leaves_groups_and_variants_behind(folder: Path) -> None:
    more = '[groups]\none = ["small", "other"]\n[[variants]]\nbase = "small"\nupdate = "other"\n'
    suite = loaded(folder, SOUND + MODEL.replace("small", "other") + more).with_candidate("small=other", folder)
    assert (list(suite.models), suite.groups, suite.variants) == (["small"], {}, [])


def test_two_fifths_of_alpha_are_shared_by_the_regular_attacks_and_a_case_s_six_metrics(folder: Path) -> None:
    two_models = SOUND + '[models.large]\nsource = "a:b"\n'
    assert [case.level for case in loaded(folder, two_models).cases()] == pytest.approx([0.05 * 0.4 / 6] * 2)
    more = '[attacks.pgd]\nattack = "PGD"\n[attacks.cw]\nattack = "CW"\n'
    for asked in ("", '[attacks.slow]\nattack = "PGD"\nsteps = 1000\non_request = true\n'):
        cases = list(loaded(folder, "alpha = 0.3\n" + two_models + more + asked).cases())
        assert [case.level for case in cases] == pytest.approx([0.3 * 0.4 / 3 / 6] * len(cases))
        assert [case.weight for case in cases] == pytest.approx([0.4 / 3 / 6] * len(cases))
    own = loaded(folder, two_models + "[levels]\ncases = 0.3\n")
    assert own.case("small/fgsm").level == pytest.approx(0.05 * 0.3 / 6)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90 s", 90), ("10 min", 600), ("1.5 h", 5400), ("2h", 7200), ("0.5s", 0.5)]
)
def test_a_time_limit_is_written_with_its_unit(folder: Path, text: str, seconds: float) -> None:
    assert loaded(folder, SOUND).timeout is None
    assert loaded(folder, f'timeout = "{text}"\n' + SOUND).timeout == seconds


@pytest.mark.parametrize(
    "text", ['"10"', "10", '"10 m"', '"-1 s"', '"0 s"', '"1 min 3 s"', '"inf h"', "true", '"99999 h"']
)
def test_a_time_limit_without_a_unit_is_refused(folder: Path, text: str) -> None:
    path = written(folder, f"timeout = {text}\n" + SOUND)
    assert "timeout" in refusal(lambda: load_suite(path))


def test_groups_take_a_tenth_of_their_models_alpha_and_share_it(folder: Path) -> None:
    models = SOUND + "".join(f'[models.{name}]\nsource = "a:b"\n' for name in ("large", "lone"))
    none = loaded(folder, models)
    assert {none.alpha_of(name) for name in none.models} == {0.05}
    one = loaded(folder, models + '[groups]\nboth = ["small", "large"]\n')
    assert [one.alpha_of(name) for name in one.models] == pytest.approx([0.045, 0.045, 0.05])
    assert [case.level for case in one.cases()] == pytest.approx([0.045 * 0.4 / 6] * 2 + [0.05 * 0.4 / 6])
    assert one.group_level == pytest.approx(0.005)
    more = '[groups]\nboth = ["small", "large"]\nmine = ["small"]\nother = ["lone"]\n'
    assert loaded(folder, models + more).group_level == pytest.approx(0.0025)  # small is in two
    assert loaded(folder, "alpha = 0.2\n" + models + more).group_level == pytest.approx(0.01)


def test_shares_of_alpha_are_declared_and_add_up_to_one_at_most(folder: Path) -> None:
    usual = loaded(folder, SOUND).levels
    assert (usual.cases, usual.together, usual.clean, usual.slices) == (0.40, 0.25, 0.10, 0.25)
    assert loaded(folder, SOUND + "[levels]\nslices = 0.1\ncases = 0.55\n").levels.cases == 0.55
    path = written(folder, SOUND + "[levels]\ncases = 0.5\n")
    assert "shares of alpha add up to 1.1: their sum is 1 at most" in refusal(lambda: load_suite(path))
    for share in ("0", "-0.1", "1.1"):
        path = written(folder, SOUND + f"[levels]\nclean = {share}\n")
        assert "levels.clean" in refusal(lambda path=path: load_suite(path))


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


def test_an_error_about_a_case_names_file_and_key(folder: Path) -> None:
    path = written(folder, IMAGES + MODEL + '[attacks.new]\nattack = "Novel"\n')
    case = load_suite(path).case("small/new")
    assert refusal(lambda: resolve(case)).startswith(
        f"{path}: attacks.new.attack: unknown attack 'Novel' (known: FGSM,"
    )


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


def test_a_group_that_pytest_refuses_as_a_marker_is_refused(folder: Path) -> None:
    message = refusal(lambda: loaded(folder, SOUND + '[groups]\n_g = ["small"]\n'))
    assert "groups._g: should not begin with _: pytest refuses such a marker" in message


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
