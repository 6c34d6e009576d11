"""Real weights and photographs, through the suite's path and through a plain script that shares no code with it.

    python benchmarks/imagenet_agreement.py WEIGHTS.pth FOLDER

WEIGHTS is torchvision's mobilenet_v2-b0353104.pth, FOLDER has photographs in folders named by wnid. Where the protocol
is the same (torchattacks' own attacks, every step on every image; and FGSM of this package with the textbook's loss),
images, successes and noise have to agree, or the exit status is 1. The attacks as the shipped suites run them are shown
below.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.evaluate.trial import Stopwatch
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.load import load_suite

PLAIN = Path(__file__).with_name("imagenet_plain.py")
#: Stored noise rates are rounded to six digits.
NOISE = 1e-6
#: Attacks of the suite that have to agree with one of the script.
SAME = {"fgsm": "fgsm", "pgd": "pgd", "cw": "cw", "fgsm-textbook": "fgsm"}
ALSO = "fgsm-textbook,fgsm-shipped,pgd-shipped,cw-shipped"

SUITE = """\
batch_size = 32

[images]
folder = {folder}
classes = "imagenet-1k"

[models.mobilenet_v2]
source = "torchvision:mobilenet_v2"
weights = {weights}

[attacks.fgsm]
attack = "torchattacks:FGSM"
eps = 0.01
stop = "full"

[attacks.pgd]
attack = "torchattacks:PGD"
eps = 0.01
alpha = 0.0025
steps = 10
random_start = true
stop = "full"

[attacks.cw]
attack = "torchattacks:CW"
c = 1
kappa = 0
steps = 50
lr = 0.01

[attacks.fgsm-textbook]
attack = "FGSM"
eps = 0.01
loss = "cross-entropy"

[attacks.fgsm-shipped]
attack = "FGSM"
eps = 0.01

[attacks.pgd-shipped]
attack = "PGD"
eps = 0.01
alpha = 0.0025
steps = 10
random_start = true
stop = "first-success"

[attacks.cw-shipped]
attack = "CW"
c = 1
kappa = 0
steps = 50
lr = 0.01
patience = 3
stop = "patience"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1_000_000, metavar="N", help="the first N (default: all)")
    parser.add_argument("--attacks", default="fgsm,pgd,cw", help="that both paths run (default: %(default)s)")
    parser.add_argument("--also", default=ALSO, help="of the suite (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    weights, folder = arguments.weights.resolve(), arguments.folder.resolve()
    command = [sys.executable, str(PLAIN), str(weights), str(folder), str(arguments.images), arguments.attacks]
    plain = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "agreement.toml")
        path.write_text(SUITE.format(folder=json.dumps(str(folder)), weights=json.dumps(str(weights))))
        suite = load_suite(path)
        names = filter(None, [*arguments.attacks.split(","), *arguments.also.split(",")])
        ours = {
            name: evaluate(suite.case(f"mobilenet_v2/{name}"), stopwatch=Stopwatch(arguments.images)) for name in names
        }
    print("| attack | | clean accuracy | success | noise rate | images that differ | largest difference of noise |")
    print("|---|---|--:|--:|--:|--:|--:|")
    agreed = True
    for name, measurement in ours.items():
        print(row(name, "suite", *rates(measurement)))
        found = plain.get(SAME.get(name))
        if found:
            differing, largest = difference(measurement, found)
            agreed &= differing == 0 and largest <= NOISE
            print(row(name, "plain", *plain_rates(found)) + f" {differing} | {largest:.1e} |")
    return 0 if agreed else 1


def row(name: str, path: str, accuracy: float, success: float, noise: float) -> str:
    return f"| {name} | {path} | {accuracy:.2%} | {success:.2%} | {noise:.6f} |" + ("" if path == "plain" else " | |")


def rates(measurement: Measurement) -> tuple[float, float, float]:
    found = measurement.aggregates
    return found.attempts / found.images, found.success_rate or 0.0, found.noise_rate or 0.0


def plain_rates(found: dict[str, list[float]]) -> tuple[float, float, float]:
    correct, success = sum(found["correct"]), sum(found["success"])
    noise = sum(value for value, fooled in zip(found["noise"], found["success"], strict=True) if fooled)
    return correct / len(found["correct"]), success / correct, noise / success


def difference(measurement: Measurement, found: dict[str, list[float]]) -> tuple[int, float]:
    """Images that are correct or a success on one side only, and the largest difference of a noise rate."""
    evidence = measurement.evidence
    pairs = zip(evidence.correct, evidence.success, found["correct"], found["success"], strict=True)
    differing = sum((a, b) != (c, d) for a, b, c, d in pairs)
    noise = zip(evidence.noise, found["noise"], strict=True)
    return differing, max(abs(ours - theirs) for ours, theirs in noise if ours is not None)


if __name__ == "__main__":
    sys.exit(main())
