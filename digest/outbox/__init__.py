"""How it leaves: Deliveries in Batches, handed over to a transport, their outcome recorded."""
