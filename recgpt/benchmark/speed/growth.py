"""Growth of time and memory with items, history length, users and processes, each measured in a child process."""

from collections.abc import Sequence

from recgpt.benchmark.speed.limits import BATCH
from recgpt.benchmark.speed.measure import Curve, Measured
from recgpt.benchmark.speed.process import run_child
from recgpt.benchmark.speed.setting import TOP, Setting


def measure(setting: Setting) -> Measured:
    """Measure the growth curves."""
    sizes, found = setting.sizes, Measured()
    setting.say(
        f"histories of {_listed(sizes.history_curve)} items; {_listed(sizes.user_curve)} users; catalogues of "
        f"{_listed(sizes.catalogue_curve)} items"
    )
    tasks = {"history": sizes.history_curve, "users": sizes.user_curve, "catalogue": sizes.catalogue_curve}
    ranked = run_child(setting, tasks)  # the largest memory last
    for name, unit, key in (
        (f"end to end, history {sizes.history}", "ms/user", "end_to_end_ms"),
        (f"top-{TOP} alone", "ms/user", "top_k_ms"),
        ("index, codes given", "s", "index_s"),
    ):
        found.curves.append(_curve(name, "items", unit, "items", key, ranked["catalogue"]))
    name = f"end to end, batch {BATCH}"
    found.curves.append(_curve(name, "items of history", "ms/user", "history", "end_to_end_ms", ranked["history"]))
    name = f"end to end, history {sizes.user_history}"
    found.curves.append(_curve(name, "users", "s", "users", "seconds", ranked["users"]))
    points = []
    for processes in sizes.process_curve:
        setting.say(f"training in {processes} process(es)")
        trained = run_child(setting, {"training": [sizes.process_steps]}, processes=processes, threads=1)
        points.append({"processes": processes, **trained["training"][0]})
    name = "training, one thread each"
    found.curves.append(_curve(name, "processes", "items/s", "processes", "items_per_second", points))
    return found


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(f"{each:,}" for each in numbers)


def _curve(name: str, x_name: str, unit: str, x: str, y: str, points: list[dict[str, float]]) -> Curve:
    return Curve(
        name,
        x_name,
        unit,
        [point[x] for point in points],
        [point[y] for point in points],
        [point["private_gigabytes"] for point in points],
    )
