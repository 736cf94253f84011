"""Notes below the tables of a report: users left out, models and what they were trained on."""

from collections.abc import Mapping
from typing import Any

from recgpt.terminal import plain


def report_notes(context: Mapping[str, Any]) -> list[str]:
    """Sentences on the conditions of a report, the warnings first; empty for reports of earlier versions."""
    models: Mapping[str, Mapping[str, Any]] = context.get("models", {})
    trained = [f"{name} ({facts['note']})" for name, facts in models.items() if facts["targets"] == "trained on"]
    notes = []
    if trained:
        notes.append(f"NOT A TEST: trained on targets of this split, as was allowed: {', '.join(trained)}.")
    if context.get("split", {}).get("negatives"):
        notes.append(
            "SAMPLED: each target is ranked among drawn items. Compare with figures of the same protocol only: such "
            "metrics can order recommenders otherwise than the full catalogue (Krichene and Rendle 2020)."
        )
    if "users" in context:
        notes.append(users_note(context["users"]))
    notes += [_model_note(name, facts) for name, facts in models.items()]
    return notes


def users_note(users: Mapping[str, Any]) -> str:
    """How many users are evaluated, and why the others are not."""
    parts = [f"{users['evaluated']:,} of {users['all']:,} users are evaluated"]
    if users["without_query"]:
        parts.append(f"{users['without_query']:,} have no query, which needs {users['query_needs']}")
    if users["not_sampled"]:
        parts.append(f"{users['not_sampled']:,} are not in the sample (max_users)")
    return "; ".join(parts) + "."


def _model_note(name: str, facts: Mapping[str, Any]) -> str:
    path = plain(facts["path"] or "a model in memory")
    past = plain(facts["trained_on"])
    return f"{name}: model {path} (sha256 {facts['sha256'][:12]}), trained on: {past}; {facts['note']}."
