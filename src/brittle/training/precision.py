"""Which precision trains faster here: bfloat16 is slow on a processor that has to imitate it."""

from typing import Literal

import torch

Precision = Literal["full", "mixed"]
_CAPABILITIES = ("amx_bf16", "avx512_bf16", "bf16")
"""By any of which a processor computes in bfloat16 by itself."""


def has_bfloat16(device: torch.device | str = "cpu") -> bool:
    """Whether a device computes in bfloat16 by itself; False where torch cannot say.

    Without it a step in mixed precision takes several times as long as one in full precision: 10 times for network A of
    Madry et al. on a processor with AVX2 alone.
    """
    if torch.device(device).type != "cpu":
        return True
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # since torch 2.10
    return any(bool(capabilities.get(name)) for name in _CAPABILITIES)


def fastest_precision() -> Precision:
    """The precision for a recipe that is to be fast: "mixed" where a GPU or the processor has bfloat16.

    Example:
        >>> fastest_precision() in ("full", "mixed")
        True
    """
    return "mixed" if torch.cuda.is_available() or has_bfloat16() else "full"


def remarks_on_precision(precision: Precision, device: torch.device | str) -> list[str]:
    """Return a sentence where mixed precision makes a training slower."""
    if precision == "full" or has_bfloat16(device):
        return []
    return [f"this processor does not compute in bfloat16 itself; precision={precision} is slower here than full"]
