"""Telling a publisher's own programs what happened."""
