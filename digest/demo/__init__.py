"""Ten days of digests on a virtual clock, to look at: what `digest demo` does. Nothing but the CLI imports it."""
