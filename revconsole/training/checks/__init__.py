"""What is said of a run besides its metrics: with what it trains, what is odd, and whether its backward is right."""
