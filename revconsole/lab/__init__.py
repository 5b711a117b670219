"""The lab: the services behind command line and console: plan, launch, stop, follow, compare. Torch-free."""
