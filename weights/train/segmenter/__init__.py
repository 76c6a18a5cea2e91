"""The default segmenter: SAM's prompt encoder and mask decoder over the tracker's frozen encoder (ARCHITECTURE.md)."""

from .model import Prompts, Segmenter, Trunk

__all__ = ["Prompts", "Segmenter", "Trunk"]
