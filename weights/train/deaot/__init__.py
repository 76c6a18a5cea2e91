"""DeAOT in PyTorch: the network, its inference engine and its checkpoints."""

from .config import CONFIGS, NEVER, DeAOTConfig
from .engine import Engine
from .model import IMAGE_MEAN, IMAGE_STD, DeAOT, Features, one_hot, resize_labels

__all__ = ["CONFIGS", "NEVER", "DeAOT", "DeAOTConfig", "Engine", "Features", "IMAGE_MEAN", "IMAGE_STD", "one_hot", "resize_labels"]
