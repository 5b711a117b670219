"""Settings: from profiles and studies to plans, with the rules between settings and the messages when one is violated."""
