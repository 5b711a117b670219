"""Files of a store: read within bounds, written so that its readers may read, and the clock of where they lie."""
