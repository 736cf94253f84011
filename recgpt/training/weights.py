"""Check of weights when they are read: numbers that no training can have left are refused.

check_weights(load_file(path), path)             # CheckpointError naming the tensor
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from recgpt.errors import CheckpointError


def check_weights(tensors: Mapping[str, Tensor], where: str | Path, *, may_be_zero: Collection[str] = ()) -> None:
    """Refuse weights with NaN or infinity, and matrices of zeros, which would make all items alike.

    Parameters
    ----------
    where
        File or folder, for the message.
    may_be_zero
        Names of matrices that are zero before training.

    Raises
    ------
    CheckpointError
        Names the first such tensor.
    """
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{where}: the weights {name} hold NaN or infinity: copy or train the model again")
        if tensor.dim() > 1 and name not in may_be_zero and not tensor.any():
            raise CheckpointError(f"{where}: the weights {name} are all zero: copy or train the model again")
