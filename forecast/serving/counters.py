"""Numbers about the service, in the format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Ends of the classes of durations."""


class Counters:
    """The numbers that `/metrics` shows.

    Args:
        process: number of this process, which each number is then labelled with; 0 where it is the
            only one.
    """

    def __init__(self, process: int = 0) -> None:
        self._process = process
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "forecast_requests",
            "Requests by path and status.",
            ["path", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "forecast_request_seconds",
            "Duration of requests for a forecast, waiting included.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "forecast_in_flight",
            "Requests that have arrived and are not answered.",
            registry=self._registry,
        )
        self.waiting = Gauge(
            "forecast_waiting", "Requests that wait for a thread.", registry=self._registry
        )
        self.model = Gauge(
            "forecast_model",
            "1 for the version of each model that serves.",
            ["model", "version"],
            registry=self._registry,
        )
        self.rollout_problem = Gauge(
            "forecast_rollout_problem",
            "1 where a newer version of a model was refused.",
            ["model"],
            registry=self._registry,
        )

    def text(self) -> bytes:
        """Return all numbers as Prometheus reads them."""
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the numbers, as a registry does."""
        for family in self._registry.collect():
            if self._process:
                family.samples = [
                    sample._replace(labels={**sample.labels, "process": str(self._process)})
                    for sample in family.samples
                ]
            yield family
