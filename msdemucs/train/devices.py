"""Where training runs, and in which numbers: a thin hold on Lightning Fabric."""

import warnings
from typing import Literal

import torch
from lightning_fabric import Fabric

from msdemucs.errors import UsageError

Precision = Literal["fp32", "bf16", "fp16"]
MODES: dict[Precision, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def fabric_for(device: str = "cpu", *, devices: int = 1, precision: Precision = "fp32") -> Fabric:
    """A Fabric for one device, or for several processes that share each batch.

    Args:
        device: "cpu", "cuda" or "cuda:1".
        devices: processes, each with a device of its own (on the CPU over gloo).
        precision: of the forward pass.

    Raises:
        UsageError: a device or a precision that is not there.
    """
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"--device {device}: {str(error).splitlines()[0]}") from None
    if place.type not in ("cpu", "cuda") or (place.type == "cuda" and not _has_gpu(place)):
        raise UsageError(f"--device {device} cannot be used: there is no such device here")
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


def _has_gpu(place: torch.device) -> bool:
    return torch.cuda.is_available() and (place.index or 0) < torch.cuda.device_count()
