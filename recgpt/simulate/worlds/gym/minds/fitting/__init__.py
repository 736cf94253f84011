"""Fit of the scripted mind's parameters on people's ratings.

    python benchmarks/gym/calibration.py ../shared/data/simulate/movielens_small --write

- `pasts`: users of a data set, and what of their ratings is the past.
- `variances`: means and variances of users' weights, by maximum likelihood (EM).
- `memories`: what ratings of similar items earlier in a session say about the next one.
- `thresholds`: the ordinal scale.
- `compare`: simulated against real ratings of the same pairs.
"""
