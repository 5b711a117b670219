"""Questions: what can be measured or checked about a plan or run without training it."""
