"""Finds out what a suite has to say, step by step: from the flags, from the model itself, and by asking."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pytest_robustness.errors import RobustnessError, some
from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.first_look import FirstLook, first_look, image_sides, readable
from pytest_robustness.evaluate.images.folders import WNID, Photograph, Scan, unlabelled, write_list
from pytest_robustness.evaluate.images.load import scan_images
from pytest_robustness.evaluate.images.selection import draw, select, with_digests
from pytest_robustness.evaluate.images.selection_pool import ClassifierHere
from pytest_robustness.evaluate.models.sources import preprocessing_of
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.setup.dialogue import Dialogue
from pytest_robustness.setup.estimate import MIDDLE, Trial, most_telling, room, trial
from pytest_robustness.setup.flags import Flags, cropped, source_of
from pytest_robustness.setup.looking import DOUBTFUL, NORMALISATIONS, best_normalisation, better_order, table, told
from pytest_robustness.setup.places import CLEAN, SELECTED, Places
from pytest_robustness.setup.texts import attack_of, suite_of, suite_text
from pytest_robustness.setup.wishes import EPSILONS, Wishes, name_of, number
from pytest_robustness.suite.suite import Case, Suite
from pytest_robustness.suite.tables import IMAGENET, Normalisation

#: Images that are attacked, where there are as many and nobody says another number.
ATTACKED = 300
#: Classes that are written into the suite; of more, the folders' own names in order are taken anew by each run.
PINNED = 50
#: Images that a first look is at: several of each class.
LEAST_LOOKED, MOST_LOOKED, EACH = 48, 256, 6
#: What is said of weights that have another number of classes than the library's model.
OTHER_CLASSES = re.compile(r"num_classes = (\d+)")
KINDS = "timm:resnet18, torchvision:NAME, transformers:FOLDER, package.module:function, or a .onnx, .pt2, .pt file"


@dataclass(frozen=True)
class Prepared:
    """Holds all that a setup found out: the suite, its lists of images as text, and what a trial said."""

    wishes: Wishes
    suite: Suite
    lists: dict[Path, str]
    images: int
    trial: Trial


class Preparation:
    """Prepares a suite. ``scratch`` is a folder for files that last no longer than that."""

    def __init__(self, flags: Flags, places: Places, dialogue: Dialogue, scratch: Path) -> None:
        self.flags, self.places, self.dialogue, self.scratch = flags, places, dialogue, scratch
        self.found = Scan([])

    def prepare(self) -> Prepared:
        """Return the suite with its images. Raises RobustnessError, in one line, for what cannot be made to work."""
        wishes = self._with_labels(self._named())
        sample = self._sample(wishes)
        wishes = self._with_preprocessing(wishes, sample)
        wishes, look = self._looked_at(wishes, sample)
        wishes, look = self._in_order(wishes, look, sample)
        images = self._chosen(wishes, look)
        wishes, tried = self._with_epsilon(wishes)
        lists = {self.places.lists / path.name: path.read_text(encoding="utf-8") for path in self._lists}
        return Prepared(wishes, self._suite(wishes), lists, images, tried)

    def _named(self) -> Wishes:
        """Return the model and the images that were named, or asked for."""
        flags, ask = self.flags, self.dialogue.ask
        source = flags.model or ask("--model", f"Model ({KINDS})", None, self._checked_source)
        weights = flags.weights
        if weights is None and self.dialogue.asks and flags.model is None and "." not in source.rpartition(":")[2]:
            weights = ask("--weights", "Weights, a file or a library's own name (- for none)", "-", str)
            weights = None if weights == "-" else weights
        images = flags.images or ask("--images", "Folder of photographs, or an .npz file", None, self._checked_images)
        images = self._checked_images(str(images))
        classes = tuple(one.strip() for one in (flags.classes or "").split(",") if one.strip())
        return Wishes(
            name=flags.name or name_of(source),
            model=flags.table(source, weights, self.places),
            images=images,
            classes=IMAGENET if classes == (IMAGENET,) else classes or None,
            predicted=flags.labels == "predicted",
            preprocessing=flags.preprocessing if images.suffix != ".npz" else None,
            normalisation=flags.normalisation,
            eps=flags.eps or "8/255",
            listed=images.suffix != ".npz",
        )

    def _checked_source(self, text: str) -> str:
        source_of(text, self.places)
        if ":" not in text and not os.path.isfile(text):  # noqa: PTH113 - Path.is_file raises for a long name
            raise RobustnessError(f"no file {text}; or say {KINDS}")
        return text

    @staticmethod
    def _checked_images(text: str) -> Path:
        path = Path(os.path.abspath(os.path.expanduser(text)))  # noqa: PTH100, PTH111 - links stay as they are named
        if not (os.path.isdir(path) or (path.suffix == ".npz" and os.path.isfile(path))):  # noqa: PTH112, PTH113
            raise RobustnessError(f"--images {text}: no folder and no .npz file")
        return path

    def _suite(self, wishes: Wishes) -> Suite:
        return suite_of(suite_text(wishes, self.places), self.places.suite)

    def _case(self, wishes: Wishes) -> Case:
        return Case(self._suite(wishes), wishes.name, attack_of(wishes))

    def _with_labels(self, wishes: Wishes) -> Wishes:
        """Scan the folder. Without folders of classes, labels are what the model says."""
        if not wishes.is_folder:
            return wishes
        self.found = unlabelled(wishes.images)
        flat = all("/" not in one.path and not WNID.match(one.path) for one in self.found.photographs)
        if not wishes.predicted and flat and self.flags.labels is None:
            self.dialogue.say("images: no folders of classes, so labels are what the model says of the clean image")
            wishes = replace(wishes, predicted=True)
        elif not wishes.predicted:
            self.found = scan_images(self._suite(wishes).images)
            if wishes.classes is None and all(WNID.match(name) for name in self.found.names):
                wishes = replace(wishes, classes=IMAGENET)
                self.found = scan_images(self._suite(wishes).images)
            shown = len(self.found.names) - len(self.found.missing)
            self.dialogue.say(f"images: {len(self.found.photographs):,} of {shown} classes in {wishes.images.name}")
        for note in self.found.notes:
            self.dialogue.say(f"images: {note}")
        return wishes

    def _sample(self, wishes: Wishes) -> list[Photograph]:
        if not wishes.is_folder:
            return []
        count = min(MOST_LOOKED, max(LEAST_LOOKED, EACH * len(self.found.names)))
        sample = draw(self.found, count, self.flags.seed, partial(readable, wishes.images))
        if not sample:
            raise RobustnessError(f"{wishes.images}: none of its images can be read")
        return sample

    def _with_preprocessing(self, wishes: Wishes, sample: Sequence[Photograph]) -> Wishes:
        """Find how photographs are prepared: as was said, as the library says, as they are, or as is answered."""
        if not wishes.is_folder or wishes.preprocessing is not None:
            return wishes
        case = self._case(wishes)
        if case.model.library or case.model.like:
            preprocessing_of(case)  # an error says which flags are needed
            return wishes
        sides = image_sides(wishes.images, sample)
        if len(sides) == 1:
            (height, width) = sides.pop()
            self.dialogue.say(f"images: all are {height} x {width}, and are given to the model as they are")
            both = height if height == width else [height, width]
            return replace(wishes, preprocessing=Preprocessing(resize=both, crop=both))
        return replace(
            wishes,
            preprocessing=self.dialogue.ask(
                "--crop", "Side of the square that the model takes, in pixels (or --like LIBRARY:NAME)", None, _square
            ),
        )

    def _looked_at(self, wishes: Wishes, sample: Sequence[Photograph]) -> tuple[Wishes, FirstLook]:
        """Ask the model about the sample, by each common normalisation where nobody says its own."""
        try:
            look = first_look(self._case(wishes), sample, LEAST_LOOKED)
        except RobustnessError as error:
            classes = OTHER_CLASSES.search(str(error))
            if classes is None or self.flags.arguments is not None:
                raise
            self.dialogue.say(f"model: its weights have {classes[1]} classes: arguments = {{ {classes[0]} }}")
            wishes = replace(wishes, model={**wishes.model, "arguments": {"num_classes": int(classes[1])}})
            look = first_look(self._case(wishes), sample, LEAST_LOOKED)
        model = self._case(wishes).model
        said = wishes.normalisation or model.library or model.like or model.range or model.black_box
        if said or wishes.predicted:
            return wishes, look
        looks = {"pixels in [0, 1]": look}
        for name, one in self._normalisations(look):
            looks[name] = first_look(self._case(replace(wishes, normalisation=one)), sample, LEAST_LOOKED)
        best = best_normalisation(looks)
        rates = ", ".join(f"{one.accuracy:.0%} by {name}" for name, one in looks.items())
        equal = len({one.predicted for one in looks.values()}) == 1
        why = "as no mean and std changes its answers" if equal else f"as the model is right about {rates}"
        self.dialogue.say(f"normalisation: {best}, {why}")
        return replace(wishes, normalisation=NORMALISATIONS[best]), looks[best]

    @staticmethod
    def _normalisations(look: FirstLook) -> Iterator[tuple[str, Normalisation]]:
        for name, one in NORMALISATIONS.items():
            if one is not None and len(one.mean) in (1, look.shape[0]):
                yield name, one

    def _in_order(self, wishes: Wishes, look: FirstLook, sample: Sequence[Photograph]) -> tuple[Wishes, FirstLook]:
        """Show what the model says of each class, and take the order of the labels that is agreed on."""
        if wishes.predicted:
            self.dialogue.say(f"model: {look.classes} classes")
            return wishes, look
        names = self.found.names or [str(label) for label in range(max(look.labels) + 1)]
        if self.dialogue.asks or look.accuracy < MIDDLE:
            for line in table(look, names):
                self.dialogue.say(f"  {line}")
        better = better_order(look, names) if wishes.is_folder and wishes.classes is None else None
        if better is not None:
            order = ",".join(better.names)
            what = f"in the order {order} the model is right about {better.accuracy:.0%} and not {look.accuracy:.0%}"
            if not self.dialogue.asks:
                raise RobustnessError(f"the labels are in another order than the model's: {what}: --classes {order}")
            if self.dialogue.confirm(f"{what}: take it?"):
                wishes = replace(wishes, classes=better.names)
                self.found = scan_images(self._suite(wishes).images)
                labels = {one.path: one.label for one in self.found.photographs}
                again = [replace(one, label=labels[one.path]) for one in sample]
                look = first_look(self._case(wishes), again, LEAST_LOOKED)
        for line in told(look, names):
            self.dialogue.say(line)
        if look.accuracy < DOUBTFUL and not self.dialogue.asks and self.flags.labels is None:
            raise RobustnessError(
                "the labels are in doubt, and there is nobody to ask: if they are right, --labels given"
            )
        if wishes.is_folder and wishes.classes is None and len(names) <= PINNED:
            wishes = replace(wishes, classes=tuple(names))  # a folder that is added later moves no label
        return wishes, look

    def _chosen(self, wishes: Wishes, look: FirstLook) -> int:
        """Choose the images that are attacked, write their lists, and return how many they are."""
        self._lists: list[Path] = []
        suite, flags = self._suite(wishes), self.flags
        if not wishes.is_folder:
            return self._of_file(suite, look)
        with ClassifierHere(suite) as here:
            if wishes.predicted:
                chosen = draw(self.found, flags.per_class or ATTACKED, flags.seed, here.readable)
            else:
                classes = len({one.label for one in self.found.photographs})
                per_class = flags.per_class or math.ceil(ATTACKED / classes)
                selection = select(self.found, [wishes.name], here.correct, per_class=per_class, seed=flags.seed)
                chosen = selection.chosen
                if selection.short and flags.per_class:
                    few = f"fewer than {per_class} images that it is right about"
                    self.dialogue.say(f"  {few}, of {some(selection.short)}")
                if selection.unreadable:
                    count = len(selection.unreadable)
                    self.dialogue.say(f"  {count} files cannot be read, and are left out: {some(selection.unreadable)}")
                drawn = draw(self.found, flags.clean_images, flags.seed, here.readable)
        if not chosen:
            raise RobustnessError(
                f"the model is right about none of the images of {wishes.images}: compare the order of the classes, "
                "the normalisation and the channels with what it was trained with"
            )
        self._write(SELECTED, with_digests(wishes.images, chosen))
        if not wishes.predicted:
            self._write(CLEAN, with_digests(wishes.images, drawn))
        self.dialogue.say(f"selected: {len(chosen)} images" + ("" if wishes.predicted else ", which it is right about"))
        return len(chosen)

    def _of_file(self, suite: Suite, look: FirstLook) -> int:
        from pytest_robustness.evaluate.images.image_set import load_images

        assert suite.images.file is not None
        if not look.accuracy:
            raise RobustnessError(f"{suite.images.file}: the model is right about none of the images looked at")
        return round(len(load_images(suite.images.file)) * look.accuracy)

    def _write(self, name: str, photographs: Sequence[Photograph]) -> None:
        write_list(self.scratch / name, photographs)
        self._lists.append(self.scratch / name)

    def _with_epsilon(self, wishes: Wishes) -> tuple[Wishes, Trial]:
        """Try common epsilons on a few images, unless one was given, and take the one that is agreed on."""
        cache, trials = ModelCache(), dict[str, Trial]()
        self.dialogue.say("epsilon, the most that an attack may change a pixel, which is in [0, 1]; on a few images:")
        for eps in [self.flags.eps] if self.flags.eps else EPSILONS:
            trials[eps] = self._tried(replace(wishes, eps=eps), cache)
            if not self.flags.eps and trials[eps].rate < MIDDLE:
                break
        chosen = self.flags.eps or self.dialogue.ask("--eps", "Epsilon", most_telling(trials), _epsilon)
        wishes = replace(wishes, eps=chosen)
        if chosen not in trials:
            trials[chosen] = self._tried(wishes, cache)
        if (problem := room(trials[chosen])) is not None:
            self.dialogue.say(f"  {problem}")
        return wishes, trials[chosen]

    def _tried(self, wishes: Wishes, cache: ModelCache) -> Trial:
        suite = self._suite(wishes)
        given = {path.name: path for path in self._lists}
        if given:
            images = {"selected": given[SELECTED], "unselected": given.get(CLEAN)}
            suite = suite.model_copy(update={"images": suite.images.model_copy(update=images)})
        found = trial(suite, cache)
        meaning = f" ({EPSILONS[wishes.eps]})" if wishes.eps in EPSILONS else ""
        said = f"{suite.attacks[attack_of(wishes)].attack} fools {found.successes} of {found.attempts} images"
        self.dialogue.say(f"  {wishes.eps:<6} {said}{meaning}")
        return found


def _square(text: str) -> Preprocessing:
    if not text.isdecimal() or not 1 <= int(text) <= 4096:
        raise RobustnessError(f"{text}: should be a number of pixels, 224 say")
    return cropped(int(text))


def _epsilon(text: str) -> str:
    number(text)
    return text
