"""What webhooks tell of themselves."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

DELIVERIES = Counter(
    "gtv_webhook_deliveries_total", "Attempts by outcome: delivered, failed (tried again), dead, skipped", ["outcome"]
)
SECONDS = Histogram(
    "gtv_webhook_seconds", "Time that receivers take", buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)
)
WAITING = Gauge("gtv_webhook_waiting", "Deliveries of enabled webhooks that wait, now or for a later try")
OLDEST = Gauge("gtv_webhook_oldest_waiting_seconds", "Age of the oldest of them")
DISABLED = Counter("gtv_webhook_disabled_total", "Webhooks that the platform disabled", ["reason"])
QUEUED = Counter("gtv_webhook_queued_total", "Deliveries that events became")
