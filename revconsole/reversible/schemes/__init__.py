"""One file per scheme, one final dataclass in each; `revconsole.reversible.scheme` lists them.

To add one, see CONTRIBUTING. The conformance suite picks the file up by its name.
"""
