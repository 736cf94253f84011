"""Hardware: default device, bfloat16 support, names for dated results."""

import os
import platform
from pathlib import Path

import torch


def default_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def computes_bfloat16(device: torch.device) -> bool:
    """Whether `device` computes in bfloat16 natively, so that it saves time and not only memory."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):  # not in torch before 2.11
        return bool(torch.cpu.get_capabilities().get("avx512_bf16"))  # every CPU with AMX-BF16 has it, too
    return False


def cpu_model() -> str:
    """Name of the processor as reported by the system."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def hardware() -> str:
    """Processor, cores, threads in use and GPU (if any) in one line, for dated results."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{cpu_model()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads{gpu}"
