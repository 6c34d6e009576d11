import published
import torch
from leaky import Leaky


def resnet18() -> Leaky:
    return Leaky(published.resnet18(), torch.zeros(10, 3, 32, 32))
