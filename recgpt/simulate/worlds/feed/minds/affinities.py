"""Features of an agent and an item before any page is shown, for the scripted mind's models.

Products of vectors are of numbers on a grid, whose sums float32 holds exactly in any order: a feature does not
depend on the other agents of the call.

Shapes: A agents of a call, P all agents, R rows, S slots of a page, N items, E embedding width, D text dimensions,
C categories.
"""

import numpy as np
from scipy import sparse

from recgpt.errors import SimulationError
from recgpt.simulate.agents.population import Population
from recgpt.simulate.agents.sources import taste_vectors
from recgpt.simulate.items import ItemFacts

TEXT_DIMENSIONS = 32  # principal axes of the catalogue's texts; all 384 predict held-out choices no better
CATEGORY_SMOOTHING = 0.01
_TEXT_GRID, _CATEGORY_GRID = 2.0**11, 2.0**8


class Affinities:
    """Features of pairs of an agent and an item, and of items within their catalogue.

    Attributes
    ----------
    quality_N, popularity_N
        (N,) float32, see `Preference`; quality is 0 where no rating is known.
    text_ND
        (N, D) float32 texts on the principal axes of the catalogue.
    """

    def __init__(self, population: Population, facts: ItemFacts, dimensions: int = TEXT_DIMENSIONS) -> None:
        width = facts.unit_NE.shape[1]
        if population.taste_AE.shape[1] != width:
            raise SimulationError(
                f"the agents' tastes are {population.taste_AE.shape[1]} wide and the items' texts {width}: "
                "make both from the embeddings of one catalogue"
            )
        axes_ED = _principal_axes(facts.unit_NE, min(dimensions, width))
        self.text_ND = _on_grid(facts.unit_NE @ axes_ED, _TEXT_GRID)
        unknown = np.full(len(population.ratings), np.nan, dtype=np.float32)
        interest_PE = taste_vectors(population.histories, unknown, facts.unit_NE)
        has_history_P = population.histories.lengths > 0
        interest_PE = np.where(has_history_P[:, None], interest_PE, population.taste_AE)
        self._interest_PD = _on_grid(interest_PE @ axes_ED, _TEXT_GRID)
        # Without ratings `taste_AE` is interest, which is no evidence about stars.
        has_ratings_P = np.isfinite(population.mean_rating_A)
        self._taste_PD = _on_grid((population.taste_AE * has_ratings_P[:, None]) @ axes_ED, _TEXT_GRID)
        self._lift_PC, self._category_NC = _category_lift(population, facts)
        log_count_N = np.log1p(facts.count_N.astype(np.float64))
        self.popularity_N = (log_count_N - _typical(log_count_N, facts.count_N)).astype(np.float32)
        quality_N = facts.mean_rating_N.astype(np.float64) - _typical(facts.mean_rating_N, facts.count_N)
        self.quality_N = np.nan_to_num(quality_N).astype(np.float32)

    def interest(self, agent_A: np.ndarray, items_AS: np.ndarray) -> np.ndarray:
        """(A, S) float32, see `Preference`; with `taste_AE` where an agent has no history."""
        return _row_products(self._interest_PD, agent_A, self.text_ND, items_AS)

    def taste(self, agent_R: np.ndarray, item_R: np.ndarray) -> np.ndarray:
        """(R,) float32, see `Rating`; 0 for agents without known ratings."""
        return _row_products(self._taste_PD, agent_R, self.text_ND, item_R[:, None])[:, 0]

    def category(self, agent_A: np.ndarray, items_AS: np.ndarray) -> np.ndarray:
        """(A, S) float32, see `Preference`; 0 where categories or the agent's history are unknown."""
        return _row_products(self._lift_PC, agent_A, self._category_NC, items_AS)


def _row_products(rows_PD: np.ndarray, agent_A: np.ndarray, columns_ND: np.ndarray, items_AS: np.ndarray) -> np.ndarray:
    gathered_ASD = np.take(columns_ND, items_AS, axis=0)
    return np.einsum("ad,asd->as", np.take(rows_PD, agent_A, axis=0), gathered_ASD)


def _on_grid(values: np.ndarray, grid: float) -> np.ndarray:
    return (np.round(values * grid) / grid).astype(np.float32)


def _principal_axes(unit_NE: np.ndarray, dimensions: int) -> np.ndarray:
    rows_NE = unit_NE.astype(np.float64)
    return np.linalg.eigh(rows_NE.T @ rows_NE).eigenvectors[:, ::-1][:, :dimensions]


def _typical(values_N: np.ndarray, count_N: np.ndarray) -> float:
    """Mean of the known values over interactions, or over items if there are no interactions."""
    known_N = np.isfinite(values_N)
    weights_N = np.where(known_N, count_N, 0).astype(np.float64)
    if not weights_N.any():
        weights_N = known_N.astype(np.float64)
    return float(np.where(known_N, values_N, 0) @ weights_N / max(weights_N.sum(), 1.0))


def _category_lift(population: Population, facts: ItemFacts) -> tuple[np.ndarray, np.ndarray]:
    """(P, C) log of how much more of each category an agent takes than the catalogue's visitors do, and (N, C)."""
    if facts.categories_NC is None:
        return np.zeros((len(population), 0), dtype=np.float32), np.zeros((len(facts), 0), dtype=np.float32)
    category_NC = facts.categories_NC.toarray()
    lengths_P = population.histories.lengths
    rows = np.repeat(np.arange(len(population)), lengths_P), population.histories.values
    history_PN = sparse.csr_array((np.ones(len(rows[1])), rows), shape=(len(population), len(facts)))
    taken_PC = history_PN @ category_NC
    share_PC = taken_PC / np.maximum(taken_PC.sum(axis=1, keepdims=True), 1e-9)
    usual_C = facts.count_N.astype(np.float64) @ category_NC
    usual_C = usual_C / max(usual_C.sum(), 1e-9)
    lift_PC = np.log((share_PC + CATEGORY_SMOOTHING) / (usual_C + CATEGORY_SMOOTHING))
    lift_PC[lengths_P == 0] = 0
    return _on_grid(lift_PC, _CATEGORY_GRID), _on_grid(category_NC, _CATEGORY_GRID)
