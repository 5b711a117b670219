"""Report: the results of a study, or of some runs, as a table, figures and a methods paragraph.

    results      the finished runs, arm by arm; everything else is made from them
    statistics   mean, deviation, and the paired test of a difference
    numbers      every arm in numbers
    table        the numbers as text, with `notes` below
    alike        what runs have in common: the only way from runs to a sentence about them
    methods      a paragraph on how the results were obtained, from plans and facts alone
    formats/     one file each: Markdown, LaTeX, CSV, HTML; each escapes text from outside in its own way
    figures/     one file per kind of figure, drawn with matplotlib, which only they import
    writing      writes everything into a folder

A new figure or format is one file, and its line in `writing`. Accuracies are fractions until `table` makes them percent;
memory is in bytes until `table` makes it MiB.
"""
