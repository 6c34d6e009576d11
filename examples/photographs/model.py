"""A classifier of photographs: 0 is a forest, whose trunks stand, 1 is the sea, whose waves lie."""

import torch
from torch import Tensor, nn

SMOOTH = 3  # pixels that are averaged first. Try 1 and run pytest: it is right as often, and easier to attack


class Scenes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(100.0))

    def forward(self, images: Tensor) -> Tensor:
        grey = nn.functional.avg_pool2d(images.mean(1, keepdim=True), SMOOTH, stride=1)
        across = grey.diff(dim=3).square().mean((1, 2, 3))
        down = grey.diff(dim=2).square().mean((1, 2, 3))
        return self.gain * torch.stack([across, down], 1)
