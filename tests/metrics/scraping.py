"""Scrape a server as Prometheus does."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests import plain, stack
from tests.conftest import Caller

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scraped:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self._samples: Samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """Return the sum of the samples with this name and at least these labels."""
        found = [
            value
            for (sample, own), value in self._samples.items()
            if sample == name and labels.items() <= own
        ]
        return sum(found)

    def labels(self, name: str, label: str) -> set[str]:
        """Return the values of a label."""
        return {dict(own)[label] for sample, own in self._samples if sample == name}


class Watched:
    """An API with a port for metrics."""

    def __init__(self, folder: Path, settings: dict[str, str], *arguments: str) -> None:
        self.api = stack.api(folder, settings, "--metrics-port", "0", *arguments)
        self.url = self.api.wait_for_output(r"metrics: (http://\S+)")[1]

    def scrape(self) -> Scraped:
        """Return the current samples."""
        answer = plain.get(self.url)
        assert answer.status_code == 200
        return Scraped(answer.text)

    def caller(self) -> Caller:
        """Return a client with a new user."""
        return Caller.new(self.api.url)
