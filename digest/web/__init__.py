"""The doors: pages for readers, health for machines."""
