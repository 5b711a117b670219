"""What is asked about a plan or a run without training it."""
