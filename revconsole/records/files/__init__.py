"""Files of a store: bounded reading, permissions, and the clock of the file system."""
