"""What is measured while a run trains, and how each number explains itself."""
