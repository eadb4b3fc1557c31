"""Make the observers of requests that a configuration describes: access log, metrics and traces."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from api.config import Config
from api.environment import ConfigError
from api.identity.keys import LOG, derive
from api.telemetry.access_log import OwnerHash, access_log
from api.telemetry.records import Observer, Observers

if TYPE_CHECKING:
    from api.metrics.metrics import Metrics
    from api.telemetry.traces import Traces


def observers_of(
    config: Config, tracing: "Sequence[Traces]", metrics: "Metrics | None"
) -> Observers:
    """Return the observers. The tracers are started and stopped by the caller."""
    functions: list[Observer] = [*tracing]
    if metrics:
        functions.append(metrics.observe)
    if config.access_log:
        functions.append(access_log(config.log_format, owner_hash(config)))
    return Observers(functions, keep_spans=bool(tracing))


def tracers(config: Config) -> "Sequence[Traces]":
    """Return the exporter of traces, or nothing if they are off.

    Raises ConfigError if its packages, which are optional, are not installed.
    """
    if config.otel_exporter_otlp_endpoint is None:
        return []
    try:
        from api.telemetry.traces import Traces  # noqa: PLC0415 - only now are its packages needed
    except ImportError:
        raise ConfigError(
            "OTEL_EXPORTER_OTLP_ENDPOINT: expected the packages of requirements-traces.lock to be "
            "installed, or no such variable"
        ) from None
    return [Traces(config.otel_exporter_otlp_endpoint, owner_hash(config))]


def owner_hash(config: Config) -> Callable[[str], str]:
    """Return the function that hashes an owner for logs and traces."""
    return OwnerHash(derive(config.secrets[0].encode(), LOG))
