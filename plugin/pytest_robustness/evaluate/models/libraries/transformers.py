"""Hugging Face's image classifiers, from a folder or their hub: https://huggingface.co/docs/transformers"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from torch import Tensor, nn

from pytest_robustness.errors import RobustnessError, some
from pytest_robustness.evaluate.models.libraries.base import Expected
from pytest_robustness.evaluate.models.libraries.hub import Remote
from pytest_robustness.evaluate.runtime.errors import first_line
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.tables import Normalisation

#: By Pillow's numbers.
INTERPOLATIONS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
BILINEAR = 2
#: What an image processor does that ours does too; other things, and processors that resize in ways of their own.
HONOURED = frozenset({"do_resize", "do_rescale", "do_normalize", "do_center_crop", "do_convert_rgb"})
ODD = frozenset({"include_top", "rescale_offset", "crop_pct", "keep_aspect_ratio", "ensure_multiple_of"})
OTHERS = frozenset({"LevitImageProcessor", "LevitImageProcessorFast"})
#: The factor by which an image processor scales pixels in 0..255 before normalisation.
LEVEL = 1 / 255


class Logits(nn.Module):
    """Wraps a classifier so that it returns the logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        return self.model(pixel_values=images).logits


@dataclass(frozen=True)
class TransformersEntry:
    """Describes a model of transformers.

    ``name`` is a folder's path or a name on the hub. The weights are those stored there.
    """

    name: str
    revision: str | None

    def expected(self) -> Expected:
        """Return what the image processor that is saved beside the model does.

        Raises RobustnessError when there is none, or when it does something that is not supported.
        """
        try:
            given = transformers.AutoImageProcessor.from_pretrained(self.name, revision=self.revision).to_dict()
        except Exception as error:  # the hub, a file, or a library that the processor needs failed
            raise RobustnessError(
                f"no image processor of {self.name}: {first_line(error)}; give preprocessing and normalisation"
            ) from None
        return Expected(_preprocessing(self.name, given), _normalisation(self.name, given))

    def remote(self) -> Remote:
        raise RobustnessError(f"the weights of {self.name} are its own: name none, or a file")

    def build(self, state: dict[str, Tensor] | None, arguments: Mapping[str, Any]) -> nn.Module:
        """Return the model with its own weights, or with those of ``state`` when it is given."""
        how = {"revision": self.revision, **arguments}
        kind = transformers.AutoModelForImageClassification
        if state is None:
            model, found = kind.from_pretrained(self.name, output_loading_info=True, **how)
            absent = [*found.get("missing_keys", ()), *(key for key, *_ in found.get("mismatched_keys", ()))]
            if absent:
                lacking = some(sorted(absent))
                raise RobustnessError(
                    f"{self.name} has no weights of this model for {lacking}: it is no classifier yet"
                )
            return Logits(model)
        model = kind.from_config(transformers.AutoConfig.from_pretrained(self.name, **how))
        model.load_state_dict(state, strict=True)
        return Logits(model)


class Transformers:
    def entry(self, name: str, weights: str | None, file: str | None = None) -> TransformersEntry:
        try:
            transformers.AutoConfig.from_pretrained(name, revision=weights)
        except Exception as error:  # the hub or a file failed
            where = "there is no config.json of an image classifier" if Path(name).is_dir() else first_line(error)
            raise RobustnessError(f"transformers has no model {name!r}: {where}") from None
        return TransformersEntry(name, weights)


LIBRARY = Transformers()


def _preprocessing(name: str, given: Mapping[str, Any]) -> Preprocessing:
    odd = [key for key in given if (key.startswith("do_") and key not in HONOURED) or key in ODD]
    odd = [key for key in odd if given[key] not in (None, False)]
    if odd or given.get("image_processor_type") in OTHERS:
        what = ", ".join(f"{key} = {given[key]!r}" for key in odd) or f"it is a {given['image_processor_type']}"
        raise RobustnessError(
            f"the image processor of {name} does more than resize, crop and normalise ({what}): give preprocessing and "
            "normalisation"
        )
    size, crop = given.get("size") or {}, given.get("crop_size") or {}
    if given.get("do_resize") is False or not ({"shortest_edge"} <= size.keys() or {"height", "width"} <= size.keys()):
        raise RobustnessError(f"the image processor of {name} resizes to {dict(size) or 'nothing'}: give preprocessing")
    resize: int | list[int] = size.get("shortest_edge") or [size["height"], size["width"]]
    cut: int | list[int] = resize
    if given.get("do_center_crop") and crop:
        cut = crop.get("shortest_edge") or [crop["height"], crop["width"]]
    elif isinstance(resize, int):
        raise RobustnessError(f"the image processor of {name} crops nothing: give preprocessing, of one size for all")
    resample = INTERPOLATIONS[int(given.get("resample", BILINEAR))]
    return Preprocessing.model_validate({"resize": resize, "crop": _square(cut), "interpolation": resample})


def _square(sides: int | list[int]) -> int | list[int]:
    return sides[0] if isinstance(sides, list) and sides[0] == sides[1] else sides


def _normalisation(name: str, given: Mapping[str, Any]) -> Normalisation:
    if given.get("do_rescale", True) and abs(float(given.get("rescale_factor", LEVEL)) - LEVEL) > 1e-6:
        raise RobustnessError(
            f"the image processor of {name} rescales by {given['rescale_factor']}: give range and normalisation"
        )
    if not given.get("do_rescale", True):
        raise RobustnessError(f"the image processor of {name} leaves pixels in 0..255: give range and normalisation")
    if not given.get("do_normalize", True):
        return Normalisation()
    mean, std = (_each(name, key, given.get(key)) for key in ("image_mean", "image_std"))
    return Normalisation(mean=mean, std=std)


def _each(name: str, key: str, given: Any) -> tuple[float, ...]:
    if isinstance(given, int | float):
        return (float(given),)
    if not isinstance(given, list | tuple) or not given:
        raise RobustnessError(f"the image processor of {name} has {key} {given!r}: give normalisation")
    return tuple(given)
