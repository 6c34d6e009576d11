"""The grid of a suite, written the obvious way: a loop over torchattacks and scikit-image, one process.

Of the suite's cases those that the library has an attack for: no ensembles, and none on request.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

#: What the library calls our attacks, and the parameters of ours that it has no equal of.
NAMES = {"FGSM": "FGSM", "BIM": "BIM", "MIFGSM": "MIFGSM", "PGD": "PGD", "CW": "CW"}
OURS_ONLY = frozenset({"patience", "loss", "restarts"})


def grid(suite_path: Path, models: list[str]) -> Iterator[dict[str, object]]:
    """One dictionary for each case, with success rate, noise rate and what the case took, in seconds."""
    import numpy as np
    import torch
    import torchattacks
    from pytest_robustness.evaluate.models.load import load_model
    from pytest_robustness.suite.load import load_suite
    from skimage.metrics import structural_similarity

    from speed_parts.subjects import Normalised

    suite = load_suite(suite_path)
    with np.load(suite.images.file) as file:
        images = torch.from_numpy(file["images"].transpose(0, 3, 1, 2).copy()).float() / 255
        labels = torch.from_numpy(file["labels"].astype("int64"))
    batches = list(zip(images.split(suite.batch_size), labels.split(suite.batch_size), strict=True))
    for case in suite.cases():
        if case.ensemble is not None or case.attack.on_request or (models and case.model_name not in models):
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        normalisation = case.normalisation
        model = Normalised(load_model(case), normalisation.mean, normalisation.std)
        keys = {key: value for key, value in case.attack.parameters.items() if key not in OURS_ONLY}
        attack = getattr(torchattacks, NAMES[case.attack.attack])(model, **keys)
        attempts, successes, noises = 0, 0, []
        torch.manual_seed(0)
        for inputs, truth in batches:
            with torch.no_grad():
                correct = model(inputs).argmax(1) == truth
            adversarial = attack(inputs, truth)
            with torch.no_grad():
                fooled = (model(adversarial).argmax(1) != truth) & correct
            attempts += int(correct.sum())
            successes += int(fooled.sum())
            noises += [
                1 - structural_similarity(a.numpy(), b.numpy(), channel_axis=0, data_range=1)
                for a, b in zip(inputs[fooled], adversarial[fooled], strict=True)
            ]
        yield {
            "case": case.id,
            "success": successes / attempts,
            "noise": float(sum(noises) / max(len(noises), 1)),
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
        }


if __name__ == "__main__":
    for found in grid(Path(sys.argv[1]), sys.argv[2:]):
        print(json.dumps(found), flush=True)
