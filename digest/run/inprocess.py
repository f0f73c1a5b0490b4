"""The engine inside this process: takes due Batches one after the other, the most urgent first.

The rows are the queue, so there is nothing to submit and nothing to lose. A Batch that fails by a bug is left to its
lease and does not stop the others.
"""

from collections import Counter

import structlog

from digest.outbox import batch

log = structlog.get_logger()


async def drain(sender: batch.Sender, failed: set[int] | None = None) -> Counter[str]:
    """Send until no Batch is due; counts by Delivery state. Ids of Batches that broke are added to `failed`."""
    counts: Counter[str] = Counter()
    failed = set() if failed is None else failed
    while not sender.stopping.is_set():
        batch_id = await batch.find_due(sender.db)
        if batch_id is None or batch_id in failed:
            break
        try:
            counts += await batch.run_batch(sender, batch_id)
        except Exception:
            log.exception("batch_failed", batch=batch_id)
            failed.add(batch_id)
    return counts
