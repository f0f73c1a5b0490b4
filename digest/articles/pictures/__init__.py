"""Pictures of Articles: which one stands for an Article, how large it is, and a copy of our own where one is wanted."""
