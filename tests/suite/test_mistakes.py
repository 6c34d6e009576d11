"""Each mistake in a suite file costs its author one line."""

from pathlib import Path

import pytest
from pytest_robustness.evaluate.attacks.registry import resolve
from pytest_robustness.suite.load import load_suite

from tests.gate.examples import refusal
from tests.suite.examples import ATTACK, IMAGES, MODEL, SOUND, folder, loaded, written

__all__ = ["folder"]  # a fixture
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
    "preprocessing of a file's images": (
        SOUND + "[preprocessing]\nresize = 99\ncrop = 7\n",
        "preprocessing is of photographs in a folder",
        "a file's images are as they are",
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


def test_a_model_at_fault_is_said_once_and_not_as_a_stranger_of_groups_and_variants(folder: Path) -> None:
    broken = IMAGES + MODEL.replace("package.zoo:small", "package.zoo") + ATTACK
    more = '[groups]\none = ["small"]\n[[variants]]\nbase = "small"\nupdate = "other"\n'
    path = written(folder, broken + more)
    message = refusal(lambda: load_suite(path))
    assert "models.small.source" in message
    assert "more)" not in message


@pytest.mark.parametrize(
    "text", ['"10"', "10", '"10 m"', '"-1 s"', '"0 s"', '"1 min 3 s"', '"inf h"', "true", '"99999 h"']
)
def test_a_time_limit_without_a_unit_is_refused(folder: Path, text: str) -> None:
    path = written(folder, f"timeout = {text}\n" + SOUND)
    assert "timeout" in refusal(lambda: load_suite(path))


def test_an_error_about_a_case_names_file_and_key(folder: Path) -> None:
    path = written(folder, IMAGES + MODEL + '[attacks.new]\nattack = "Novel"\n')
    case = load_suite(path).case("small/new")
    assert refusal(lambda: resolve(case)).startswith(
        f"{path}: attacks.new.attack: unknown attack 'Novel' (known: FGSM,"
    )


def test_a_group_that_pytest_refuses_as_a_marker_is_refused(folder: Path) -> None:
    message = refusal(lambda: loaded(folder, SOUND + '[groups]\n_g = ["small"]\n'))
    assert "groups._g: should not begin with _: pytest refuses such a marker" in message
