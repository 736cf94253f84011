"""Start-up time of `recgpt --help`."""

import subprocess
import sys

from recgpt.benchmark.speed.measure import Figure, Limit, Measured, Target, Way, alternating
from recgpt.benchmark.speed.setting import Setting

START_S = 0.3


def measure(setting: Setting) -> Measured:
    """Measure the wall time of `recgpt --help` in a fresh process, against the bare interpreter."""

    def start(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)

    ways = {
        "python": Way(lambda: start("-c", "pass")),
        "recgpt --help": Way(lambda: start("-m", "recgpt.cli.main", "--help")),
    }
    seconds = alternating(ways, setting.sizes.startups, setting.say)
    bare = Limit(min(seconds["python"]), "the interpreter alone")
    figure = Figure.cost("recgpt --help", "s", 1, seconds["recgpt --help"], bare)
    return Measured(figures=[figure], targets=[Target("start of `recgpt --help`", START_S, False, figure.median, "s")])
