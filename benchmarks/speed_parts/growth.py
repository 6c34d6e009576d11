"""How the cost of a case grows with its images, its steps and its model: ``python -m speed_parts.growth SUITE``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pytest_robustness.suite.attack import Attack
from pytest_robustness.suite.suite import Suite

MODELS = ("vgg11", "vgg19", "mobilenet_v3_small")
IMAGES, STEPS = (250, 500, 1000), (5, 10, 20, 40)


def cases(suite: Suite) -> Iterator[tuple[str, str, Suite, str, int]]:
    """What changes, to what, in a table's words; a suite, one of its cases, and its images."""
    for count in IMAGES:
        for attack in ("fgsm", "pgd", "cw"):
            yield f"vgg11, {attack}", f"{count} images", suite, f"vgg11/{attack}", count
    for steps in STEPS:
        for stop in ("full", "first-success"):
            pgd = suite.attacks["pgd"]
            attack = Attack(attack="PGD", stop=stop, **{**pgd.parameters, "steps": steps})
            changed = suite.model_copy(update={"attacks": {"pgd": attack}})
            yield f"vgg11, pgd, {stop}", f"{steps} steps", changed, "vgg11/pgd", IMAGES[0]
    for name in MODELS:
        yield "pgd", name, suite, f"{name}/pgd", IMAGES[0]


def main(path: Path) -> None:
    import torch
    from pytest_robustness.evaluate.measure import evaluate
    from pytest_robustness.evaluate.trial import Stopwatch
    from pytest_robustness.suite.load import load_suite

    torch.set_num_threads(1)
    suite = load_suite(path)
    evaluate(suite.case("vgg11/fgsm"), stopwatch=Stopwatch(100))  # what is imported and chosen once
    for what, to, changed, case, count in cases(suite):
        started = time.process_time()
        found = evaluate(changed.case(case), stopwatch=Stopwatch(count))
        spent = time.process_time() - started
        row = {"what": what, "to": to, "cpu": spent, "images": count, "units": found.gradient_units}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
