"""What there is to say: Sources, and the Articles that come out of them."""
