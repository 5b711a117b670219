"""What a run needs from its first step to its last: model, optimiser, schedule, draws."""
