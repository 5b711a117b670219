"""The room that records runs of other programs: torch-free, without pydantic, and never in a training's way."""
