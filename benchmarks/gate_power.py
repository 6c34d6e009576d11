"""What the gate's verdict is worth: false alarms and power, in figures.

``python benchmarks/gate_power.py`` prints them and writes the tables and the plot of docs/statistics.md. It needs the
zoo's baselines, two cores and less than 20 minutes. ``--quick`` tries everything in about a minute and writes nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for robustness_tests, also in the processes started from here

import pages  # noqa: E402
from gate_power_parts import attacks, page, planted, plot, real, simulated  # noqa: E402
from gate_power_parts.contrasts import contrasts  # noqa: E402
from gate_power_parts.evidence import Side  # noqa: E402
from gate_power_parts.measuring import PROCESSES, Lab, changed_environment  # noqa: E402
from gate_power_parts.rules import Gate  # noqa: E402
from pytest_robustness.suite.load import load_suite  # noqa: E402
from pytest_robustness.suite.suite import Tolerances  # noqa: E402

ZERO = Tolerances(success_rate=0.0, clean_accuracy=0.0, effort=0.0, noise_rate=0.0)
PLOTTED = (0.1, 0.3)
FIRST_TWO = (0, 1)  # FGSM and PGD: the attacks of the zoo that do not fool every image


@dataclass(frozen=True)
class Effort:
    """How much is done: runs of simulations, models, steps of training."""

    equal: int = 8000
    bare: int = 2000
    worst: int = 2000
    unchanged: int = 4000
    samples: int = 100
    real_models: tuple[str, ...] = real.MODELS
    changed_models: tuple[str, ...] = planted.MODELS
    steps: int = 300
    noises: tuple[float, ...] = (0.05, 0.1, 0.2)
    bits: tuple[int, ...] = (8, 4)
    discordances: tuple[float, ...] = simulated.DISCORDANCES
    images: tuple[int, ...] = simulated.IMAGES


QUICK = Effort(
    equal=80,
    bare=16,
    worst=16,
    unchanged=40,
    samples=4,
    real_models=(),
    changed_models=(),
    discordances=(0.1,),
    images=(100, 1000),
)


@dataclass(frozen=True)
class Bench:
    """What every part needs."""

    lab: Lab
    gate: Gate
    sides: dict[str, Side]
    pool: ProcessPoolExecutor
    effort: Effort
    docs: Path | None
    scratch: Path

    def show(self, name: str, text: str) -> None:
        pages.shown(f"gate_power: {name}", text, self.docs and self.docs / "statistics.md")


def equal_models(bench: Bench) -> None:
    """False alarms of changed models that are as robust as before."""
    like = bench.lab.baseline(next(iter(bench.sides)))
    gate, effort = bench.gate, bench.effort
    found = simulated.equal_models(bench.pool, gate, like, bench.sides, effort.images, effort.equal)
    bare = Gate.of(gate.suite.model_copy(update={"tolerances": ZERO}), like)
    sizes = [images for images in effort.images if images <= 1000]
    without = simulated.equal_models(bench.pool, bare, like, bench.sides, sizes, effort.bare, seed=3)
    bench.show("equally robust", page.equal(found, without))
    worst = simulated.worst_pairs(bench.pool, gate, like, bench.sides, found[1000], 1000, effort.worst)
    bench.show("worst pairs", page.worst(worst))


def unchanged_models(bench: Bench) -> None:
    """False alarms of models that nobody changed, measured again and simulated."""
    models = tuple(model for model in bench.effort.real_models if model in bench.lab.suite.models)
    if not models:
        print("\nunchanged models: skipped")
        return
    found = real.measure(bench.lab, models)
    bench.show("measured again", page.real(real.remeasured(bench.lab, found)))
    pairs = real.seed_pairs(bench.lab, found)
    like = bench.lab.baseline(models[0])
    counts = simulated.unchanged_models(
        bench.pool, bench.gate, like, pairs, bench.effort.images, bench.effort.unchanged
    )
    bench.show("unchanged", page.unchanged(counts))


def power(bench: Bench) -> None:
    """Power of a case and of the pooled test, by the size of the change."""
    names = list(bench.sides)
    pairs = [(bench.sides[a], bench.sides[b]) for i, a in enumerate(names) for b in names[i + 1 :]]
    latent, observed = attacks.latent_correlation(pairs, FIRST_TWO)
    rules = bench.gate.case[next(iter(bench.gate.case))]
    tolerance = rules.tolerances.success_rate
    levels = simulated.Levels(rules.level, bench.gate.pooled.level, tolerance, latent)
    bench.show("zoo", page.contrasts(contrasts(bench.sides)))
    bench.show(
        "correlation",
        f"FGSM's and PGD's changes of outcome have a correlation of {observed:.2f} over all pairs of zoo models.",
    )
    setups = [(images, discordance) for images in bench.effort.images for discordance in bench.effort.discordances]
    found = [bench.pool.submit(simulated.smallest, levels, *setup) for setup in setups]
    shifts = tuple(i / 400 for i in range(33))
    drawn = [
        bench.pool.submit(simulated.curves, levels, shifts, images, discordance)
        for images, discordance in setups
        if discordance in PLOTTED
    ]
    bench.show("smallest change", page.smallest(one.result() for one in found))
    curves = [one.result() for one in drawn]
    if bench.docs:
        plot.draw(curves, bench.docs / "gate_power.svg")


def planted_changes(bench: Bench) -> None:
    """Power against real changes of zoo models."""
    from gate_power_parts import changes

    from robustness_tests.zoo import cifar10

    data = cifar10.cache_folder() / "cifar10.npz"
    effort = bench.effort
    trainings = changes.trainings(effort.steps, data)
    if not trainings:
        print(f"\ntrained-on models: skipped, no {data}")
    cheap = changes.perturbations(effort.noises) | changes.quantisations(effort.bits)
    files = planted.weights(cheap, effort.changed_models, bench.scratch, bench.pool)
    files |= planted.weights(trainings, effort.changed_models[:1], bench.scratch, bench.pool)
    pairs = planted.batch_norm(bench.lab) | planted.measured(bench.lab, files)
    runs = {images: effort.samples for images in effort.images if images <= 1000}
    found = list(planted.judged(bench.gate, pairs, runs, bench.pool))
    bench.show("planted", page.planted(found))
    bench.show("caught", page.caught(found))


PARTS = {"equal": equal_models, "power": power, "planted": planted_changes, "unchanged": unchanged_models}


def main() -> None:
    arguments = parsed()
    started = time.monotonic()
    suite = load_suite(arguments.suite)
    lab = Lab(suite, arguments.baselines, arguments.cache)
    sides = {model: Side.of(lab.baseline(model)) for model in suite.models}
    gate = Gate.of(suite, lab.baseline(next(iter(suite.models))))
    docs = None if arguments.quick else arguments.docs
    effort = QUICK if arguments.quick else Effort()
    spawn = get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as scratch,
        changed_environment(()),
        ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool,
    ):
        bench = Bench(lab, gate, sides, pool, effort, docs, Path(scratch))
        for part in arguments.part or PARTS:
            PARTS[part](bench)
    print(f"\n{time.monotonic() - started:.0f} s")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few runs, no measuring; writes nothing")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only this, and those also given so")
    parser.add_argument("--suite", type=Path, default=ROOT / "robustness_tests/zoo.toml")
    parser.add_argument("--baselines", type=Path, default=ROOT / "baselines", help="(default: %(default)s)")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="(default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="a folder for measurements, to go on where a run was interrupted")
    return parser.parse_args()


if __name__ == "__main__":
    main()
