from published import lite0

__all__ = ["lite0"]
