"""What a run needs before its first step and keeps to its last: model, optimiser, schedule, draws."""
