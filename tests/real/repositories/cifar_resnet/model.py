from published import resnet18

__all__ = ["resnet18"]
