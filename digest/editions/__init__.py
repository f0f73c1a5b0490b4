"""What each reader gets, and when: Cadences, the Editions they fall due in, and what is in them."""
