"""Train a model, attack it, and exit with 1 when it became easier to attack: the gate without pytest and a suite."""

import sys

import torch
from pytest_robustness import Baselines, attack, judge, measure
from torch import nn

POOL = 8  # what is changed between two runs. Try 1: the model looks at each pixel, fits noise, and is easier to attack

torch.manual_seed(0)
labels = torch.arange(400) % 2
bright = 0.03 * (2 * labels - 1).view(-1, 1, 1, 1)  # the classes differ in brightness, behind much noise
images = (0.5 + bright + 0.15 * torch.randn(400, 3, 8, 8)).clamp(0, 1)  # attacks work on pixels in [0, 1]
model = nn.Sequential(nn.AvgPool2d(POOL), nn.Flatten(), nn.Linear(3 * (8 // POOL) ** 2, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
for _ in range(300):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model((images[:40] - 0.5) / 0.25), labels[:40]).backward()
    optimizer.step()

pgd = attack("PGD", eps=0.02, alpha=0.005, steps=10)
now = measure(model, images[40:], labels[40:], pgd, mean=[0.5], std=[0.25], name="brightness/pgd", device="cpu")
baselines = Baselines("baselines")  # a folder to be committed
verdict = judge(now, baselines.read("brightness/pgd"))
if verdict.status == "no baseline":
    print("recorded:", baselines.write(now))
else:
    print(f"{verdict.status}: {verdict.reason}")
    sys.exit(0 if verdict.passed else 1)
