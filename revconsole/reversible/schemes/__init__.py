"""One file per scheme, one final dataclass in each; `revconsole.reversible.scheme` lists them.

To add one: write its equation in the docstring, its couplings in the code, and one line in
`SCHEMES`. The conformance suite picks the file up by its name.
"""
