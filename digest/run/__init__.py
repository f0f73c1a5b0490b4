"""What runs, when and where: wiring, schedule, daemon, engines, migrations."""
