"""A verdict or a report that does not follow from the evidence beside it: `verify` tells which part of it."""

import json

import pytest

from tests.cli.bundles import CASES, FOLLOWS, FOLLOWS_NOT, here, repacked, sound, told
from tests.gate.examples import SUITE

__all__ = ["here", "sound", "told"]  # fixtures
LOOSE = "\n".join(f"{one} = 10.0" for one in ("success_rate", "robust_accuracy", "effort", "noise_rate", "time"))


def tamed(sound) -> dict[str, bytes]:
    """The run's measurements, replaced by those of the baselines."""
    return {f"run/s/{case}.json": sound.files[f"baselines/s/{case}.json"] for case in CASES}


def reported(sound, what: str, **changes: object) -> bytes:
    """A bundle with a forged report: other values in each entry of a list of it, or at its top."""
    data = json.loads(sound.files["report.json"])
    for one in data[what] if isinstance(data.get(what), list) else [data[what] if what else data]:
        one.update(changes)
    return repacked(sound, files={"report.json": json.dumps(data).encode()})


def row_twice(sound) -> bytes:
    rows = json.loads(sound.files["report.json"])["cases"]
    return reported(sound, "", cases=[{**rows[0], "word": "same", "failed": False}, *rows])


def other_version(sound) -> bytes:
    """The report as another version might have written it: in other words, and without what it did not know."""
    data = json.loads(sound.files["report.json"])
    data["provenance"]["plugin"] = "0.0.1"
    data["sentence"] = "It got worse."
    for case in data["cases"]:
        case["reason"] = "worse"
        del case["diagnosis"], case["gradients"]
    return json.dumps(data, separators=(",", ":")).encode()


#: What a report can say that its evidence does not, whatever case, status and counts it states.
FORGED = {
    "rate": (
        lambda s: reported(s, "cases", success_rate={"value": 0.01, "interval": [0.0, 0.02]}),
        "a/fgsm: success rate: it says ",
    ),
    "failed": (lambda s: reported(s, "cases", failed=False), "a/fgsm: failed: it says False"),
    "reason": (lambda s: reported(s, "cases", reason="all is well"), "a/pgd: reason: it says 'all is well'"),
    "metrics": (lambda s: reported(s, "cases", metrics=[]), "a/fgsm: metrics: it says []"),
    "diagnosis": (lambda s: reported(s, "cases", diagnosis=None), "a/fgsm: diagnosis: it says None"),
    "sentence": (lambda s: reported(s, "", sentence="Everything passed."), "its sentence is not that of its cases"),
    "weights": (lambda s: reported(s, "models", weights_digest="f" * 64), "a: weights digest: it says 'fff"),
    "accuracy": (
        lambda s: reported(s, "models", clean_accuracy={"value": 1.0, "interval": None}),
        "a: clean accuracy: it says",
    ),
    "parameters": (lambda s: reported(s, "attacks", parameters={"eps": 9.0}), "attacks: it says"),
    "rules": (lambda s: reported(s, "judging", alpha=1e-9), "judging: it says"),
    "candidate": (lambda s: reported(s, "", candidate="x=y"), "candidate: it says 'x=y'"),
    "device": (lambda s: reported(s, "provenance", devices=["another"]), "devices: it says ['another']"),
    "a row twice": (row_twice, "a/fgsm: it has 2 rows of it"),
    "a row of nothing": (
        lambda s: reported(
            s,
            "",
            cases=[
                *json.loads(s.files["report.json"])["cases"],
                {"case": "a/cw", "model": "a", "attack": "cw", "word": "same", "failed": False, "reason": "a/cw: same"},
            ],
        ),
        "a/cw: it has a row of it, and the evidence has none",
    ),
    "another version": (
        lambda s: repacked(s, files={"report.json": other_version(s).replace(b'"after":0.6', b'"after":0.1')}),
        "a/fgsm: metrics: it says",
    ),
}
LIES = {
    **FORGED,
    "unused": (
        lambda s: repacked(s, files={"baselines/s/b/pgd.json": b"x"}),
        "baselines/s/b/pgd.json: nothing of the suite needs it",
    ),
    "outcome": (
        lambda s: repacked(s, outcome="passed"),
        "the bundle states that the run passed, and by its evidence it failed",
    ),
    "status": (
        lambda s: repacked(s, cases={**s.manifest.cases, "a/pgd": "same"}),
        "a/pgd: the bundle states same, and by its evidence it is regressed",
    ),
    "a case less": (lambda s: repacked(s, cases={"a/pgd": "regressed"}), "a/fgsm: the bundle states nothing"),
    "versions": (lambda s: repacked(s, versions={}), "the versions that the bundle states"),
    "evidence": (
        lambda s: repacked(s, files=tamed(s)),
        "a/fgsm: the bundle states regressed, and by its evidence it is same",
    ),
    "report": (
        lambda s: repacked(s, files={"report.json": s.files["report.json"].replace(b'"regressed"', b'"same"')}),
        "report.json: a/fgsm: it says same, and by the evidence it is regressed",
    ),
    "counts": (
        lambda s: repacked(
            s, files={"report.json": s.files["report.json"].replace(b'"successes": 40', b'"successes": 10')}
        ),
        "report.json: a/fgsm: it says 10 of 60 attempts on 60 images were fooled, and the evidence 40 of 60",
    ),
    "passed": (
        lambda s: repacked(
            s, files={"report.json": s.files["report.json"].replace(b'"passed": false', b'"passed": true', 1)}
        ),
        "report.json: it says that the run passed",
    ),
    "suite": (lambda s: repacked(s, files={"s.toml": b"nonsense"}), "s.toml: "),
    "looser": (
        lambda s: repacked(s, files={"s.toml": f"[tolerances]\n{LOOSE}\n{SUITE}".encode()}),
        "a/fgsm: the bundle states regressed",
    ),
    "damaged": (lambda s: repacked(s, files={"run/s/a/pgd.json": b"{}"}), "run: "),
    "no run": (lambda s: repacked(s, files={"run/s/run.json": b"{}"}), "run: s/run.json"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_verdict_that_does_not_follow_is_told(here, told, sound, lie):
    make_lie, said = LIES[lie]
    (here / "x.zip").write_bytes(make_lie(sound))
    status, lines = told("verify", "x.zip")
    assert status == FOLLOWS_NOT
    assert any(line.startswith("does not follow: ") and said in line for line in lines), lines
    assert not any("the verdict follows" in line for line in lines)
    assert not any("/tmp" in line for line in lines)


def test_another_version_may_have_other_words_and_not_other_numbers(here, told, sound):
    (here / "x.zip").write_bytes(repacked(sound, files={"report.json": other_version(sound)}))
    status, lines = told("verify", "x.zip")
    assert status == FOLLOWS
    assert "note: report.json is of version 0.0.1: only its numbers are compared, and none of its words" in lines
