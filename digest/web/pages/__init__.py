"""Pages a reader sees after clicking a link in a mail."""
