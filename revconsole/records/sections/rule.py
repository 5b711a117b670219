"""Rule: a violated rule between settings, as the key to change and one sentence."""


class Rule(ValueError):  # noqa: N818  pydantic turns it into an error of the profile
    """A rule between settings is violated: the key to change, and a sentence."""

    def __init__(self, key: str, sentence: str) -> None:
        self.key = key
        super().__init__(sentence)
