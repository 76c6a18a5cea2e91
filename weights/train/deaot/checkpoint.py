"""Reading and writing weights with official keys: safetensors, and the official `.pth` container."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .model import DeAOT


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """`state_dict`, else `model`, else the dict itself; one leading `module.` is dropped."""
    path = Path(path)
    if path.suffix == ".safetensors":
        state = load_file(path)
    else:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        state = loaded.get("state_dict", loaded.get("model", loaded))
    state = {key.removeprefix("module."): value for key, value in state.items()}
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def load_weights(model: DeAOT, path: str | Path) -> None:
    """Strict: a missing, unexpected or misshapen key is an error."""
    model.load_state_dict({k: v.float() for k, v in read_state_dict(path).items()}, strict=True)


def save_weights(state: dict[str, Tensor], path: str | Path, dtype: torch.dtype = torch.float32, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file with official keys."""
    save_file({k: v.detach().to(dtype).contiguous().clone() for k, v in state.items()}, str(path), metadata=metadata or {})
