"""Rule: a cross-field rule of a plan that is broken, as the key to change and one sentence."""


class Rule(ValueError):  # noqa: N818  pydantic turns it into an error of the profile
    """A cross-field rule is broken: the key to change, and the sentence."""

    def __init__(self, key: str, sentence: str) -> None:
        self.key = key
        super().__init__(sentence)
