"""Examples: models as users write them, to be named as `python:revconsole.examples.MODULE:FUNCTION`."""
