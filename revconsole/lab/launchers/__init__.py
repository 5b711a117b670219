"""Where a run trains: one file per place."""
