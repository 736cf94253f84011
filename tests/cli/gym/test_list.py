"""`recgpt gym list` names what there is, and nothing else."""

import json

from recgpt.cli.gym.list import MINDS, POLICIES
from recgpt.recommenders import REGISTRY
from recgpt.simulate.minds import options
from recgpt.simulate.worlds.gym import policies
from recgpt.simulate.worlds.gym.domain import DOMAINS, domain_of
from recgpt.simulate.worlds.gym.registry import PERTURBATORS, RETRIEVALS, SHAPINGS


def test_every_name_is_listed_with_a_line(run_recgpt):
    found = json.loads(run_recgpt("gym", "list", "--json").stdout)
    by_section = {title.split(" (")[0]: names for title, names in found.items()}
    assert all(about for names in found.values() for about in names.values())
    assert list(by_section["retrievals"]) == list(RETRIEVALS)
    assert list(by_section["perturbators"]) == list(PERTURBATORS)
    assert list(by_section["shapings"]) == list(SHAPINGS)
    assert list(by_section["domains"]) == list(DOMAINS)
    for domain in map(domain_of, DOMAINS):
        assert list(by_section[f"raters of {domain.item_words}"]) == list(domain.raters)
    assert set(by_section["policies"]) == {*policies.POLICIES, *REGISTRY, "FOLDER"}


def test_the_lines_written_here_are_of_what_there_is():
    assert set(MINDS) == set(options.MINDS)
    assert set(POLICIES) == set(policies.POLICIES)


def test_tables_hold_the_same_names(run_recgpt):
    found = json.loads(run_recgpt("gym", "list", "--json").stdout)
    printed = run_recgpt("gym", "list").stdout
    assert all(name in printed for names in found.values() for name in names)
