"""Names of retrievals, perturbators and shapings: defaults of the domain, and errors that list the right names."""

import pytest

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.gym.registry import PERTURBATORS, RETRIEVALS, SHAPINGS, retrieval_of
from recgpt.simulate.worlds.gym.scale import Scale


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", ("none", 0)),
        ("last_3", ("last", 3)),
        ("most_similar_12", ("most_similar", 12)),
        ("simple_1", ("simple", 1)),
    ],
)
def test_retrievals(name, expected):
    assert retrieval_of(name) == expected


@pytest.mark.parametrize("name", ["", "last", "last_0", "last_-1", "last_3 ", "none_3", "nearest_3", "last_99999"])
def test_other_retrievals_are_refused(name):
    with pytest.raises(SimulationError) as raised:
        retrieval_of(name)
    assert all(known in str(raised.value) for known in RETRIEVALS)


@pytest.mark.parametrize(
    ("rules", "lists"),
    [
        ({"perturbator": "loud"}, PERTURBATORS),
        ({"shaping": "round"}, SHAPINGS),
        ({"retrieval": "all"}, RETRIEVALS),
        ({"rater": "9Shot"}, ["plain"]),
        ({"users": "nobody"}, ["toy", "dataset", "CSV"]),
    ],
)
def test_wrong_names_list_the_right_ones(make_inputs, rules, lists):
    with pytest.raises(SimulationError) as raised:
        make_inputs(**rules)
    assert all(name in str(raised.value) for name in lists)


def test_thresholds_are_in_proportion_and_in_order(make_inputs):
    rules = make_inputs(scale=Scale(1, 5), churn_low_threshold=2).rules
    assert rules.valence_positive_threshold == pytest.approx(1 + 4 * 2 / 3)
    assert (rules.churn_low_threshold, rules.retrieval, rules.users) == (2, "last_3", "toy")
    with pytest.raises(SimulationError, match="valence_negative_threshold=9 is not below"):
        make_inputs(valence_negative_threshold=9)
