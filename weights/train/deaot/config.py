"""The four DeAOT variants on a MobileNetV2 encoder (Yang & Yang, "Decoupling Features in Hierarchical Propagation for
Video Object Segmentation", NeurIPS 2022), as one frozen record of numbers."""

from __future__ import annotations

from dataclasses import dataclass

#: "Never": the long-term memory then holds reference frames only.
NEVER = 9999


@dataclass(frozen=True)
class DeAOTConfig:
    """Every number that the network and its engine depend on."""

    name: str
    layers: int
    """Gated propagation modules in the stack."""
    long_term_gap: int
    """A predicted frame enters the long-term memory every so many frames."""
    max_objects: int = 10
    """Objects per group; the network has one more channel, the background."""
    width: int = 256
    """Width of the visual and of the ID stream."""
    key_width: int = 128
    """Width of queries and keys; they are the same tensor."""
    value_width: int = 512
    """Width of values and gates of one stream."""
    window: int = 7
    """Largest distance, in tokens, of the short-term window: 15 x 15 positions."""
    id_kernel: int = 17
    id_stride: int = 16
    id_padding: int = 8
    align_corners: bool = True


CONFIGS: dict[str, DeAOTConfig] = {
    "deaott": DeAOTConfig("deaott", layers=1, long_term_gap=NEVER),
    "deaots": DeAOTConfig("deaots", layers=2, long_term_gap=NEVER),
    "deaotb": DeAOTConfig("deaotb", layers=3, long_term_gap=NEVER),
    "deaotl": DeAOTConfig("deaotl", layers=3, long_term_gap=5),
}
