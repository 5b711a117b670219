"""What is measured or looked at outside of a run, as values that the lab may hold."""
