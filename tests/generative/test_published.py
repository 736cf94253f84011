"""The published files: hostile and damaged ones are refused by name, sound ones give the published numbers."""

import io
import os
import pickle
import shutil
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from recgpt.errors import CheckpointError, UntrustedFileError
from recgpt.generative import published
from recgpt.generative.loss import next_item_labels
from recgpt.generative.model import GenerativeModel
from recgpt.generative.published import convert, load_upstream, read_state_dict
from tests import seed_checkpoint

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor([7])}


class Reduce:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def saved(path, state=STATE):
    torch.save(state, path)
    return path


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_state_dicts_from_every_form(tmp_path):
    save_file(STATE, tmp_path / "w.safetensors")
    for source in (STATE, saved(tmp_path / "w.pt"), str(tmp_path / "w.pt"), tmp_path / "w.safetensors"):
        assert same(read_state_dict(source), STATE)


def test_the_prefix_of_distributed_training_goes(tmp_path):
    assert same(read_state_dict({f"module.{key}": value for key, value in STATE.items()}), STATE)
    mixed = {"module.a": torch.ones(1), "b": torch.ones(1)}
    assert same(read_state_dict(mixed), mixed)


@pytest.mark.parametrize(
    ("state", "name"),
    [
        ({"x": Reduce(os.system, "touch owned")}, r"posix\.system"),
        ({"x": torch.nn.Linear(1, 1)}, r"torch\.nn\.modules\.linear\.Linear"),
    ],
)
def test_hostile_weights_are_refused_by_name(tmp_path, monkeypatch, state, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UntrustedFileError, match=rf"w\.pt asks for {name}; only tensors") as refused:
        read_state_dict(saved(tmp_path / "w.pt", state))
    assert "weights_only" not in str(refused.value)  # torch advises to turn it off; we do not
    assert not (tmp_path / "owned").exists()


def test_a_bare_hostile_pickle_named_pt_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pt").write_bytes(pickle.dumps(Reduce(os.system, "touch owned"), 4))
    with (
        pytest.warns(UserWarning, match="protocol 4"),
        pytest.raises(UntrustedFileError, match=r"w\.pt is no plain \.pt file"),
    ):
        read_state_dict(tmp_path / "w.pt")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.99])
def test_truncated_weights(tmp_path, share):
    content = saved(tmp_path / "whole.pt", {"x": torch.ones(5000)}).read_bytes()
    (tmp_path / "w.pt").write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"w\.pt is truncated or no \.pt file"):
        read_state_dict(tmp_path / "w.pt")


def test_truncated_and_missing_safetensors(tmp_path):
    save_file(STATE, tmp_path / "w.safetensors")
    content = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(content[:-5])
    for name in ("w.safetensors", "none.safetensors"):
        with pytest.raises(CheckpointError, match=rf"{name} is missing, truncated or no safetensors file"):
            read_state_dict(tmp_path / name)


def test_files_that_hold_no_state_dict(tmp_path):
    with pytest.raises(CheckpointError, match=r"w\.pt holds a list, a state dict of named tensors is needed"):
        read_state_dict(saved(tmp_path / "w.pt", [torch.ones(1)]))
    with pytest.raises(CheckpointError, match=r"the state dict holds 'epoch', a state dict of named tensors is needed"):
        read_state_dict({"a": torch.ones(1), "epoch": 3})
    with pytest.raises(CheckpointError, match=r"w\.pt does not exist, nor do parts w\.pt\.zip\.partaa"):
        read_state_dict(tmp_path / "elsewhere" / "w.pt")


# --- split archives ---


def archive(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return buffer.getvalue()


def split(folder, content, n_parts=30, stem="weight.pt.zip"):
    """As `split -n` does: partaa, partab, ..., partaz, partba, ..."""
    size = -(-len(content) // n_parts)
    letters = "abcdefghijklmnopqrstuvwxyz"
    for i in range(n_parts):
        (folder / f"{stem}.part{letters[i // 26]}{letters[i % 26]}").write_bytes(content[i * size : (i + 1) * size])


@pytest.fixture
def weight_bytes(tmp_path):
    return saved(
        tmp_path / "source.pt", {"x": torch.randn(3000, generator=torch.Generator().manual_seed(0))}
    ).read_bytes()


@pytest.mark.parametrize("given_name", ["weight.pt.zip.partaa", "weight.pt.zip", "weight.pt"])
def test_split_archives_are_joined_in_order(tmp_path, weight_bytes, given_name):
    split(tmp_path, archive({"ckpt/": b"", "ckpt/weight.pt": weight_bytes, "__MACOSX/._weight.pt": b"x"}))
    split(tmp_path, b"no zip at all", stem="weight_other.pt.zip")
    state = read_state_dict(tmp_path / given_name)
    assert same(state, read_state_dict(tmp_path / "source.pt"))


def test_an_archive_joined_by_the_user_is_read(tmp_path, weight_bytes):
    (tmp_path / "weight.pt.zip").write_bytes(archive({"weight.pt": weight_bytes}))
    assert same(read_state_dict(tmp_path / "weight.pt.zip"), read_state_dict(tmp_path / "source.pt"))


@pytest.mark.parametrize("lost", ["aa", "ab", "az", "ba"])
def test_a_missing_part_is_named(tmp_path, weight_bytes, lost):
    split(tmp_path, archive({"weight.pt": weight_bytes}))
    (tmp_path / f"weight.pt.zip.part{lost}").unlink()
    with pytest.raises(CheckpointError, match=rf"weight\.pt\.zip\.part{lost} is missing beside .*fetch all parts"):
        read_state_dict(tmp_path / "weight.pt.zip")


@pytest.mark.parametrize("damage", ["last part", "middle bytes"])
def test_damaged_archives(tmp_path, weight_bytes, damage):
    content = archive({"weight.pt": weight_bytes})
    if damage == "last part":
        split(tmp_path, content)
        (tmp_path / "weight.pt.zip.partbd").unlink()
    else:
        middle = len(content) // 2
        split(tmp_path, content[:middle] + bytes(50) + content[middle + 50 :])
    with pytest.raises(CheckpointError, match=r"no whole zip archive.*fetch them again"):
        read_state_dict(tmp_path / "weight.pt.zip")


@pytest.mark.parametrize(
    "name", ["../../owned.pt", "/root/owned.pt", "a/../../owned.pt", "..\\owned.pt", "C:\\owned.pt"]
)
def test_names_that_would_land_elsewhere_are_refused(tmp_path, weight_bytes, name):
    folder = tmp_path / "deep" / "down"
    folder.mkdir(parents=True)
    split(folder, archive({name: weight_bytes}))
    with pytest.raises(UntrustedFileError, match="which would land elsewhere"):
        read_state_dict(folder / "weight.pt.zip")
    assert not list(tmp_path.rglob("owned*"))


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["a.pt", "b.pt"], "'a.pt', 'b.pt'"),
        (["a.pt", "run.sh"], "'a.pt', 'run.sh'"),
        (["a.pkl"], "'a.pkl'"),
        ([], "nothing"),
    ],
)
def test_archives_hold_exactly_one_pt(tmp_path, names, listed):
    split(tmp_path, archive(dict.fromkeys(names, b"x")), n_parts=2)
    with pytest.raises(UntrustedFileError, match=f"exactly one .pt file, it holds {listed}"):
        read_state_dict(tmp_path / "weight.pt.zip")


def test_archives_that_declare_too_much_are_refused(tmp_path, weight_bytes, monkeypatch):
    monkeypatch.setattr(published, "MAX_CHECKPOINT_BYTES", 1000)
    split(tmp_path, archive({"weight.pt": weight_bytes}))
    with pytest.raises(UntrustedFileError, match=r"declares 1\d,\d{3} bytes, no more than 1,000 are unpacked"):
        read_state_dict(tmp_path / "weight.pt.zip")


def test_archives_that_hold_more_than_they_declare_are_damaged(tmp_path, monkeypatch):
    """A bomb that lies about its size is cut there, and then fails its checksum."""
    content = bytearray(archive({"weight.pt": bytes(10**6)}))
    declared = struct.pack("<I", 10**6)
    lied = bytes(content).replace(declared, struct.pack("<I", 1000))
    split(tmp_path, lied, n_parts=2)
    written = []
    monkeypatch.setattr(
        shutil,
        "copyfileobj",
        lambda source, out, copy=shutil.copyfileobj: copy(source, out) or written.append(out.tell()),
    )
    with pytest.raises(CheckpointError, match=r"no whole zip archive.*Bad CRC"):
        read_state_dict(tmp_path / "weight.pt.zip")
    assert len(written) == 2  # the two parts; the member was never written whole


# --- the published checkpoint ---


@pytest.fixture(scope="session")
def seed(shared):
    return seed_checkpoint.load(shared)


@pytest.fixture(scope="session")
def loaded(seed):
    return load_upstream(seed.decoder, seed.tokenizer)


def test_sizes_are_read_off_the_shapes(loaded):
    model, tokenizer = loaded
    config = model.config
    assert (config.n_layers, config.d_model, config.n_heads, config.max_items) == (3, 768, 12, 256)
    assert (config.codebook_size, config.n_codes, config.embedding_dim) == (15_360, 4, 768)
    assert (tokenizer.config.n_layers, tokenizer.config.published_bound) == (2, True)
    assert not model.training
    assert not tokenizer.training


def test_codes_are_equal_and_reconstructions_close(seed, loaded):
    _, tokenizer = loaded
    codes = tokenizer.encode(seed.golden["item_embeddings"])
    np.testing.assert_array_equal(codes, seed.golden["item_codes"])
    np.testing.assert_allclose(tokenizer.decode(codes[:16]), seed.golden["reconstructions"], atol=1e-4)


@pytest.fixture(scope="session")
def inputs(seed):
    """Codes (400, 4) and slices (400, 4, 192) of the fixture's items."""
    codes_NK = torch.from_numpy(seed.golden["item_codes"].astype(np.int64))
    return codes_NK, torch.from_numpy(seed.golden["item_embeddings"]).view(400, 4, 192)


@pytest.fixture(scope="session")
def next_logits(seed, loaded, inputs):
    """Logits (9, 4, V + 1) after each history."""
    model, _ = loaded
    codes_NK, slices_NKW = inputs
    with torch.inference_mode():
        last = [model(codes_NK[h][None], slices_NKW[h][None]).hidden_BSKD[:, -1] for h in seed.histories]
        return torch.cat([model.slot_logits(hidden_BKD) for hidden_BKD in last])


def test_losses_are_the_published_ones(seed, loaded, inputs):
    model, _ = loaded
    codes_NK, slices_NKW = inputs
    losses, weights = [], []
    for history in seed.histories[1:]:  # the first has no next item
        codes_BSK, segments_BS = codes_NK[history][None], torch.zeros(1, len(history), dtype=torch.long)
        with torch.inference_mode():
            out = model(codes_BSK, slices_NKW[history][None], labels_BSK=next_item_labels(codes_BSK, segments_BS))
        losses.append(float(out.loss))
        weights.append(len(history) - 1)
    np.testing.assert_allclose(losses, seed.golden["loss_per_history"][1:], atol=1e-4)
    np.testing.assert_allclose(np.average(losses, weights=weights), seed.golden["loss_batch"], atol=1e-4)


def test_logits_are_the_published_ones(seed, inputs, next_logits):
    codes_NK, _ = inputs
    at_codes = torch.stack([next_logits[:, slot, codes_NK[:, slot]] for slot in range(4)], dim=1)
    np.testing.assert_allclose(at_codes, seed.golden["slot_logits_codes"], atol=1e-4)
    np.testing.assert_allclose(next_logits.logsumexp(-1), seed.golden["slot_logsumexp_t1"], atol=1e-4)
    np.testing.assert_allclose((next_logits / 0.1).logsumexp(-1), seed.golden["slot_logsumexp_t01"], atol=1e-4)


def test_exact_top_5_is_never_below_the_published_beam(seed, loaded, inputs, next_logits):
    model, tokenizer = loaded
    catalogue = model.index(seed.golden["item_embeddings"], tokenizer=tokenizer)
    exact = catalogue.recommend(seed.histories, k=5, exclude="nothing", batch_size=1)
    log_probs = next_logits.log_softmax(-1)
    scores_BN = sum(log_probs[:, slot, inputs[0][:, slot]] for slot in range(4)).numpy()
    beam = np.take_along_axis(scores_BN, seed.golden["beam_top5_items"], axis=1)
    np.testing.assert_allclose(np.take_along_axis(scores_BN, exact.ids, axis=1), exact.scores, atol=1e-4)
    assert (exact.scores >= np.sort(beam)[:, ::-1] - 1e-4).all()
    assert (exact.scores[:, 0] > beam.max(1) + 1e-4).sum() == 7  # histories of which the beam loses the best item


def test_the_beam_reference_gives_the_published_ranking(seed, loaded):
    model, tokenizer = loaded
    catalogue = model.index(seed.golden["item_embeddings"], tokenizer=tokenizer)
    beam = catalogue.recommend(seed.histories, k=5, exclude="nothing", mode="beam", batch_size=1)
    np.testing.assert_array_equal(beam.ids, seed.golden["beam_top5_items"])
    np.testing.assert_allclose(beam.scores, seed.golden["beam_top5_scores"], atol=1e-3)


# --- published names, on a small checkpoint ---


@pytest.fixture
def small():
    """A checkpoint with every published key: 2 layers, D 64, W 16, 64 positions."""
    d, w, vocabulary = 64, 16, 15_361
    decoder = {
        "gpt2model.wte.weight": [vocabulary + 9, d],
        "gpt2model.wpe.weight": [64, d],
        "pred_head.weight": [vocabulary, d],
        "linear_layer.weight": [d, w],
    }
    for i in range(2):
        block = f"gpt2model.h.{i}"
        decoder |= {f"{block}.attn.c_attn.weight": [d, 3 * d], f"{block}.attn.c_attn.bias": [3 * d]}
        decoder |= {f"{block}.attn.c_proj.weight": [d, d], f"{block}.attn.c_proj.bias": [d]}
        decoder |= {f"{block}.mlp.c_fc.weight": [d, 4 * d], f"{block}.mlp.c_fc.bias": [4 * d]}
        decoder |= {f"{block}.mlp.c_proj.weight": [4 * d, d], f"{block}.mlp.c_proj.bias": [d]}
    norms = ["norm_seq", "norm_aux", "gpt2model.ln_f", *(f"gpt2model.h.{i}.ln_{n}" for i in range(2) for n in (1, 2))]
    decoder |= {f"{norm}.{kind}": [d] for norm in norms for kind in ("weight", "bias")}
    layer = "decoder.transformer_layers.0"
    tokenizer = {
        "decoder.position_emb.weight": [4, w],
        "quantizer.project_in.weight": [5, w],
        "quantizer.project_in.bias": [5],
        "quantizer.project_out.weight": [w, 5],
        "quantizer.project_out.bias": [w],
        "decoder.linear_layer.0.weight": [4 * w, w],
        "decoder.linear_layer.0.bias": [4 * w],
        "decoder.linear_layer.2.weight": [4 * w, 4 * w],
        "decoder.linear_layer.2.bias": [4 * w],
        f"{layer}.feed_forward.w_1.weight": [4 * w, w],
        f"{layer}.feed_forward.w_1.bias": [4 * w],
        f"{layer}.feed_forward.w_2.weight": [w, 4 * w],
        f"{layer}.feed_forward.w_2.bias": [w],
    }
    linear = [*(f"attention.linear_layers.{i}" for i in range(3)), "attention.output_linear"]
    tokenizer |= {f"{layer}.{name}.weight": [w, w] for name in linear}
    tokenizer |= {f"{layer}.{name}.bias": [w] for name in [*linear, "input_sublayer.norm", "output_sublayer.norm"]}
    tokenizer |= {f"{layer}.{side}_sublayer.norm.weight": [w] for side in ("input", "output")}
    tokenizer |= {"encoder.position_emb.weight": [4, w]}
    return tuple(
        {key: seed_checkpoint.weights(key, shape) for key, shape in part.items()} for part in (decoder, tokenizer)
    )


def test_convert_writes_a_folder_that_loads_to_the_same_model(tmp_path, small):
    decoder, tokenizer = small
    torch.save({f"module.{key}": value for key, value in decoder.items()}, tmp_path / "decoder.pt")
    torch.save(tokenizer, tmp_path / "tokenizer.pt")
    converted = convert(tmp_path / "decoder.pt", tmp_path / "tokenizer.pt", tmp_path / "ours")
    assert not list((tmp_path / "ours").rglob("*.pt")) + list((tmp_path / "ours").rglob("*.bin"))
    read = GenerativeModel.from_pretrained(tmp_path / "ours")
    assert same(read.state_dict(), converted.state_dict())
    embeddings = np.random.default_rng(0).standard_normal((30, 64)).astype(np.float32)
    expected = converted.index(embeddings).recommend([[1, 2], [3]], k=5)
    ranking = read.index(embeddings).recommend([[1, 2], [3]], k=5)
    np.testing.assert_array_equal(ranking.ids, expected.ids)
    np.testing.assert_allclose(ranking.scores, expected.scores, rtol=1e-6)  # a product's last bit hangs on alignment


def test_convert_never_overwrites(tmp_path, small):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="is not empty: choose a new folder"):
        convert(*small, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("part", [0, 1], ids=["decoder", "tokenizer"])
def test_missing_keys_are_named(small, part):
    for key in [key for key in small[part] if not key.startswith("encoder.")]:
        states = [dict(state) for state in small]
        del states[part][key]
        with pytest.raises(CheckpointError, match=f"missing.*{key}|{key}.*missing"):
            load_upstream(*states)


@pytest.mark.parametrize("part", [0, 1], ids=["decoder", "tokenizer"])
def test_unknown_keys_are_named(small, part):
    states = [dict(state) for state in small]
    states[part]["gpt2model.h.0.attn.q_norm.weight"] = torch.ones(1)
    with pytest.raises(CheckpointError, match=r"1 published keys are unknown: gpt2model\.h\.0\.attn\.q_norm\.weight"):
        load_upstream(*states)


WRONG_SHAPES = {
    (0, "gpt2model.h.1.mlp.c_fc.weight"): ([256, 64], r"has shape \(256, 64\), \(64, 256\) is needed"),
    (0, "gpt2model.wte.weight"): ([100, 64], r"has shape \(100, 64\), \(15361, 64\) is needed"),
    (0, "norm_aux.bias"): ([65], r"has shape \(65,\), \(64,\) is needed"),
    (0, "linear_layer.weight"): ([64, 20], r"has shape \(64, 20\), \(64, 16\) is needed"),
    (0, "gpt2model.wpe.weight"): ([64, 65], "is 65 wide, which is no multiple of 64"),
    (1, "quantizer.project_in.weight"): ([4, 16], r"does not fit the published levels \[8, 8, 8, 6, 5\]"),
    (1, "decoder.position_emb.weight"): ([64], r"has shape \(64,\), a matrix is needed"),
}


@pytest.mark.parametrize(("place", "case"), WRONG_SHAPES.items(), ids=lambda v: v[1] if isinstance(v[0], int) else "")
def test_wrong_shapes_are_named(small, place, case):
    (part, key), (shape, message) = place, case
    states = [dict(state) for state in small]
    states[part][key] = torch.ones(shape)
    with pytest.raises(CheckpointError, match=f"{key} {message}"):
        load_upstream(*states)


def test_files_swapped_by_mistake(small):
    with pytest.raises(
        CheckpointError, match=r"'decoder\.position_emb\.weight' is missing: fetch the published file again"
    ):
        load_upstream(small[1], small[0])
