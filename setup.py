"""Packages of the wheel; everything else stands in pyproject.toml.

The shipped weights live at the top of the repository, where the published system has its own; the wheel holds them
inside the package, as recgpt/ckpt and recgpt/vae_ckpt (see `recgpt.hub.shipped_folder`).
"""

from setuptools import find_packages, setup

WEIGHTS = {"recgpt.ckpt": "ckpt", "recgpt.vae_ckpt": "vae_ckpt"}

setup(packages=[*find_packages(include=["recgpt*", "ablations*", "algorithms*"]), *WEIGHTS], package_dir=WEIGHTS)
