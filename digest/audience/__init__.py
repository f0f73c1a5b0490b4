"""Who asked to hear it: Subscribers, their Subscriptions, and the addresses we may not write to."""
