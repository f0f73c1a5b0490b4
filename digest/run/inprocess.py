"""The engine inside this process: takes due Batches one after the other, the most urgent first.

The rows are the queue, so there is nothing to submit and nothing to lose. A Batch that fails by a bug is left to its
lease and does not stop the others.
"""

from collections import Counter

import structlog

from digest import errors
from digest.outbox import batch, lease

log = structlog.get_logger()


async def drain(sender: batch.Sender, failed: dict[int, str]) -> Counter[str]:
    """Send until no Batch is due but those in `failed`, where Batches that break are added, with the reason.

    Counts by Delivery state.
    """
    counts: Counter[str] = Counter()
    while (found := await send_next(sender, failed)) is not None:
        counts += found
    return counts


async def send_next(sender: batch.Sender, failed: dict[int, str]) -> Counter[str] | None:
    """Send the most urgent Batch; None when there is none, or when we are asked to stop."""
    batch_id = None if sender.stopping.is_set() else await lease.find_due(sender.db, but=failed)
    if batch_id is None:
        return None
    try:
        return await batch.run_batch(sender, batch_id)
    except errors.DigestError as error:
        log.error("batch_failed", batch=batch_id, reason=str(error))
        failed[batch_id] = str(error)
    except Exception as error:
        log.exception("batch_failed", batch=batch_id)
        failed[batch_id] = type(error).__name__
    return Counter()
