"""Checkpoints survive a kill at any point of being written, and say what is wrong with them when they are damaged."""

import json
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from recgpt.errors import CheckpointError
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.model import GenerativeModel
from recgpt.training import checkpoint


class KilledError(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def make(seed: int, **optimizer_options) -> tuple[GenerativeModel, torch.optim.AdamW]:
    """A model and its optimizer after one step, all of it decided by `seed`."""
    torch.manual_seed(seed)
    shape = {"codebook_size": 8, "n_codes": 2, "embedding_dim": 8, "max_items": 4}
    model = GenerativeModel(RecGPTConfig(**shape, d_model=8, n_layers=1, n_heads=1))
    matrices, vectors = ([p for p in model.parameters() if (p.dim() > 1) == wanted] for wanted in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, **optimizer_options)
    step(model, optimizer)
    return model, optimizer


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for number, parameter in enumerate(model.parameters()):
        parameter.grad = torch.sin(torch.arange(parameter.numel()) + number).view_as(parameter)
    optimizer.step()


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def save(folder: Path, number: int) -> None:
    checkpoint.save(folder, *make(number), {"step": number, "note": "kept"})


def assert_whole(path: Path) -> None:
    """`path` holds what `save` wrote for its step, to the bit."""
    number = checkpoint.read_state(path)["step"]
    assert path.name == f"step-{number:08d}"
    restored, optimizer = make(99)
    checkpoint.restore(path, restored, optimizer)
    assert torch.equal(weights(restored), weights(make(number)[0]))


def kill_at(monkeypatch: pytest.MonkeyPatch, operation: int) -> None:
    """Raise `KilledError` instead of the nth thing that `checkpoint` does to the disk; a deletion is half done."""
    done = 0

    def killing(function, half=None):
        def instead(*args, **kwargs):
            nonlocal done
            done += 1
            if done == operation:
                if half is not None:
                    half(*args)
                raise KilledError
            return function(*args, **kwargs)

        return instead

    def delete_one_file(path: Path, **_) -> None:
        next(iter(sorted(path.rglob("*.safetensors"))), path / "nothing").unlink(missing_ok=True)

    def cut_short(tensors, path: Path) -> None:
        Path(path).write_bytes(b"half a file")

    monkeypatch.setattr(checkpoint.shutil, "rmtree", killing(shutil.rmtree, delete_one_file))
    monkeypatch.setattr(checkpoint, "save_file", killing(checkpoint.save_file, cut_short))
    monkeypatch.setattr(GenerativeModel, "save_pretrained", killing(GenerativeModel.save_pretrained))
    for name in ("mkdir", "replace", "write_text"):
        monkeypatch.setattr(Path, name, killing(getattr(Path, name)))


def kills(monkeypatch: pytest.MonkeyPatch, attempt):
    """Run `attempt` killed at its first operation, its second, ... until it comes through; yield after each kill."""
    operation = 1
    while True:
        with monkeypatch.context() as patch:
            kill_at(patch, operation)
            try:
                attempt()
            except KilledError:
                pass
            else:
                break
        yield operation
        operation += 1
    assert operation > 4, "the kills reached nothing"


def test_the_newest_two_are_kept(tmp_path):
    for number in (10, 20, 30, 40):
        save(tmp_path, number)
    assert [path.name for path in tmp_path.iterdir()] == [path.name for path in checkpoint.complete(tmp_path)]
    assert [path.name for path in checkpoint.complete(tmp_path)] == ["step-00000030", "step-00000040"]


def test_nothing_is_complete_where_nothing_was_saved(tmp_path):
    assert checkpoint.complete(tmp_path / "none") == []


@pytest.fixture
def lone_group():
    """A process group of this process, so that what several do together can be killed here at every point."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def save_shards(folder: Path, number: int) -> None:
    checkpoint.save_sharded(folder, *make(number), {"step": number, "note": "kept"})


@pytest.mark.parametrize("save", [save, save_shards])
def test_a_kill_at_any_point_leaves_whole_checkpoints_only(tmp_path, monkeypatch, lone_group, save):
    folder = tmp_path / "checkpoints"
    save(folder, 1)
    save(folder, 2)
    for _ in kills(monkeypatch, lambda: save(folder, 3)):
        found = checkpoint.complete(folder)
        for path in found:
            assert_whole(path)
        assert [path.name for path in found][:2] in (
            ["step-00000001", "step-00000002"],
            ["step-00000002", "step-00000003"],
        )
    assert [path.name for path in checkpoint.complete(folder)] == ["step-00000002", "step-00000003"]
    assert len(list(folder.iterdir())) == 2, "what kills left behind is cleared away"


def test_a_kill_while_a_checkpoint_is_replaced_leaves_the_one_before(tmp_path, monkeypatch):
    save(tmp_path, 1)
    save(tmp_path, 2)
    for _ in kills(monkeypatch, lambda: save(tmp_path, 2)):
        assert checkpoint.complete(tmp_path)[0].name == "step-00000001"
        for path in checkpoint.complete(tmp_path):
            assert_whole(path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("save_model", [checkpoint.save_model, checkpoint.save_sharded_model])
def test_a_kill_while_the_best_model_is_replaced_never_leaves_half_a_model(
    tmp_path, monkeypatch, lone_group, save_model
):
    best, (old, _), (new, _) = tmp_path / "best", make(1), make(2)
    save_model(best, old)
    for _ in kills(monkeypatch, lambda: save_model(best, new)):
        if best.exists():
            kept = weights(GenerativeModel.from_pretrained(best))
            assert torch.equal(kept, weights(old)) or torch.equal(kept, weights(new))
    assert torch.equal(weights(GenerativeModel.from_pretrained(best)), weights(new))
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(tmp_path):
    model, optimizer = make(1)
    checkpoint.save(tmp_path, model, optimizer, {"step": 1})
    restored, fresh = make(2)
    checkpoint.restore(tmp_path / "step-00000001", restored, fresh)
    for _ in range(3):
        step(model, optimizer)
        step(restored, fresh)
    assert torch.equal(weights(restored), weights(model))
    assert [group["weight_decay"] for group in fresh.param_groups] == [0.1, 0.0]


def test_the_state_comes_back(tmp_path):
    save(tmp_path, 7)
    assert checkpoint.read_state(tmp_path / "step-00000007") == {"step": 7, "note": "kept"}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def drop_tensor(path: Path) -> None:
    tensors = load_file(path)
    tensors.popitem()
    save_file(tensors, path)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("damage", [truncate, drop_tensor, Path.unlink], ids=["truncated", "incomplete", "missing"])
def test_damaged_weights_are_named_with_the_remedy(tmp_path, name, damage):
    save(tmp_path, 1)
    path = tmp_path / "step-00000001"
    damage(path / name)
    with pytest.raises(CheckpointError, match=r"step-00000001 is damaged .*: delete it to resume from an earlier one"):
        checkpoint.restore(path, *make(2))


@pytest.mark.parametrize("content", [None, b"", b'{"step": 1', b"\xff\x00"])
def test_damaged_state_is_named_with_the_remedy(tmp_path, content):
    save(tmp_path, 1)
    path = tmp_path / "step-00000001" / "training.json"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"training\.json is missing or damaged .*: delete .*step-00000001"):
        checkpoint.read_state(path.parent)


def test_weights_of_another_shape_are_refused(tmp_path):
    save(tmp_path, 1)
    other = GenerativeModel(
        RecGPTConfig(codebook_size=8, n_codes=2, embedding_dim=8, max_items=4, d_model=16, n_heads=1)
    )
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.restore(tmp_path / "step-00000001", other, torch.optim.AdamW(other.parameters()))


def test_a_checkpoint_is_a_model_folder_and_plain_json(tmp_path):
    save(tmp_path, 1)
    path = tmp_path / "step-00000001"
    assert torch.equal(weights(GenerativeModel.from_pretrained(path)), weights(make(1)[0]))
    assert json.loads((path / "training.json").read_text())["step"] == 1
    suffixes = {file.suffix for file in path.rglob("*") if file.is_file()}
    assert suffixes == {".safetensors", ".json", ".md"}, "no pickles"


# --- of a sharded model ---


def cut(tensor: torch.Tensor, processes: int) -> list[tuple[int, torch.Tensor]]:
    """What each of `processes` has of a tensor, as FSDP cuts it: its first row, and its rows; some have none."""
    if tensor.dim() == 0:
        return [(0, tensor)] * processes
    share = -(-len(tensor) // processes)
    starts = [min(rank * share, len(tensor)) for rank in range(processes)]
    return [(start, tensor[start : start + share]) for start in starts]


def save_as(processes: int, folder: Path, number: int) -> Path:
    """The checkpoint of `make(number)`, written by so many processes."""
    path, (model, optimizer) = folder / f"step-{number:08d}", make(number)
    path.mkdir(parents=True)
    tensors = {**dict(model.named_parameters()), **checkpoint._moments(model, optimizer)}
    pieces = {name: cut(tensor, processes) for name, tensor in tensors.items()}
    for rank in range(processes):
        checkpoint.write_shard(path, rank, processes, {name: cuts[rank] for name, cuts in pieces.items()})
    (path / "training.json").write_text(json.dumps({"step": number}))
    return path


@pytest.mark.parametrize("processes", [1, 2, 3, 16])
def test_a_checkpoint_of_many_processes_is_that_of_one(tmp_path, processes):
    path = save_as(processes, tmp_path, 1)
    assert_whole(path)
    model, optimizer = make(1)
    restored, other = make(2)
    checkpoint.restore(path, restored, other)
    for _ in range(2):
        step(model, optimizer)
        step(restored, other)
    assert torch.equal(weights(restored), weights(model))


@given(wrote=st.integers(1, 9), reads=st.integers(1, 9), rows=st.integers(1, 20))
def test_any_number_of_processes_reads_what_any_other_number_wrote(tmp_path_factory, wrote, reads, rows):
    path = tmp_path_factory.mktemp("shards")
    whole = torch.arange(rows * 2.0).view(rows, 2)
    for rank, piece in enumerate(cut(whole, wrote)):
        checkpoint.write_shard(path, rank, wrote, {"weight": piece})
    with ExitStack() as files:
        stored = checkpoint.StoredRows(path, files)
        assert stored.shape("weight") == (rows, 2)
        for start, expected in cut(whole, reads):
            assert torch.equal(stored.rows("weight", start, start + len(expected)), expected)


@pytest.mark.parametrize("damage", [truncate, drop_tensor, Path.unlink], ids=["truncated", "incomplete", "missing"])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_damaged_shard_is_named_with_the_remedy(tmp_path, rank, damage):
    path = save_as(2, tmp_path, 1)
    shard = f"shard-0000{rank}-of-00002.safetensors"
    damage(path / shard)
    with pytest.raises(CheckpointError, match=rf"step-00000001 is damaged .*{shard}.*: delete it to resume from"):
        checkpoint.restore(path, *make(2))


def test_shards_of_another_shape_are_refused(tmp_path):
    path = save_as(2, tmp_path, 1)
    other = GenerativeModel(
        RecGPTConfig(codebook_size=8, n_codes=2, embedding_dim=8, max_items=4, d_model=16, n_heads=1)
    )
    with pytest.raises(CheckpointError, match=r"has shape \(.*8\), the model wants \(.*16\)"):
        checkpoint.restore(path, other, torch.optim.AdamW(other.parameters()))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_fused_optimizer_resumes_on_a_gpu(tmp_path):
    model, _ = make(1)
    model.to("cuda")
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    checkpoint.save(tmp_path, model, optimizer, {"step": 1})
    checkpoint.restore(tmp_path / "step-00000001", model, optimizer)
    optimizer.step()
    assert torch.isfinite(weights(model)).all()
