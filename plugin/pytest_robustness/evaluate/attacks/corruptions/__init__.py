"""Corruptions as a camera, the weather or a network makes them: attacks that need forwards only.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019. This file is plain data and imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_robustness.evaluate.attacks.base import AttackSpec

#: Module and class of each kind of corruption.
_CLASSES = {
    "gaussian_noise": "noise:GaussianNoise",
    "shot_noise": "noise:ShotNoise",
    "impulse_noise": "noise:ImpulseNoise",
    "speckle_noise": "noise:SpeckleNoise",
    "gaussian_blur": "blur:GaussianBlur",
    "defocus_blur": "blur:DefocusBlur",
    "motion_blur": "blur:MotionBlur",
    "zoom_blur": "zoom:ZoomBlur",
    "brightness": "colour:Brightness",
    "contrast": "colour:Contrast",
    "saturate": "colour:Saturate",
    "fog": "fog:Fog",
    "pixelate": "digital:Pixelate",
    "jpeg_compression": "digital:JPEGCompression",
}


def _no_gradients(parameters: Mapping[str, Any]) -> int:
    return 0


SPECS: dict[str, AttackSpec] = {
    kind: AttackSpec(
        path=f"{__name__}.{place}",
        parameters=("severity",),
        name=kind,
        forwards="candidates",
        norm=None,
        stops=("full",),
        budget=_no_gradients,
        by_row=True,
    )
    for kind, place in _CLASSES.items()
}
