"""Runs of a suite like the zoo, made up but drawn from nothing but a seed: as many cases and images as asked for."""

from pathlib import Path

import numpy as np
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.model_verdict import judge_models
from pytest_robustness.gate.pairing import Lists, pair
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.records.gallery import Gallery, Guess, Picture
from pytest_robustness.records.image_list import ImageSetId
from pytest_robustness.records.measurement import Measurement, Timing
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.report.build import Run, build
from pytest_robustness.report.data import Report
from pytest_robustness.suite.suite import Case, Suite

FAMILIES = {
    "vgg": [f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")],
    "inception": ["inception_v3", "inception_v4", "inception_resnet_v2"],
    "mobilenet": ["mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"],
}
#: Of each attack: success rate, noise rate, steps, share of steps used, time.
ATTACKS = {"fgsm": (0.6, 5e-3, 1, 1.0, 1.1), "pgd": (0.8, 5e-3, 10, 0.4, 5.5), "cw": (0.99, 6e-4, 50, 0.2, 15.0)}
#: A PNG of one grey pixel.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
HOSTILE = "<script>alert(1)</script> \"quoted\" | 'single' `tick` & \x1b[31mred\x1b[0m\nnext line 模型 עברית @team"


def suite(
    folder: Path, families: dict[str, list[str]] = FAMILIES, group: str = "batch norm", **tables: object
) -> Suite:
    """Without weights: nothing here is ever loaded."""
    images = folder / "images.npz"
    images.touch()
    models = [model for family in families.values() for model in family]
    variants = [{"base": base, "update": f"{base}_bn", "group": group} for base in models if f"{base}_bn" in models]
    attacks = {
        name: {"attack": "CW" if name == "cw" else name.upper(), **({} if name == "cw" else {"eps": 0.01})}
        for name in ATTACKS
    }
    return Suite.model_validate(
        {
            "path": folder / "zoo.toml",
            "images": {"file": images},
            "models": {name: {"source": f"zoo:{name}"} for name in models},
            "attacks": attacks,
            "groups": families,
            "variants": variants,
            **tables,
        }
    )


def measurement(
    case: Case, images: int = 200, worse: float = 0.0, seed: int = 0, digest: str = "before"
) -> Measurement:
    """The same images fall in every call, and ``worse`` of the others as well."""
    key = [seed, *case.id.encode()]
    fate = np.random.default_rng(key).random(images)
    rest = np.random.default_rng([*key, 1])
    name = case.attack_name if case.attack_name in ATTACKS else "pgd"
    rate, noise, steps, used, time = ATTACKS[name]
    rate = min(0.999, rate + 0.1 * np.sin(sum(case.model_name.encode())))
    if name == "pgd":
        rate = min(0.999, rate * (0.5 + 50 * float(case.attack.parameters.get("eps", 0.01))))
    fooled = (fate < rate) | (rest.random(images) < worse)
    noises = np.round(noise * rest.gamma(8, 1 / 8, images), 6)
    efforts = np.minimum(rest.poisson(steps * used * (1 - worse), images), steps)
    right = np.random.default_rng([seed, *case.model_name.encode()]).random(images) < 0.81
    return Measurement(
        case=case.id,
        budget=steps,
        timing=Timing(seconds_per_attempt=2e-3 * time, gradient_units=time, unit_spread=0.05, rounds=10),
        images=ImageSetId(count=images, digest="a" * 64),
        unselected=ImageSetId(count=images, digest="b" * 64),
        protocol=Protocol(
            attack=f"torchattacks:{case.attack.attack}",
            parameters=case.attack.parameters,
            stop="first-success",
            shape=[3, 32, 32],
            seed=0,
            dtype="float32",
        ),
        provenance=Provenance(
            device="a CPU",
            device_kind="cpu",
            model=case.model.source,
            weights_digest=digest * 8,
            code_digest="code" * 8,
            plugin="0.1.0",
            torch="2.14.1",
            attacks="torchattacks 3.5.1",
        ),
        evidence=Evidence(
            correct=[1] * images,
            success=fooled.astype(int).tolist(),
            effort=[int(e) if f else steps + 1 for e, f in zip(efforts, fooled, strict=True)],
            noise=[float(n) if f else None for n, f in zip(noises, fooled, strict=True)],
            unselected_correct=right.astype(int).tolist(),
        ),
    )


def run(of: Suite, worse: dict[str, float] | None = None, only: list[str] | None = None, **more: object) -> Run:
    """``worse`` says by case how much, ``only`` which cases were run; ``more`` replaces what a run has."""
    worse = worse or {}
    cases = [case for case in of.cases() if only is None or case.id in only]
    troubles = more.get("troubles", {})
    then = {case.id: measurement(case) for case in cases}
    now = {
        case.id: measurement(case, worse=worse[case.id], digest="after") if case.id in worse else then[case.id]
        for case in cases
        if case.id not in troubles
    }
    values: dict[str, object] = {
        "suite": of,
        "title": of.name,
        "recording": "none",
        "candidate": None,
        "command": "pytest robustness_tests",
        "rerun": "pytest robustness_tests/test_robustness.py",
        "commit": "c" * 40,
        "measurements": now,
        "verdicts": {case: judge(one, then[case], Rules.of(of.case(case))) for case, one in now.items()},
        "tests": {case.id: f"robustness_tests/test_robustness.py::test_robustness[{case.id}]" for case in cases},
        "pooled": judge_models(of, {case: pair(then[case], one, Lists()) for case, one in now.items()}, Lists()),
    }
    return Run(**values | more)


def report(of: Suite, worse: dict[str, float] | None = None, only: list[str] | None = None, **more: object) -> Report:
    return build(run(of, worse, only, **more))


def gallery(case: str, label: str = "cat", pictures: int = 6, png: str = PNG) -> Gallery:
    before, after = Guess(label=label, confidence=0.98, truth=0.98), Guess(label="dog", confidence=0.61, truth=0.3)
    return Gallery(
        case=case,
        factor=50.0,
        size=(32, 32),
        pictures=[
            Picture(
                image=i,
                why="worst" if i < 3 else "typical",
                label=label,
                before=before,
                after=after,
                noise_rate=0.005,
                effort=i,
                clean=png,
                adversarial=png,
                perturbation=png,
            )
            for i in range(pictures)
        ],
    )
