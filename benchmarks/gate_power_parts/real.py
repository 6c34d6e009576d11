"""False alarms, real: zoo models that nobody changed, measured again in other circumstances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.records.measurement import Measurement

from gate_power_parts.evidence import Side
from gate_power_parts.measuring import Lab, Task, by_change, comparable, in_order

#: Small and large, with and without batch norm, squeeze-and-excitation, branches.
MODELS = ("vgg11", "vgg16_bn", "mobilenet_v3_small", "inception_v3")
#: Only PGD draws a random start: FGSM and C&W have nothing to seed.
SEEDED = "pgd"
SEEDS = (1, 2, 3, 4)
ROUNDING = {
    "two threads": {"threads": 2},
    "contiguous memory": {"memory_format": "contiguous"},
    "older kernels": {"environment": (("ATEN_CPU_CAPABILITY", "default"), ("ONEDNN_MAX_CPU_ISA", "AVX"))},
}
SEED = "seed {}"


@dataclass(frozen=True)
class Remeasured:
    """One circumstance: cases, their verdicts' words, and how many images came out otherwise."""

    circumstance: str
    cases: int
    images: int
    outcomes: int
    efforts: int
    noises: int
    words: Counter[str]
    alarms: int


def tasks(models: tuple[str, ...], attacks: Mapping[str, object]) -> Iterator[Task]:
    for model in models:
        for change, how in ROUNDING.items():
            for attack in attacks:
                yield Task(change, model, attack, **how)
        for seed in SEEDS:
            yield Task(SEED.format(seed), model, SEEDED, seed=seed)


def measure(lab: Lab, models: tuple[str, ...]) -> dict[tuple[str, str], dict[str, Measurement]]:
    """By circumstance and model, then attack; judged against ``lab.baseline``."""
    return by_change(lab.measure(tasks(models, lab.suite.attacks)))


def remeasured(lab: Lab, found: Mapping[tuple[str, str], Mapping[str, Measurement]]) -> Iterator[Remeasured]:
    circumstances = [*ROUNDING, *(SEED.format(seed) for seed in SEEDS)]
    for name in circumstances:
        pairs = [
            (lab.baseline(model)[attack], now)
            for (circumstance, model), by_attack in found.items()
            if circumstance == name
            for attack, now in by_attack.items()
        ]
        verdicts = [judge(comparable(now, then), then, Rules.of(lab.suite.case(then.case))) for then, now in pairs]
        yield Remeasured(
            circumstance=name if name in ROUNDING else f"attack {name} (pgd only)",
            cases=len(pairs),
            images=sum(len(then.evidence.correct) for then, _ in pairs),
            outcomes=sum(_differing(then.evidence.success, now.evidence.success) for then, now in pairs),
            efforts=sum(_differing(then.evidence.effort or [], now.evidence.effort or []) for then, now in pairs),
            noises=sum(_differing(then.evidence.noise, now.evidence.noise) for then, now in pairs),
            words=Counter(verdict.status for verdict in verdicts),
            alarms=sum(not verdict.passed for verdict in verdicts),
        )


def _differing(before: list, after: list) -> int:
    return sum(a != b for a, b in zip(before, after, strict=True))


def seed_pairs(lab: Lab, found: Mapping[tuple[str, str], Mapping[str, Measurement]]) -> dict[str, tuple[Side, Side]]:
    """Each model measured with two seeds, all pairs of seeds."""
    pairs = {}
    for model in {model for _, model in found}:
        base = lab.baseline(model)
        again = [base | found[SEED.format(seed), model] for seed in SEEDS]
        sides = [Side.of(in_order(one, list(lab.suite.attacks))) for one in (base, *again)]
        for i, one in enumerate(sides):
            for j, other in enumerate(sides):
                if i != j:
                    pairs[f"{model} {i} {j}"] = (one, other)
    return dict(sorted(pairs.items()))
