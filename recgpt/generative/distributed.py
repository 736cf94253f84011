"""Training on several processes with Accelerate: DDP or FSDP2, on GPUs and on CPUs.

    accelerate launch --config_file configs/accelerate/ddp.yaml --num_processes 2 pre_train.py ...
    accelerate launch --config_file configs/accelerate/fsdp.yaml --num_processes 2 pre_train.py ...

DDP keeps the whole model in every process. FSDP2 (`fully_shard`) keeps rows of every parameter, gradient and moment
there, and gathers a block's weights while it runs: all processes make every pass through a sharded model together.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from accelerate import Accelerator, PartialState
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, register_fsdp_forward_method

from recgpt.errors import DataError
from recgpt.generative.decoder import RecGPTDecoder

Precision = Literal["bf16", "no"]


def make_accelerator(
    precision: Precision, *, gradient_accumulation: int, tracker: str | None, project_dir: str
) -> Accelerator:
    """Accelerator of this launch: one process, DDP or FSDP2, by its environment variables.

    Raises
    ------
    DataError
        The launch configures version 1 of FSDP.
    """
    # Without a GPU Accelerate treats the processes of one launch as separate runs, unless cpu=True.
    several_on_cpu = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not torch.accelerator.is_available()
    plugin = _sharding(precision) if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true" else None
    accelerator = Accelerator(
        cpu=several_on_cpu,
        mixed_precision=precision,
        gradient_accumulation_steps=gradient_accumulation,
        log_with=tracker,
        project_dir=project_dir,
        fsdp_plugin=plugin,
    )
    if plugin is not None and several_on_cpu:
        # Accelerate 1.15 shards on accelerators only (AcceleratorState.__init__), though nothing else of its FSDP2
        # depends on one. With these fields set, CPU processes take the path of GPUs, and tests without a GPU cover it.
        accelerator.state.fsdp_plugin = plugin
        accelerator.state.distributed_type = DistributedType.FSDP
        PartialState().distributed_type = DistributedType.FSDP  # later instances copy this shared state
    return accelerator


def _sharding(precision: Precision) -> FullyShardedDataParallelPlugin:
    """Sharding plugin of the launch's `fsdp_config`, with gradients summed in float32.

    Accelerate's own bf16 policy would sum gradients over processes, and return the loss, in bf16.
    """
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    plugin = FullyShardedDataParallelPlugin(mixed_precision_policy=policy if precision == "bf16" else None)
    if plugin.fsdp_version != 2:
        raise DataError(
            f"fsdp_version={plugin.fsdp_version}: only version 2 is supported, see configs/accelerate/fsdp.yaml"
        )
    return plugin


def prepare(
    accelerator: Accelerator, model: RecGPTDecoder, optimizer: torch.optim.Optimizer
) -> tuple[torch.nn.Module, AcceleratedOptimizer]:
    """`accelerator.prepare` for a decoder that may be sharded."""
    if accelerator.is_fsdp2:
        # FSDP2 hooks the outputs of modules and warns of views; hidden states are a view that is never written to.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    wrapped, prepared = accelerator.prepare(model, optimizer)
    for block in model.blocks:
        register_fsdp_forward_method(block, "read_last")  # used by ranking; a no-op if not sharded
    return wrapped, prepared


@contextmanager
def head_gathered(model: torch.nn.Module) -> Iterator[None]:
    """Gather the weights outside the blocks: ranking reads the output head without a forward pass.

    All processes enter together. No-op for a model that is not sharded.
    """
    if not isinstance(model, FSDPModule):
        yield
        return
    model.unshard()
    yield
    model.reshard()
