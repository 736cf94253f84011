"""Figures of the service in the format of Prometheus, in a registry of their own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters, gauges and histograms of one service."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "recgpt_requests_total", "Answered requests, by call and status", ["call", "status"], registry=registry
        )
        self.latency = Histogram(
            "recgpt_request_seconds",
            "Seconds from the request to its answer, by call",
            ["call"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.batches = Histogram(
            "recgpt_batch_size", "Requests that went to the model in one call", buckets=_BATCH, registry=registry
        )
        self.observed = Counter("recgpt_events_observed_total", "New interactions taken in", registry=registry)
        self.waiting = Gauge("recgpt_requests_waiting", "Requests that wait for the model", registry=registry)
        self.items = Gauge("recgpt_items", "Items of the catalogue", registry=registry)

    def text(self) -> bytes:
        """All figures, in the text format of Prometheus."""
        return generate_latest(self._registry)
