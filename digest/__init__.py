"""A publisher's new articles, grouped by each reader's chosen frequency, mailed as digests."""

__version__ = "0.1.0"
