"""Ways out: SMTP, or a folder of .eml files."""
