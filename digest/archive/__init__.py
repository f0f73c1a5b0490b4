"""What stays to be read: the public archive of a Publication, and a reader's own digests as a feed."""
