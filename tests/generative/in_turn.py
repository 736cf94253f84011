"""Commands one after another in one process, or in the processes of one launch: torch starts once.

python in_turn.py COMMANDS.json                  # a list of command lines: ["pre_train.py", ...] or ["recgpt", ...]
accelerate launch ... in_turn.py COMMANDS.json
"""

import json
import runpy
import sys
from pathlib import Path

import torch
from accelerate.state import AcceleratorState, GradientState


def run(command: str, *arguments: str) -> None:
    """Run a script of the repository, or `recgpt`, without the state that Accelerate keeps of the command before."""
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    sys.argv = [command, *arguments]
    try:
        if command == "recgpt":
            runpy.run_module("recgpt.cli.main", run_name="__main__")
        else:
            runpy.run_path(str(Path(__file__).resolve().parents[2] / command), run_name="__main__")
    except SystemExit as stop:
        if stop.code:
            raise


if __name__ == "__main__":
    torch.distributed.destroy_process_group = lambda group=None: (
        None
    )  # the processes stay the group of the next command
    for command in json.loads(Path(sys.argv[1]).read_text()):
        run(*command)
