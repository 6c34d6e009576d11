"""timm's classifiers: https://huggingface.co/docs/timm"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import timm
import torch
from huggingface_hub import hf_hub_url
from timm.data.config import resolve_data_config
from timm.models import PretrainedCfg, get_pretrained_cfg
from torch import Tensor, nn

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.libraries.base import Expected
from pytest_robustness.evaluate.models.libraries.hub import Remote
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.tables import Normalisation

HUB_FILE = "model.safetensors"


@dataclass(frozen=True)
class TimmEntry:
    name: str
    config: PretrainedCfg

    @property
    def full_name(self) -> str:
        return f"{self.name}.{self.config.tag}" if self.config.tag else self.name

    def expected(self) -> Expected:
        """Return what ``timm.data.create_transform`` does for evaluation: the crop is a share of the resized image.

        Raises RobustnessError for a crop mode that is not supported.
        """
        data = resolve_data_config(pretrained_cfg=self.config.to_dict())
        height, width = data["input_size"][1:]
        resize = [math.floor(side / data["crop_pct"]) for side in (height, width)]
        if data["crop_mode"] not in ("center", "squash") or (data["crop_mode"] == "center" and height != width):
            raise RobustnessError(
                f"timm's {self.full_name} is prepared by the crop mode {data['crop_mode']!r} for {height} x {width}, "
                "which is not supported; give the model's preprocessing"
            )
        return Expected(
            Preprocessing(
                resize=resize[0] if data["crop_mode"] == "center" else resize,
                crop=height if height == width else [height, width],
                interpolation=data["interpolation"],
            ),
            Normalisation(mean=tuple(data["mean"]), std=tuple(data["std"])),
        )

    def remote(self) -> Remote:
        config = self.config
        if config.hf_hub_id:
            path = str(config.hf_hub_filename or HUB_FILE)
            filename = f"{self.full_name}.{path.rpartition('.')[2]}"
            return Remote(filename, hf_hub_url(config.hf_hub_id, path), repository=config.hf_hub_id, path=path)
        if isinstance(config.url, str) and config.url:
            filename = config.url.rpartition("/")[2]
            checksum = torch.hub.HASH_REGEX.search(filename)
            return Remote(filename, config.url, checksum.group(1) if checksum else None)
        raise RobustnessError(f"timm has no weights for {self.full_name}")

    def build(self, state: dict[str, Tensor] | None, arguments: Mapping[str, Any]) -> nn.Module:
        if state is None:
            return timm.create_model(self.name, pretrained=False, **arguments)
        served: dict[str, Any] = {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": state}}
        model = timm.create_model(self.full_name, **served, **arguments)
        config = getattr(model, "pretrained_cfg", None)
        if isinstance(config, dict):
            config.pop("state_dict", None)  # else the model would keep its weights twice
        return model


class Timm:
    def entry(self, name: str, weights: str | None, file: str | None = None) -> TimmEntry:
        if name not in timm.list_models(name, include_tags=False):
            raise RobustnessError(f"timm has no model {name!r}")
        if weights is None and file is not None:
            stem = file.rpartition(".")[0]
            weights = next((tag for tag in tags(name) if stem == f"{name}.{tag}"), None)
        if weights is not None and weights not in tags(name):
            known = ", ".join(tags(name)) or "none"
            raise RobustnessError(f"timm's {name} has no weights {weights!r} (known: {known}, or a file)")
        config = get_pretrained_cfg(f"{name}.{weights}" if weights else name)
        return TimmEntry(name, config or PretrainedCfg())


LIBRARY = Timm()


def tags(name: str) -> list[str]:
    """Return timm's names of a model's weights."""
    found = timm.list_models(f"{name}.*", pretrained=True) + timm.list_models(name, pretrained=True, include_tags=True)
    return sorted({full.partition(".")[2] for full in found if full.partition(".")[0] == name})
