"""The table of rules: which pattern the facts of a regressed case have, and what usually looks like that.

The first rule that fits is taken. What a rule says it sees, the facts show. Its causes are no findings: they are the
usual ones, each with what to try.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_robustness.gate.diagnosis.facts import Facts
from pytest_robustness.records.verdict import Status


@dataclass(frozen=True)
class Rule:
    """Holds one row of the table.

    Attributes:
        name: the rule's name, stored with the diagnosis.
        fits: whether the facts have the pattern.
        pattern: what it sees, without a full stop.
        causes: the three usual causes, each with what to try.
    """

    name: str
    fits: Callable[[Facts], bool]
    pattern: str
    causes: tuple[str, str, str]


def _all(facts: Facts) -> bool:
    return len(facts.compared) > 1 and set(facts.regressed) == set(facts.compared)


def _clean(facts: Facts, outcome: str) -> bool:
    return facts.clean is not None and facts.clean.outcome == outcome


def _steps(facts: Facts, *, one_step_only: bool) -> bool:
    """Return whether attacks of one step and of several differ: those of one kind regressed, all others did not."""
    kinds = {attack: facts.one_step(attack) for attack in facts.compared}
    worse = {kinds[attack] for attack in facts.regressed}
    same = {kinds[attack] for attack in facts.compared if attack not in facts.regressed}
    return worse == {one_step_only} and same == {not one_step_only}


RULES = (
    Rule(
        "environment",
        lambda facts: facts.verdict.status == Status.DRIFTED,
        "the model is the same by its digests, so what changed is around it",
        (
            "another version of torch, the driver or a library: run with the baseline's versions",
            "another device, instruction set or number of threads: run on the baseline's device",
            "a file or an array that the model's code reads and no digest sees: compare what it reads",
        ),
    ),
    Rule(
        "nothing right",
        lambda facts: not any(facts.pair.current.evidence.correct),
        "the model is wrong about every attacked image before any attack",
        (
            "another preprocessing or order of channels: compare normalisation with the training's",
            "another order of classes: compare the labels of a few images by hand",
            "weights that were not loaded, or only in part: compare the weights file and its keys",
        ),
    ),
    Rule(
        "masked",
        lambda facts: bool(facts.verdict.doubts),
        "a masking check fails, so the model may be weaker still than the attack could show",
        (
            "an operation without a useful gradient, such as rounding or a detach: give it one, or attack without it",
            "logits so large, or so flat, that the loss saturates: use a margin loss, or a smaller temperature",
            "randomness or state in the forward: fix the seed, and keep the model in eval mode",
        ),
    ),
    Rule(
        "accuracy fell",
        lambda facts: _clean(facts, "regressed"),
        "clean accuracy fell too, so the model got worse as a whole",
        (
            "training that stopped early or diverged: compare loss and accuracy with the earlier run's",
            "pruning or quantisation that went too far: remove less, or fine-tune afterwards",
            "preprocessing that differs from the training's: compare normalisation and size",
        ),
    ),
    Rule(
        "accuracy rose",
        lambda facts: _clean(facts, "improved"),
        "clean accuracy rose while the model became easier to attack",
        (
            "fine-tuning without adversarial images or noise: put them back into the training",
            "less regularisation or augmentation: compare weight decay, dropout and augmentation",
            "more training on the same images: try an earlier checkpoint",
        ),
    ),
    Rule(
        "one slice",
        lambda facts: facts.concentration is not None,
        "the lost images are concentrated in one part of the set",
        (
            "fewer or mislabelled training images of that part: look at what changed in the training set",
            "class weights, sampling or augmentation that treat that part otherwise: compare them",
            "a new class or preprocessing that comes close to that part: look at what its images are taken for now",
        ),
    ),
    Rule(
        "nearer",
        lambda facts: bool(facts.nearer),
        "the decision boundary came nearer to the images",
        (
            "less regularisation or augmentation: compare weight decay, dropout, augmentation and label smoothing",
            "another architecture, such as an added batch norm or another activation: try the change by itself",
            "pruning, quantisation or fine-tuning that shrank margins: fine-tune with noise or adversarial images",
        ),
    ),
    Rule(
        "sooner",
        lambda facts: bool(facts.worse) and facts.worse <= {"effort", "work", "time"},
        "the attack needs less work, and its success rate did not get worse beyond chance and tolerance",
        (
            "a success rate near 0 or 100 %, which can hardly move: add an attack with a smaller or larger epsilon",
            "margins that shrank a little: measure distances with FMN",
            "a loss surface that became smoother: run the masking checks on both models",
        ),
    ),
    Rule(
        "less noise",
        lambda facts: facts.worse == {"noise rate"},
        "only the noise rate got worse, which inside a fixed ball says little about robustness",
        (
            "perturbations that are spread otherwise: look at the pictures",
            "an attack that ends sooner: compare its effort",
            "margins that shrank a little: measure distances with FMN",
        ),
    ),
    Rule(
        "one step only",
        lambda facts: _steps(facts, one_step_only=True),
        "only attacks of one step gained, so the first gradient leads further than before",
        (
            "a smoother activation or an added normalisation layer: try the change by itself",
            "less noise or quantisation of the input: compare preprocessing and augmentation",
            "an end of training against one-step attacks: judge by attacks of several steps",
        ),
    ),
    Rule(
        "several steps only",
        lambda facts: _steps(facts, one_step_only=False),
        "only attacks of several steps gained, so the loss leads them further and the first gradient does not",
        (
            "training against one-step attacks (catastrophic overfitting): train against attacks of several steps",
            "a surface that became smoother, and hid weakness before: run the masking checks on both models",
            "another activation, pooling or normalisation: try the change by itself",
        ),
    ),
    Rule(
        "every attack",
        _all,
        "every attack that was compared gained, so the model itself is weaker, and not only to one method",
        (
            "less regularisation or augmentation: compare weight decay, dropout, augmentation and label smoothing",
            "another architecture, such as an added batch norm or another activation: try the change by itself",
            "pruning, quantisation or fine-tuning that shrank margins: fine-tune with noise or adversarial images",
        ),
    ),
    Rule(
        "one attack",
        lambda facts: len(facts.compared) > 1 and len(facts.regressed) == 1,
        "one attack gained and the others did not",
        (
            "another scale of logits, to which that attack's loss answers: repeat it with a margin loss",
            "gradients that fit that attack better: run the masking checks on both models",
            "a success rate of the others that can hardly move: compare at another epsilon",
        ),
    ),
    Rule(
        "other",
        lambda facts: True,
        "no rule of the table fits better than that the case regressed",
        (
            "a change of weights or architecture: judge the parts of the change by themselves with --candidate",
            "a change of the training data or augmentation: compare it with the earlier run's",
            "an attack whose success rate can hardly move: compare at another epsilon, or measure distances with FMN",
        ),
    ),
)
