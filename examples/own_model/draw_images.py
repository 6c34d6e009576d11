"""Draw images.npz: 200 pictures of stripes. The same numbers in every run, so that baselines stay comparable."""

from pathlib import Path

import numpy as np

SIZE, COUNT = 16, 200

random = np.random.default_rng(0)
labels = np.arange(COUNT) % 2
waves = np.sin(2 * np.pi * np.arange(SIZE) / 8 + random.uniform(0, 2 * np.pi, (COUNT, 1)))
contrast = random.uniform(0.05, 0.25, (COUNT, 1, 1))  # faint stripes are easy to fool, strong ones are not
lying = waves[:, :, None] * np.ones(SIZE)
stripes = np.where(labels[:, None, None] == 0, lying, lying.transpose(0, 2, 1))
pixels = 0.5 + contrast * stripes + random.normal(0, 0.02, (COUNT, SIZE, SIZE))
images = np.repeat((255 * pixels.clip(0, 1)).round().astype(np.uint8)[..., None], 3, axis=3)

file = Path(__file__).parent / "images.npz"
np.savez(file, images=images, labels=labels, ids=np.arange(COUNT))  # an image's id says which it is, wherever it stands
print(f"{file.name}: {COUNT} images")
