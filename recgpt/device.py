"""What the hardware can do."""

import torch


def computes_bfloat16(device: torch.device) -> bool:
    """Whether `device` multiplies in bfloat16 natively, so that it saves time and not only memory."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):  # torch before 2.11 does not tell
        return bool(torch.cpu.get_capabilities().get("avx512_bf16"))  # every CPU with AMX-BF16 has it, too
    return False
