"""Where training runs, and in which numbers: a thin hold on Lightning Fabric."""

import os
import warnings
from typing import TYPE_CHECKING, Literal

import torch

from msdemucs.errors import UsageError
from msdemucs.measure import choose_device

if TYPE_CHECKING:  # what does not train need not wait for Lightning and torch's compiler
    from lightning_fabric import Fabric

Precision = Literal["fp32", "bf16", "fp16"]
MODES: dict[Precision, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def fabric_for(device: str = "cpu", *, devices: int = 1, precision: Precision = "fp32") -> "Fabric":
    """A Fabric for one device, or for several processes that share each batch.

    Args:
        device: "cpu", "cuda", "cuda:1" or "auto".
        devices: processes, each with a device of its own (on the CPU over gloo).
        precision: of the forward pass.

    Raises:
        UsageError: a device or a precision that is not there.
    """
    from lightning_fabric import Fabric

    place = torch.device(choose_device(device))
    if precision == "fp16" and place.type == "cpu":
        raise UsageError("precision fp16 needs a GPU; on the CPU take bf16 or fp32")
    which: int | list[int] = devices if place.index is None else [place.index]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints about machines and clusters
        return Fabric(
            accelerator=place.type,
            devices=which,
            strategy="ddp" if devices > 1 else "auto",
            precision=MODES[precision],
        )


def is_first_process() -> bool:
    """Returns whether this process begins the others, or is the first of torchrun's."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0
