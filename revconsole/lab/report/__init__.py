"""Report: what came of a study, or of some runs, as a table, figures and a methods paragraph.

    results      the finished runs, arm by arm; everything else is made from them
    statistics   mean, spread, and the paired test of a difference
    numbers      every arm in numbers
    table        how people read them, with `notes` below
    alike        what runs have in common: the only way from runs to a sentence about them
    methods      a paragraph that says how it was done, from plans and facts alone
    formats/     one file each: Markdown, LaTeX, CSV, HTML; each escapes what came from outside in its own way
    figures/     one file per kind of figure, drawn with matplotlib, which only they import
    writing      puts it all into a folder

To add a figure or a format: one file, and its line in `writing`. Accuracies are fractions until `table` makes them
percent; memory is in bytes until it makes them MiB.
"""
