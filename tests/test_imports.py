"""Every room of the package imports on its own, without warnings, and `import recgpt` stays light.

One interpreter imports all modules and forgets the package's own between two rooms, for torch takes seconds. Within a
room the order of imports cannot matter: tests/test_layers.py allows no circle of files.
"""

import subprocess
import sys

OPTIONAL = ("rectools", "lenskit", "cornac")  # libraries of the adaptors
HEAVY = ("torch", "polars", "transformers", "sentence_transformers", "matplotlib", "httpx2", "pyarrow")
IMPORT_EACH = """
import importlib, sys, traceback, warnings
failed, room = [], None
for name in sys.argv[1:]:
    if room != name.split(".")[1:2]:
        room = name.split(".")[1:2]
        for loaded in [each for each in sys.modules if each.split(".")[0] == "recgpt"]:
            del sys.modules[loaded]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as missing:
            if missing.name not in {OPTIONAL}:
                traceback.print_exc()
                failed.append(name)
        except Exception:
            traceback.print_exc()
            failed.append(name)
    ours = [str(each.message) for each in caught if "recgpt" in each.filename]
    if ours:
        print(name, *ours, file=sys.stderr)
        failed.append(name)
sys.exit("failed: " + " ".join(failed) if failed else 0)
"""
SHOW_LOADED = "import {module}, sys; print(*sorted(set(sys.argv[1:]) & set(sys.modules)))"


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


def test_every_module_imports_without_warnings(repo):
    paths = [path.relative_to(repo).with_suffix("") for path in (repo / "recgpt").rglob("*.py")]
    modules = sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)
    assert len(modules) > 100
    done = run_python(IMPORT_EACH.replace("{OPTIONAL}", str(OPTIONAL)), *modules)
    assert done.returncode == 0, done.stderr


def test_import_of_the_package_loads_no_heavy_library():
    assert run_python(SHOW_LOADED.format(module="recgpt"), *HEAVY).stdout.split() == []


def test_import_of_the_command_line_loads_no_heavy_library():
    assert run_python(SHOW_LOADED.format(module="recgpt.cli.main"), *HEAVY).stdout.split() == []
