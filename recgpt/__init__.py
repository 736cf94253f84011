"""RecGPT: a foundation model for sequential recommendation, and the simulated people to try it on."""

__version__ = "0.1.0"
