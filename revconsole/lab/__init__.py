"""Services behind both front ends: plan, launch, stop, follow, compare. Torch-free."""
