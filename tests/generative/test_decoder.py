"""The decoder against a slow one written from the description, and what packing, padding, caching and files leave."""

import copy
import json
from pathlib import Path

import huggingface_hub
import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from torch.nn.attention.flex_attention import flex_attention

from recgpt import RecGPT
from recgpt.data.packing import PackedDataset
from recgpt.data.ragged import Ragged
from recgpt.errors import CheckpointError, DataError
from recgpt.generative import decoder as module
from recgpt.generative.decoder import (
    MIN_LENGTH_RATIO,
    RecGPTConfig,
    RecGPTDecoder,
    block_causal_mask,
    flex_mask,
    model_card,
    sequence_groups,
)
from recgpt.generative.loss import IGNORE, next_item_labels
from recgpt.generative.tokenizer import FSQTokenizer, FSQTokenizerConfig

V, K, W = 60, 4, 8
SHAPE = {
    "codebook_size": V,
    "n_codes": K,
    "embedding_dim": K * W,
    "max_items": 16,
    "d_model": 32,
    "n_layers": 2,
    "n_heads": 4,
}


def random_decoder(cls=RecGPTDecoder, seed=0, **changes):
    """Weights so large that every part of the network shows in its output."""
    torch.manual_seed(seed)
    model = cls(RecGPTConfig(**{**SHAPE, **changes})).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(std=0.5 if parameter.ndim > 1 else 0.2)
            if "norm.weight" in name:
                parameter += 1
    return model


def random_items(n_rows, n_items, config, seed=1):
    """Codes (B, S, K) and slices (B, S, K, W)."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n_rows, n_items, config.n_codes)
    codes = torch.randint(config.codebook_size, shape, generator=generator)
    return codes, torch.randn(*shape, config.slice_dim, generator=generator)


@pytest.fixture(scope="module")
def decoder():
    return random_decoder()


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual.detach()), np.asarray(expected), atol=tolerance, rtol=tolerance)


# --- the forward pass ---


def slow_decoder(model, codes_SK, slices_SKW):
    """Hidden states (S, K, D) of one sequence in float64, position by position, from the description of the network."""
    p = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    k, heads = model.config.n_codes, model.config.n_heads

    def norm(x, name):
        centred = x - x.mean()
        return centred / np.sqrt((centred**2).mean() + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]

    def linear(x, name):
        return p[f"{name}.weight"] @ x + p[f"{name}.bias"]

    def gelu(x):
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    x = []
    for item, codes in enumerate(codes_SK.tolist()):
        for slot, code in enumerate(codes):
            vector = p["position_embedding.weight"][item * k + slot]
            if code < model.config.codebook_size:
                piece = slices_SKW[item, slot].double().numpy()
                vector = vector + norm(p["token_embedding.weight"][code], "token_norm")
                vector = vector + norm(p["dense_projection.weight"] @ piece, "dense_norm")
            x.append(vector)
    for layer in range(model.config.n_layers):
        name = f"blocks.{layer}"
        qkv = [np.split(linear(norm(v, f"{name}.attention_norm"), f"{name}.qkv"), 3) for v in x]
        after = []
        for query in range(len(x)):
            seen = [key for key in range(len(x)) if key // k <= query // k]
            heard = []
            for q, ks, vs in zip(
                np.split(qkv[query][0], heads),
                zip(*(np.split(qkv[key][1], heads) for key in seen), strict=True),
                zip(*(np.split(qkv[key][2], heads) for key in seen), strict=True),
                strict=True,
            ):
                weights = np.exp([q @ key / np.sqrt(len(q)) for key in ks])
                heard.append(sum(w * v for w, v in zip(weights / weights.sum(), vs, strict=True)))
            y = x[query] + linear(np.concatenate(heard), f"{name}.attention_out")
            after.append(y + linear(gelu(linear(norm(y, f"{name}.mlp_norm"), f"{name}.mlp_in")), f"{name}.mlp_out"))
        x = after
    return np.array([norm(v, "final_norm") for v in x]).reshape(len(codes_SK), k, -1)


@pytest.mark.parametrize("n_codes", [1, 3, 4])
def test_equals_a_slow_decoder(n_codes):
    model = random_decoder(n_codes=n_codes, embedding_dim=n_codes * W)
    codes, slices = random_items(2, 5, model.config)
    codes[1, 3:] = V  # padding
    with torch.no_grad():
        hidden = model(codes, slices).hidden_BSKD
    for row, n_items in enumerate((5, 3)):
        expected = slow_decoder(model, codes[row, :n_items], slices[row, :n_items])
        close(hidden[row, :n_items], expected)
        logits = expected[-1] @ model.head.weight.detach().double().numpy().T
        close(model.slot_logits(hidden[row : row + 1, n_items - 1])[0], logits, 1e-4)
    assert logits.shape == (n_codes, V + 1)


def test_the_loss_is_the_mean_over_the_next_items_codes(decoder):
    codes, slices = random_items(1, 6, decoder.config)
    labels = next_item_labels(codes, torch.zeros(1, 6, dtype=torch.long))
    loss = decoder(codes, slices, labels_BSK=labels).loss
    log_probs = torch.from_numpy(slow_decoder(decoder, codes[0], slices[0])).float() @ decoder.head.weight.T
    log_probs = log_probs.log_softmax(-1)
    terms = [-log_probs[item, slot, codes[0, item + 1, slot]] for item in range(5) for slot in range(K)]
    close(loss, sum(terms).item() / len(terms))
    assert decoder(codes, slices, labels_BSK=labels, loss_normaliser=2.0).loss.item() == pytest.approx(
        loss.item() * len(terms) / 2, rel=1e-5
    )


@pytest.mark.parametrize("n_pads", [1, 3, 11])
def test_padding_on_the_right_changes_nothing(decoder, n_pads):
    codes, slices = random_items(3, 5, decoder.config)
    segments = torch.zeros(3, 5, dtype=torch.long)
    padded_codes = F.pad(codes, (0, 0, 0, n_pads), value=V)
    padded_slices = F.pad(slices, (0, 0, 0, 0, 0, n_pads), value=7.0)
    padded_segments = F.pad(segments, (0, n_pads), value=-1)
    alone = decoder(codes, slices, labels_BSK=next_item_labels(codes, segments))
    labels = next_item_labels(padded_codes, padded_segments)
    for given in (None, padded_segments):
        padded = decoder(padded_codes, padded_slices, segments_BS=given, labels_BSK=labels)
        close(padded.hidden_BSKD[:, :5], alone.hidden_BSKD.detach())
        close(padded.loss, alone.loss.detach())
        assert torch.isfinite(padded.hidden_BSKD).all()


@pytest.fixture(scope="module")
def packed(decoder):
    """Nine sequences in packed rows, and each alone: (inputs of the rows, item ids and lists of sequences)."""
    rng = np.random.default_rng(0)
    sequences = [rng.integers(0, 50, n) for n in (16, 11, 5, 4, 9, 2, 7, 3, 6)]
    codes_NK, slices_NKW = (x[0] for x in random_items(1, 50, decoder.config))
    dataset = PackedDataset(Ragged.from_lists(sequences), row_items=16)
    assert len(dataset) == 4
    rows = dataset.rows(np.arange(4))
    ids, segments = torch.from_numpy(rows.item_ids), torch.from_numpy(rows.segment_ids).long()
    assert (segments == -1).any()
    codes_BSK = torch.where(ids.unsqueeze(-1) >= 0, codes_NK[ids], V)
    batch = {
        "codes_BSK": codes_BSK,
        "slices_BSKW": slices_NKW[ids],
        "segments_BS": segments,
        "positions_BS": torch.from_numpy(rows.position_ids),
        "labels_BSK": next_item_labels(codes_BSK, segments),
    }
    alone = {
        tuple(s): (codes_NK[s].unsqueeze(0), slices_NKW[s].unsqueeze(0)) for s in map(np.ndarray.tolist, sequences)
    }
    return batch, rows, alone


def equals_one_sequence_a_row(decoder, packed):
    batch, rows, alone = packed
    with torch.inference_mode():
        out = decoder(**batch)
        total, found = 0.0, 0
        for row, segment in {(r, s) for r in range(4) for s in rows.segment_ids[r].tolist() if s >= 0}:
            here = rows.segment_ids[row] == segment
            codes, slices = alone[tuple(rows.item_ids[row, here].tolist())]
            labels = next_item_labels(codes, torch.zeros(codes.shape[:2], dtype=torch.long))
            own = decoder(codes, slices, labels_BSK=labels, loss_normaliser=1.0)
            close(out.hidden_BSKD[row, torch.from_numpy(here)], own.hidden_BSKD[0])
            total, found = total + own.loss, found + 1
    assert found == len(alone)
    close(out.loss, total / (batch["labels_BSK"] != IGNORE).sum())


def test_packed_rows_equal_one_sequence_a_row(decoder, packed):
    equals_one_sequence_a_row(decoder, packed)


def test_rows_longer_than_the_positions(decoder):
    with pytest.raises(DataError, match="a row of 17 items is longer than max_items=16: cut its oldest"):
        decoder(*random_items(1, 17, decoder.config))


def test_gradients_reach_every_weight_but_padding(decoder, packed):
    model = copy.deepcopy(decoder).train()
    model(**packed[0]).loss.backward()
    still = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().max() > 0]
    assert still == []
    assert model.token_embedding.weight.grad[V].abs().max() == 0


def test_dropout_is_off_in_eval_mode(packed):
    model = random_decoder(dropout=0.5)
    batch = packed[0]
    with torch.inference_mode():
        assert model(**batch).loss == model(**batch).loss
        model.train()
        assert model(**batch).loss != model(**batch).loss


# --- masks ---


def mask_by_hand(segments, n_codes):
    n = len(segments) * n_codes
    return [
        [k // n_codes <= q // n_codes and segments[q // n_codes] == segments[k // n_codes] for k in range(n)]
        for q in range(n)
    ]


@pytest.mark.parametrize("n_codes", [1, 3])
def test_mask_is_block_causal(n_codes):
    mask = block_causal_mask(6, n_codes, torch.device("cpu"))
    assert mask.shape == (1, 1, 6 * n_codes, 6 * n_codes)
    assert mask[0, 0].tolist() == mask_by_hand([0] * 6, n_codes)


ROWS = st.lists(st.lists(st.integers(1, 9), max_size=5).filter(lambda row: sum(row) <= 20), min_size=1, max_size=4)


@hypothesis.given(rows=ROWS.filter(any))
def test_groups_hold_every_sequence_once_and_whole(rows):
    segments = torch.full((len(rows), 20), -1)
    for row, lengths in zip(segments, rows, strict=True):
        row[: sum(lengths)] = torch.repeat_interleave(
            torch.arange(len(lengths)), torch.tensor(lengths, dtype=torch.long)
        )
    groups = sequence_groups(segments, 2)
    assert sum(n * longest for n, longest in groups.shapes) == len(groups.items_P)
    assert len({longest for _, longest in groups.shapes}) == len(groups.shapes)
    of_sequence = {}
    first = 0
    for n, longest in groups.shapes:
        for items in groups.items_P[first : first + n * longest].view(n, longest).tolist():
            row, segment = divmod(items[0], 20)
            length = int((segments[row] == segments[row, segment]).sum())
            assert items[:length] == list(range(items[0], items[0] + length))
            assert MIN_LENGTH_RATIO * longest <= length
            of_sequence[items[0]] = length
        first += n * longest
    assert sorted(of_sequence.values()) == sorted(length for lengths in rows for length in lengths)
    real = (segments >= 0).flatten()
    assert (groups.items_P[groups.places_R[real]] == torch.arange(len(real))[real]).all()


@pytest.fixture
def flex_on_cpu(monkeypatch):
    """Take the GPU's path on a CPU, uncompiled."""
    monkeypatch.setattr(module, "_compiled_flex", flex_attention)
    monkeypatch.setattr(module, "sequence_groups", flex_mask)


def test_the_flex_mask_is_closed_around_sequences():
    rows = [[0, 0, 0, 1, 1, -1], [0, 1, 1, 2, 2, 2]]
    mask = flex_mask(torch.tensor(rows), 3)
    row, q, key = torch.meshgrid(torch.arange(2), torch.arange(18), torch.arange(18), indexing="ij")
    assert mask.mask_mod(row, torch.tensor(0), q, key).tolist() == [mask_by_hand(each, 3) for each in rows]


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_equals_sdpa(decoder, packed, flex_on_cpu):
    equals_one_sequence_a_row(decoder, packed)  # a row of one sequence goes through SDPA


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_packed_rows_on_a_gpu(decoder, packed):
    on_gpu = copy.deepcopy(decoder).cuda()
    with torch.inference_mode():
        out = on_gpu(**{name: tensor.cuda() for name, tensor in packed[0].items()})
        expected = decoder(**packed[0])
    close(out.hidden_BSKD.cpu(), expected.hidden_BSKD, 1e-2)
    close(out.loss.cpu(), expected.loss, 1e-2)


# --- the cache, and the last item alone ---


def test_the_last_item_alone_equals_a_full_pass(decoder):
    codes, slices = random_items(3, 10, decoder.config)
    last = torch.tensor([9, 4, 0])
    for row, place in enumerate(last.tolist()):
        codes[row, place + 1 :] = V
    with torch.inference_mode():
        full = decoder(codes, slices).hidden_BSKD
        alone = decoder(codes, slices, last_B=last)
        cached = decoder(codes, slices, last_B=last, use_cache=True)
    assert alone.hidden_BSKD.shape == (3, 1, K, decoder.config.d_model)
    close(alone.hidden_BSKD[:, 0], full[torch.arange(3), last])
    assert (cached.hidden_BSKD == alone.hidden_BSKD).all()


def test_appending_equals_a_full_pass(decoder):
    codes, slices = random_items(3, 10, decoder.config)
    with torch.inference_mode():
        full = decoder(codes, slices).hidden_BSKD
        past = decoder(codes[:, :4], slices[:, :4], use_cache=True).past
        for item in range(4, 10):
            now = slice(item, item + 1)
            positions = torch.full((3, 1), item)
            out = decoder(codes[:, now], slices[:, now], positions_BS=positions, past=past)
            close(out.hidden_BSKD, full[:, now])


def test_appending_to_rows_of_unequal_length(decoder):
    codes, slices = random_items(3, 10, decoder.config)
    lengths = torch.tensor([2, 5, 4])
    real = torch.arange(5) < lengths.unsqueeze(1)
    start = codes[:, :5].masked_fill(~real.unsqueeze(-1), V)
    seen = real.repeat_interleave(K, 1)
    rows = torch.arange(3)
    with torch.inference_mode():
        full = decoder(codes, slices).hidden_BSKD
        past = decoder(start, slices[:, :5], use_cache=True).past
        for step in range(4):
            at = lengths + step
            new = codes[rows, at].unsqueeze(1), slices[rows, at].unsqueeze(1)
            out = decoder(*new, positions_BS=at.unsqueeze(1), past=past, past_mask_BT=seen)
            close(out.hidden_BSKD[:, 0], full[rows, at])
            seen = F.pad(seen, (0, K), value=True)


def test_several_items_cannot_be_appended_at_once(decoder):
    codes, slices = random_items(1, 3, decoder.config)
    past = decoder(codes, slices, use_cache=True).past
    with pytest.raises(DataError, match="2 items were appended at once to a cache: append one at a time"):
        decoder(codes[:, :2], slices[:, :2], past=past)


# --- shapes, tokenizer, files ---


def test_shapes_that_do_not_fit():
    with pytest.raises(DataError, match="d_model=32 is not divisible by n_heads=5: choose one that divides it"):
        RecGPTConfig(**{**SHAPE, "n_heads": 5})
    with pytest.raises(DataError, match="embedding width 33 cannot be cut into 4 equal slices"):
        RecGPTConfig(**{**SHAPE, "embedding_dim": 33})


FSQ = {"embedding_dim": K * W, "n_codes": K, "levels": [5, 4, 3], "n_layers": 1, "n_heads": 2}


@pytest.fixture
def model():
    torch.manual_seed(3)
    facts = {"data": "steam", "steps": 1200}
    model = random_decoder(RecGPT, training=facts, text_encoder={"encoder": "a-text-encoder"})
    model.set_tokenizer(FSQTokenizer(FSQTokenizerConfig(**FSQ)))
    return model


def test_the_tokenizer_is_no_part_of_the_weights(model):
    bare = random_decoder()
    assert bare.tokenizer is None
    assert model.state_dict().keys() == bare.state_dict().keys()
    assert len(list(model.parameters())) == len(list(bare.parameters()))


@pytest.mark.parametrize("change", [{"embedding_dim": 64}, {"levels": [5, 4, 4]}, {"n_codes": 2}])
def test_a_tokenizer_of_another_shape(model, change):
    with pytest.raises(CheckpointError, match=r"the tokenizer has .* the model \(32, 4, 60\): use the tokenizer that"):
        model.set_tokenizer(FSQTokenizer(FSQTokenizerConfig(**{**FSQ, **change})))


def equal_weights(one, other):
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("cls", [RecGPT, RecGPTDecoder])
def test_a_saved_model_is_the_same(model, tmp_path, cls, capsys):
    model.save_pretrained(tmp_path / "m")
    loaded = cls.from_pretrained(tmp_path / "m")
    assert capsys.readouterr().out == ""
    assert type(loaded) is cls
    assert not loaded.training
    equal_weights(model, loaded)
    for name in (*SHAPE, "dropout", "training", "text_encoder"):
        assert getattr(loaded.config, name) == getattr(model.config, name)
    assert loaded.tokenizer.sha256 == model.tokenizer.sha256
    assert loaded.tokenizer.config == model.tokenizer.config
    files = {str(path.relative_to(tmp_path / "m")) for path in (tmp_path / "m").rglob("*") if path.is_file()}
    ours = {"README.md", "config.json", "model.safetensors"}
    assert files == ours | {f"tokenizer/{name}" for name in ours}


def test_a_model_without_tokenizer(tmp_path):
    random_decoder().save_pretrained(tmp_path)
    assert not (tmp_path / "tokenizer").exists()
    assert RecGPT.from_pretrained(tmp_path).tokenizer is None


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="missing' is neither a folder nor a repository"):
        RecGPT.from_pretrained(tmp_path / "missing")
    with pytest.raises(CheckpointError, match=r"holds no config\.json: name the folder of a model"):
        RecGPT.from_pretrained(tmp_path)


def damage(folder, how):
    weights = folder / "model.safetensors"
    if how == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif how == "no weights":
        weights.unlink()
    elif how == "config cut":
        (folder / "config.json").write_text((folder / "config.json").read_text()[:-9])
    elif how == "other shape":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"codebook_size": 80}))
    elif how in ("a tensor short", "a tensor more"):
        tensors = load_file(weights)
        if how == "a tensor short":
            del tensors["head.weight"]
        else:
            tensors["blocks.2.qkv.bias"] = torch.zeros(96)
        save_file(tensors, weights, metadata={"format": "pt"})
    elif how == "tokenizer truncated":
        weights = folder / "tokenizer" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", r"the weights in .* are missing or damaged .*: copy them again"),
        ("no weights", r"is damaged or of another shape .*: copy it again"),
        ("config cut", r"config\.json is not readable JSON"),
        ("other shape", r"not those of its config\.json: head\.weight has shape \(61, 32\)"),
        ("a tensor short", r"not those of its config\.json: head\.weight is missing"),
        ("a tensor more", r"not those of its config\.json: blocks\.2\.qkv\.bias is unknown"),
        ("tokenizer truncated", r"tokenizer.model\.safetensors is damaged"),
    ],
)
def test_damaged_folders(model, tmp_path, how, message):
    model.save_pretrained(tmp_path)
    damage(tmp_path, how)
    with pytest.raises(CheckpointError, match=message):
        RecGPT.from_pretrained(tmp_path)


@pytest.fixture
def hub(monkeypatch):
    """What is uploaded: repository -> {path: content}; and the arguments of each call."""
    uploads, calls = {}, []

    def create_repo(self, repo_id, **kwargs):
        calls.append(kwargs)
        return huggingface_hub.RepoUrl(f"https://huggingface.co/{repo_id}")

    def upload_folder(self, *, repo_id, folder_path, **kwargs):
        calls.append(kwargs)
        folder = Path(folder_path)
        files = (path for path in folder.rglob("*") if path.is_file())
        uploads[repo_id] = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
        return f"https://huggingface.co/{repo_id}"

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload_folder)
    return uploads, calls


def test_push_to_hub_uploads_what_is_saved(model, tmp_path, hub):
    model.save_pretrained(tmp_path)
    saved = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "tokenizer/model.safetensors" in saved
    uploads, calls = hub
    model.push_to_hub("somebody/recgpt", private=True, commit_message="first")
    assert uploads == {"somebody/recgpt": saved}
    assert calls[0]["private"] is True
    assert calls[1]["commit_message"] == "first"
    assert saved["README.md"].decode() == model_card(model.config)


def test_save_and_push_at_once(model, tmp_path, hub):
    model.save_pretrained(tmp_path / "m", push_to_hub=True, repo_id="somebody/recgpt")
    assert (tmp_path / "m" / "model.safetensors").is_file()
    assert hub[0]["somebody/recgpt"]["README.md"].decode() == model_card(model.config)
    assert "tokenizer/model.safetensors" in hub[0]["somebody/recgpt"]


def test_loading_from_the_hub_asks_for_the_wanted_revision(model, tmp_path, monkeypatch):
    model.save_pretrained(tmp_path)
    asked = {}

    def download(repo_id, **kwargs):
        asked.update(kwargs, repo_id=repo_id)
        return str(tmp_path)

    monkeypatch.setattr("recgpt.hub.snapshot_download", download)
    loaded = RecGPT.from_pretrained("somebody/recgpt", revision="v2", token="t", dtype=torch.float32)  # noqa: S106
    assert asked == {"repo_id": "somebody/recgpt", "revision": "v2", "token": "t"}
    equal_weights(model, loaded)
    assert loaded.tokenizer.sha256 == model.tokenizer.sha256


def test_the_model_card(model, tmp_path):
    model.save_pretrained(tmp_path)
    card = huggingface_hub.ModelCard.load(tmp_path / "README.md")
    assert (card.data.license, card.data.library_name) == ("mit", "recgpt")
    assert "recommendation" in card.data.tags
    for fact in ("2 layers x 32", "a-text-encoder (width 32)", "| data | steam |", "| steps | 1200 |"):
        assert fact in card.text
    random_decoder().save_pretrained(tmp_path)
    assert "Training is not recorded" in huggingface_hub.ModelCard.load(tmp_path / "README.md").text
