"""The table of bad input: suites and command lines."""

from __future__ import annotations

import pytest

from tests.cli.bad_input import NOTHING, OK, USAGE, Row, suite


def whole(text: str | bytes, said: str) -> Row:
    data = text.encode() if isinstance(text, str) else text
    return Row(lambda project: (project.path / "tiny.toml").write_bytes(data), f"tiny.toml: {said}", USAGE)


def added(text: str, said: str) -> Row:
    return suite("[models.small]", f"{text}\n\n[models.small]", said)


def command(said: str, *arguments: str, exit: pytest.ExitCode = USAGE) -> Row:  # noqa: A002
    return Row(lambda project: None, said, exit, 0, arguments)


VARIANT = '[[variants]]\nbase = "{}"\nupdate = "{}"'

SUITES = {
    "unknown key": suite("batch_size = 20", "batch_sise = 20", "batch_sise: unknown key (known: "),
    "wrong type": suite("batch_size = 20", 'batch_size = "20"', "batch_size: "),
    "batch size 0": suite("batch_size = 20", "batch_size = 0", "batch_size: "),
    "negative batch size": suite("batch_size = 20", "batch_size = -1", "batch_size: "),
    "negative seed": suite("batch_size = 20", "seed = -1", "seed: "),
    "alpha of 2": suite("batch_size = 20", "alpha = 2.0", "alpha: "),
    "unknown policy": suite("batch_size = 20", 'policy = "lenient"', "policy: "),
    "empty file": whole("", "images: field required"),
    "a byte order mark": Row(
        lambda project: (project.path / "tiny.toml").write_bytes(
            b"\xef\xbb\xbf" + (project.path / "tiny.toml").read_bytes()
        ),
        "",
        OK,
        4,
    ),
    "two bytes a letter": whole("alpha = 0.05".encode("utf-16"), "not TOML: it is UTF-16 text: save it as UTF-8"),
    "a page for a suite": whole(b"<html>404</html>", "not TOML: it is an HTML page, and not the file itself"),
    "no text": whole(b"\xff\xfe\x00", "not TOML: "),
    "no models": whole('[images]\nfile = "images.npz"\n[models]\n[attacks.a]\nattack = "FGSM"', "models: "),
    "no attacks": whole('[images]\nfile = "images.npz"\n[models.a]\nsource = "a:b"\n[attacks]', "attacks: "),
    "a model twice": suite("[models.large]", "[models.small]", "not TOML: "),
    "a key twice": suite("batch_size = 20", "batch_size = 20\nbatch_size = 20", "not TOML: "),
    "cyclic variants": added(
        f"{VARIANT.format('small', 'large')}\n{VARIANT.format('large', 'small')}",
        "variants: updates go round in a circle: ",
    ),
    "a variant twice": added("\n".join([VARIANT.format("small", "large")] * 2), "variants: a variant is named twice"),
    "a variant of itself": added(VARIANT.format("small", "small"), "variants: small is no variant of itself"),
    "a variant of nobody": added(VARIANT.format("small", "vast"), "variants: no model 'vast' in this suite"),
    "a group of nobody": added('[groups]\ng = ["vast"]', "groups.g: no model 'vast' in this suite"),
    "an empty group": added("[groups]\ng = []", "groups.g: "),
    "no attack's name": suite('attack = "FGSM"\n', "", "attacks.fgsm.attack: "),
    "unknown attack": suite('"FGSM"', '"FSGM"', "attacks.fgsm.attack: unknown attack 'FSGM' (known: "),
    "unknown parameter": suite("steps = 3", "step = 3", "attacks.pgd.step: unknown key (parameters: "),
    "negative epsilon": suite('"FGSM"\neps = 0.01', '"FGSM"\neps = -0.01', "attacks.fgsm.eps: -0.01 is not a number"),
    "infinite epsilon": suite('"FGSM"\neps = 0.01', '"FGSM"\neps = inf', "attacks.fgsm.eps: "),
    "half a step": suite("steps = 3", "steps = 2.5", "attacks.pgd.steps: 2.5 is not a whole number"),
    "a limit of 2": suite("steps = 3", "steps = 3\nmax_success_rate = 2.0", "attacks.pgd.max_success_rate: "),
    "a tolerance of nan": suite("time = 1e6", "time = nan", "tolerances.time: "),
    "a deviation of 0": added("[normalisation]\nstd = [0.0]", "normalisation.std.0: "),
    "a path for a name": suite("[models.small]", '[models."../small"]', "models.../small: "),
    "a line end in a name": suite("[models.small]", '[models."small\\n"]', "models.small"),
    "a line end at the start": suite("[models.small]", '[models."\\nsmall"]', "models."),
    "no image file": suite('"images.npz"', '"pictures.npz"', "images.file: no such file: "),
    "a folder of images": suite('"images.npz"', '"."', "images.file: no such file: "),
    "code for a source": suite("tinyzoo:small", "tinyzoo:small()", "models.small.source: "),
}

COMMANDS = {
    "unknown case": command("not found: ", "test_robustness.py::test_robustness[small/none]"),
    "unknown file": command("file or directory not found: none.py", "none.py"),
    "no case selected": command("4 deselected", "-k", "none", exit=NOTHING),
    "no case selected, recording": command("4 deselected", "-k", "none", "--update-baselines", exit=NOTHING),
    "unknown marker": command("", "-m", "none and", exit=USAGE),
    "half a candidate": command("--candidate small: should be MODEL=OTHER", "--candidate", "small"),
    "candidate for nobody": command("--candidate vast=small: no model 'vast' in ", "--candidate", "vast=small"),
    "candidate that is nobody": command("--candidate small=vast: 'vast' is no model of ", "--candidate", "small=vast"),
    "candidate without weights": command("no such file: ", "--candidate", "small=tinyzoo:large@none.pth"),
    "candidate that records": command(
        "--candidate cannot be combined with --update-baselines, ", "--candidate", "small=large", "--update-baselines"
    ),
    "two ways to record": command("give one of them", "--update-baselines", "--update-baselines-missing"),
    "unknown suite": command("--robustness-suite: no none.toml in ", "--robustness-suite", "none"),
    "unknown suite's file": command("none.toml: cannot be read: ", "--robustness-suite", "none.toml"),
}

ROWS: dict[str, Row] = SUITES | COMMANDS
