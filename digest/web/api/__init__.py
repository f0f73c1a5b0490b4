"""The publisher's door: JSON under /api/v1, for whoever brings a key."""
