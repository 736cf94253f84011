"""The tokenizer: the published arithmetic, what training brings, what is reported, and what a folder keeps."""

import json
import math

import numpy as np
import pytest
import torch

from recgpt.errors import CheckpointError, DataError
from recgpt.generative import tokenizer as module
from recgpt.generative.tokenizer import (
    FSQTokenizer,
    FSQTokenizerConfig,
    code_statistics,
    report_on,
    start_from_principal_axes,
    train_tokenizer,
)

SMALL = {"embedding_dim": 32, "n_codes": 4, "levels": [5, 4, 4], "n_layers": 1, "n_heads": 2}


def clustered(n_items=1000, width=32, seed=0):
    """Unit vectors about 40 centres with a common mean, as sentence embeddings have."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, width))
    x = centres[rng.integers(40, size=n_items)] + 0.4 * rng.standard_normal((n_items, width)) + 0.5
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def embeddings():
    return clustered()


@pytest.fixture(scope="module")
def tokenizer(embeddings):
    """Starts from the principal axes; its decoder is random."""
    torch.manual_seed(0)
    tokenizer = FSQTokenizer(FSQTokenizerConfig(**SMALL))
    start_from_principal_axes(tokenizer.quantizer, tokenizer.slices(torch.from_numpy(embeddings)))
    return tokenizer.eval()


# --- arithmetic ---


def codes_by_hand(tokenizer, embedding):
    """The spec's formulas, one number at a time: (K,) indices and the quantised values."""
    config, q = tokenizer.config, tokenizer.quantizer
    weight, bias = (p.detach().double().tolist() for p in (q.project_in.weight, q.project_in.bias))
    indices, quantised = [], []
    for slot in range(config.n_codes):
        piece = embedding[slot * config.slice_dim : (slot + 1) * config.slice_dim].tolist()
        index, basis, values = 0, 1, []
        for row, b, levels in zip(weight, bias, config.levels, strict=True):
            z = sum(w * x for w, x in zip(row, piece, strict=True)) + b
            offset = 0.5 if levels % 2 == 0 else 0.0
            if config.published_bound:
                half = (levels - 1) * (1 - 1e-3) / 2
                shift = math.tan(offset / half)
            else:
                half = (levels - 1) * (1 + 1e-3) / 2
                shift = math.atanh(offset / half)
            rounded = round(math.tanh(z + shift) * half - offset)
            index += (rounded + levels // 2) * basis
            basis *= levels
            values.append(rounded / (levels // 2))
        indices.append(index)
        quantised.append(values)
    return indices, quantised


@pytest.mark.parametrize("published_bound", [True, False])
@pytest.mark.parametrize(
    ("width", "n_codes", "levels"), [(64, 4, [8, 8, 8, 6, 5]), (24, 2, [5, 4]), (36, 3, [3, 7, 6]), (16, 1, [9])]
)
def test_codes_follow_the_formulas(published_bound, width, n_codes, levels):
    torch.manual_seed(1)
    config = FSQTokenizerConfig(width, n_codes, levels, n_layers=1, n_heads=2, published_bound=published_bound)
    tokenizer = FSQTokenizer(config)
    torch.nn.init.normal_(tokenizer.quantizer.project_in.weight)
    embeddings = np.random.default_rng(2).standard_normal((150, width)).astype(np.float32)
    by_hand = [codes_by_hand(tokenizer, embedding) for embedding in embeddings]

    codes_NK = tokenizer.encode(embeddings)
    assert (codes_NK.dtype, codes_NK.shape) == (np.uint16, (150, n_codes))
    assert codes_NK.tolist() == [indices for indices, _ in by_hand]
    assert len(np.unique(codes_NK)) > config.codebook_size / 20 or config.codebook_size > 1000

    values = tokenizer.quantizer._indices_to_codes(torch.from_numpy(codes_NK.astype(np.int64)))
    torch.testing.assert_close(values, torch.tensor([quantised for _, quantised in by_hand]))
    with torch.inference_mode():
        assert tokenizer(torch.from_numpy(embeddings))[1].tolist() == codes_NK.tolist()


def test_autocast_changes_no_code(tokenizer, embeddings):
    expected = tokenizer.encode(embeddings)
    x = torch.from_numpy(embeddings)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        np.testing.assert_array_equal(tokenizer.encode(embeddings), expected)
        np.testing.assert_array_equal(tokenizer(x)[1], expected)
        careless = tokenizer.quantizer(tokenizer.slices(x))[1]
    assert (careless.numpy() != expected).any(), "this test would not notice bfloat16 codes"


def test_decode_is_the_reconstruction_of_forward(tokenizer, embeddings):
    codes_NK = tokenizer.encode(embeddings[:50])
    with torch.inference_mode():
        rebuilt_NE, _ = tokenizer(torch.from_numpy(embeddings[:50]))
    torch.testing.assert_close(tokenizer.decode(codes_NK), rebuilt_NE)
    tokenizer.train()
    torch.testing.assert_close(tokenizer.decode(codes_NK), rebuilt_NE)  # no dropout, and the mode is kept
    assert tokenizer.training
    tokenizer.eval()


def test_chunks_and_memory_maps_change_nothing(tokenizer, embeddings, tmp_path, monkeypatch, recwarn):
    half = embeddings.astype(np.float16)
    for dtype in (np.float16, np.float32):
        np.save(tmp_path / "x.npy", half.astype(dtype))
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        monkeypatch.setattr(module, "ENCODE_CHUNK", 7)
        by_sevens, report = tokenizer.encode(mapped), report_on(tokenizer, mapped)
        monkeypatch.undo()
        np.testing.assert_array_equal(by_sevens, tokenizer.encode(half.astype(np.float32)))
        assert report.code_use == report_on(tokenizer, half).code_use
        assert report.reconstruction_cosine == pytest.approx(report_on(tokenizer, half).reconstruction_cosine)
    assert not recwarn.list  # PyTorch warns when it is given read-only memory


# --- what is refused ---


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"embedding_dim": 30}, "embedding width 30 cannot be cut into 4 equal slices: choose a number of codes"),
        ({"embedding_dim": 36}, "slice width 9 is not divisible by 2 heads: choose n_heads that divides it"),
        ({"levels": [256, 257]}, "make 65,792 codes; token files hold 65,535"),
        ({"levels": [8, 2]}, r"levels \[8, 2\]: each must be 3 or more"),
        ({"embedding_dim": 8, "levels": [3, 3]}, "slice width 2 is no wider than the 2 levels it is projected to"),
    ],
)
def test_shapes_that_do_not_fit(config, message):
    with pytest.raises(DataError, match=message):
        FSQTokenizerConfig(**{**SMALL, **config})


def test_embeddings_of_another_width(tokenizer):
    with pytest.raises(DataError, match="embeddings are 64 wide but this tokenizer reads width 32: encode the items"):
        tokenizer.encode(np.zeros((3, 64), np.float32))
    with pytest.raises(DataError, match="embeddings are 64 wide"):
        train_tokenizer(np.zeros((3, 64), np.float32), tokenizer.config, epochs=1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 37, 999])
def test_the_first_item_that_is_not_finite_is_named(tokenizer, embeddings, monkeypatch, value, row):
    bad = embeddings.copy()
    bad[row, 5] = bad[-1, 0] = value
    monkeypatch.setattr(module, "ENCODE_CHUNK", 16)
    message = f"the embedding of item {row} holds NaN or infinity: encode that item's text again"
    for used in (bad, bad.astype(np.float16), torch.from_numpy(bad)):
        with pytest.raises(DataError, match=message):
            tokenizer.encode(used)


@pytest.mark.parametrize("sample", [50_000, 10])
def test_training_names_the_item_that_is_not_finite(embeddings, monkeypatch, sample):
    monkeypatch.setattr(module, "START_SAMPLE", sample)
    bad = embeddings.copy()
    bad[777] = np.nan
    with pytest.raises(DataError, match="the embedding of item 777 holds NaN"):
        train_tokenizer(bad, FSQTokenizerConfig(**SMALL), epochs=1)


# --- training and report ---


@pytest.fixture(scope="module")
def trained(embeddings):
    return train_tokenizer(embeddings, FSQTokenizerConfig(**SMALL), epochs=8, lr=2e-3, batch_size=64, seed=3)


def test_training_lowers_the_loss_and_uses_the_codes(trained, embeddings, monkeypatch):
    tokenizer, report = trained
    assert len(report.loss_curve) == 8
    assert report.loss_curve[-1] < 0.8 * report.loss_curve[0]
    mean_cosine = float((embeddings @ embeddings.mean(0)).mean() / np.linalg.norm(embeddings.mean(0)))
    assert report.reconstruction_cosine > mean_cosine + 0.05  # better than answering the mean item to all
    assert min(report.code_use) > 0.5
    assert not tokenizer.training

    monkeypatch.setattr(module, "start_from_principal_axes", lambda quantizer, slices_NKW: None)
    _, at_random = train_tokenizer(embeddings, tokenizer.config, epochs=8, lr=2e-3, batch_size=64, seed=3)
    assert np.mean(at_random.code_use) < 0.7 * np.mean(report.code_use)
    assert np.mean(at_random.perplexity) < 0.7 * np.mean(report.perplexity)
    assert at_random.collision_rate > report.collision_rate


def test_training_is_repeatable(embeddings):
    def run(seed):
        return train_tokenizer(embeddings[:300], FSQTokenizerConfig(**SMALL), epochs=2, seed=seed)

    (one, one_report), (two, two_report), (other, _) = run(5), run(5), run(6)
    assert one_report == two_report
    assert one.sha256 == two.sha256 != other.sha256


def test_what_one_catalogue_taught_encodes_another(trained):
    tokenizer, _ = trained
    report = report_on(tokenizer, clustered(600, seed=9))
    assert report.n_items == 600
    assert report.loss_curve == []
    assert min(report.code_use) > 0.3
    assert report.collision_rate < 0.2


def test_code_statistics_by_hand():
    codes_NK = np.array([[0, 1], [0, 1], [2, 3], [2, 1]], np.uint16)
    use, perplexity, collisions = code_statistics(codes_NK, 4)
    assert use == [0.5, 0.5]
    assert perplexity == pytest.approx([2.0, math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))])
    assert collisions == 0.5  # items 0 and 1
    assert code_statistics(codes_NK[1:], 4)[2] == 0.0


def test_report_is_measured_on_what_encode_gives(trained, embeddings):
    tokenizer, report = trained
    codes_NK = tokenizer.encode(embeddings)
    rows = [tuple(row) for row in codes_NK.tolist()]
    assert report.collision_rate == sum(rows.count(row) > 1 for row in rows) / len(rows)
    assert report.code_use == [len(set(slot)) / 80 for slot in codes_NK.T.tolist()]
    rebuilt = tokenizer.decode(codes_NK).numpy()
    cosine = (rebuilt * embeddings).sum(1) / np.linalg.norm(rebuilt, axis=1) / np.linalg.norm(embeddings, axis=1)
    assert report.reconstruction_cosine == pytest.approx(float(cosine.mean()), abs=1e-5)
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()
    cells = [cell for column in report.table().columns for cell in column._cells]
    assert f"{report.collision_rate:.2%}" in cells


# --- files ---


def test_a_saved_tokenizer_is_the_same(trained, embeddings, tmp_path, capsys):
    tokenizer, _ = trained
    tokenizer.save_pretrained(tmp_path / "fsq")
    loaded = FSQTokenizer.from_pretrained(tmp_path / "fsq")
    assert capsys.readouterr().out == ""
    assert loaded.config == tokenizer.config
    assert loaded.sha256 == tokenizer.sha256
    assert not loaded.training
    np.testing.assert_array_equal(loaded.encode(embeddings), tokenizer.encode(embeddings))
    torch.testing.assert_close(loaded.decode(np.zeros((1, 4))), tokenizer.decode(np.zeros((1, 4))), rtol=0, atol=0)
    assert sorted(path.name for path in (tmp_path / "fsq").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]


def test_the_bound_is_saved_and_part_of_the_hash(tmp_path, embeddings):
    torch.manual_seed(0)
    ours, published = (FSQTokenizer(FSQTokenizerConfig(**SMALL, published_bound=flag)) for flag in (False, True))
    published.load_state_dict(ours.state_dict())
    assert ours.sha256 != published.sha256
    published.save_pretrained(tmp_path)
    assert FSQTokenizer.from_pretrained(tmp_path).sha256 == published.sha256


def test_the_hash_is_of_what_decides_the_codes(tokenizer):
    before = tokenizer.sha256
    with torch.no_grad():
        tokenizer.decoder.head_out.bias += 1
        assert tokenizer.sha256 == before
        tokenizer.quantizer.project_in.bias += 1
        assert tokenizer.sha256 != before
        tokenizer.quantizer.project_in.bias -= 1


def damage(folder, how):
    weights = folder / "model.safetensors"
    if how == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif how == "header only":
        weights.write_bytes(weights.read_bytes()[:20])
    elif how == "no weights":
        weights.unlink()
    elif how == "no config":
        (folder / "config.json").unlink()
    elif how == "config cut":
        (folder / "config.json").write_text((folder / "config.json").read_text()[:-9])
    elif how == "other shape":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"embedding_dim": 64}))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", r"model\.safetensors is damaged or of another shape .*: copy it again"),
        ("header only", r"model\.safetensors is damaged or of another shape"),
        ("other shape", r"model\.safetensors is damaged or of another shape (?s:.*)size mismatch"),
        ("no weights", r"lacks config\.json or model\.safetensors: name a folder that was saved whole"),
        ("no config", r"lacks config\.json or model\.safetensors"),
        ("config cut", r"config\.json is not readable JSON"),
    ],
)
def test_damaged_folders(tokenizer, tmp_path, how, message):
    tokenizer.save_pretrained(tmp_path)
    damage(tmp_path, how)
    with pytest.raises(CheckpointError, match=message):
        FSQTokenizer.from_pretrained(tmp_path)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere/at/all' is neither a folder nor a repository"):
        FSQTokenizer.from_pretrained("nowhere/at/all")
    with pytest.raises(CheckpointError, match="missing' is neither a folder nor a repository"):
        FSQTokenizer.from_pretrained(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="file is a file: name its folder"):
        FSQTokenizer.from_pretrained(tmp_path / "file")
