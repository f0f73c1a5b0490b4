"""A critic of finished mails: what a strict reader, a mailbox provider or somebody with poor sight would object to."""
