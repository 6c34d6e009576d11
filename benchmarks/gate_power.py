"""What the gate's verdict is worth: false alarms and power, in figures.

``python benchmarks/gate_power.py`` prints them and writes the tables and the plot of docs/statistics.md. It needs the
zoo's baselines, two cores and less than 25 minutes. ``--share 0.2`` makes a fifth of the simulated runs, ``--quick``
tries everything that measures nothing, in a few minutes, and writes nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for robustness_tests, also in the processes started from here

import pages  # noqa: E402
from gate_power_parts import attacks, page, planted, plot, real, simulated  # noqa: E402
from gate_power_parts.contrasts import contrasts  # noqa: E402
from gate_power_parts.evidence import Side  # noqa: E402
from gate_power_parts.measuring import PROCESSES, Lab, changed_environment  # noqa: E402
from gate_power_parts.null import CERTAIN, ONE, THREE, TWELVE, World  # noqa: E402
from gate_power_parts.sampling import Universe  # noqa: E402
from pytest_robustness.gate.store import BaselineStore  # noqa: E402
from pytest_robustness.suite.load import load_suite  # noqa: E402

PLOTTED = (0.1, 0.3)
FIRST_TWO = (0, 1)  # FGSM and PGD: the attacks of the zoo that do not fool every image
#: Attacks of the zoo that are simulated: its worst case is made of one of them and would be nearly its twin.
ATTACKS = ("fgsm", "pgd", "cw")


@dataclass(frozen=True)
class Effort:
    """How much is done: runs of a cell of each simulation by its attacks, models, steps of training."""

    level: Mapping[str, int] = field(default_factory=lambda: {ONE: 1000, THREE: 3000, TWELVE: 500})
    rise: Mapping[str, int] = field(default_factory=lambda: {ONE: 1000, THREE: 600, CERTAIN: 300, TWELVE: 200})
    collapse: Mapping[str, int] = field(default_factory=lambda: {THREE: 300, TWELVE: 150})
    unchanged: int = 500
    samples: int = 40
    real_models: tuple[str, ...] = real.MODELS
    changed_models: tuple[str, ...] = planted.MODELS
    steps: int = 300
    noises: tuple[float, ...] = (0.05, 0.1, 0.2)
    bits: tuple[int, ...] = (8, 4)
    discordances: tuple[float, ...] = simulated.DISCORDANCES
    images: tuple[int, ...] = simulated.IMAGES

    def times(self, share: float) -> Effort:
        """With a share of the simulated runs, at least 8 of each."""

        def some(runs: Mapping[str, int]) -> Mapping[str, int]:
            return {name: max(8, round(share * number)) for name, number in runs.items()}

        simulated_runs = {name: some(getattr(self, name)) for name in ("level", "rise", "collapse")}
        return replace(self, unchanged=max(8, round(share * self.unchanged)), **simulated_runs)


QUICK = replace(
    Effort().times(0.0),
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
    world: World
    pool: ProcessPoolExecutor
    effort: Effort
    docs: Path | None
    scratch: Path

    def show(self, name: str, text: str) -> None:
        pages.shown(f"gate_power: {name}", text, self.docs and self.docs / "statistics.md")


def levels(bench: Bench) -> None:
    """False alarms of changed models that are as robust as before."""
    runs = {cell: bench.effort.level[cell.attacks] for cell in simulated.level_cells()}
    found = simulated.counts(bench.pool, bench.world, runs)
    bench.show("levels", page.levels(found))
    bench.show("equally robust", page.equal(found))


def rises(bench: Bench) -> None:
    """Power against a rise of success, under all attacks or one."""
    runs = {cell: bench.effort.rise[cell.attacks] for cell in simulated.rise_cells()}
    bench.show("rises", page.rises(simulated.counts(bench.pool, bench.world, runs)))


def collapses(bench: Bench) -> None:
    """Power against the collapse of one class under one attack."""
    world = bench.world
    runs = {cell: bench.effort.collapse[cell.attacks] for cell in simulated.collapse_cells(world)}
    found = simulated.counts(bench.pool, world, runs)
    needed = {cell: simulated.images_of_a_class(world, cell, one.total / one.runs) for cell, one in found.items()}
    bench.show("collapses", page.collapses(found, needed))


def unchanged_models(bench: Bench) -> None:
    """False alarms of models that nobody changed, measured again and simulated."""
    models = tuple(model for model in bench.effort.real_models if model in bench.lab.suite.models)
    if not models:
        print("\nunchanged models: skipped")
        return
    found = real.measure(bench.lab, models)
    bench.show("measured again", page.real(real.remeasured(bench.lab, found)))
    pairs = real.seed_pairs(bench.lab, found)
    sizes = simulated.SIMULATED
    counts = simulated.unchanged_models(bench.pool, bench.world, pairs, sizes, bench.effort.unchanged)
    bench.show("unchanged", page.unchanged(counts))


def power(bench: Bench) -> None:
    """Power of a case and of the pooled test, by the size of the change."""
    world = bench.world
    pairs = [(world.sides[one], world.sides[other]) for one, other in world.pairs]
    latent, observed = attacks.latent_correlation(pairs, FIRST_TWO)
    suite = world.gate(ATTACKS).suite
    case = suite.alpha * next(suite.cases()).weight
    levels = simulated.Levels(case, suite.pooled_level, suite.tolerances.success_rate, latent)
    bench.show("zoo", page.contrasts(contrasts(world.sides)))
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
    found = list(planted.judged(bench.world, pairs, runs, bench.pool))
    bench.show("planted", page.planted(found))
    bench.show("caught", page.caught(found))


PARTS = {
    "levels": levels,
    "rises": rises,
    "collapses": collapses,
    "power": power,
    "planted": planted_changes,
    "unchanged": unchanged_models,
}


def main() -> None:
    arguments = parsed()
    started = time.monotonic()
    suite = load_suite(arguments.suite)
    suite = suite.model_copy(update={"attacks": {name: suite.attacks[name] for name in ATTACKS}, "ensembles": {}})
    lab = Lab(suite, arguments.baselines, arguments.cache)
    docs = None if arguments.quick else arguments.docs
    effort = QUICK if arguments.quick else Effort().times(arguments.share)
    spawn = get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as scratch,
        changed_environment(()),
        ProcessPoolExecutor(arguments.processes, mp_context=spawn) as pool,
    ):
        bench = Bench(lab, world(lab), pool, effort, docs, Path(scratch))
        for part in arguments.part or PARTS:
            before = time.monotonic()
            PARTS[part](bench)
            print(f"\n{part}: {time.monotonic() - before:.0f} s", flush=True)
    print(f"\n{time.monotonic() - started:.0f} s")


def world(lab: Lab) -> World:
    """The zoo's baselines, with the lists of their images."""
    store = BaselineStore(lab.baselines, lab.suite.name)
    measured = {model: lab.baseline(model) for model in lab.suite.models}
    like = next(iter(measured.values()))
    one = next(iter(like.values()))
    blind = one.unselected
    assert blind is not None, "the zoo has images for clean accuracy"
    universe = Universe(store.image_list(one.images.digest), store.image_list(blind.digest))
    return World(lab.suite, {model: Side.of(found) for model, found in measured.items()}, like, universe)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few runs, no measuring; writes nothing")
    parser.add_argument("--share", type=float, default=1.0, help="of the simulated runs that are made")
    parser.add_argument("--processes", type=int, default=PROCESSES, help="for simulations (default: %(default)s)")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only this, and those also given so")
    parser.add_argument("--suite", type=Path, default=ROOT / "robustness_tests/zoo.toml")
    parser.add_argument("--baselines", type=Path, default=ROOT / "baselines", help="(default: %(default)s)")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="(default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="a folder for measurements, to go on where a run was interrupted")
    return parser.parse_args()


if __name__ == "__main__":
    main()
