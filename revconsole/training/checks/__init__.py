"""Checks: recorded facts of a run, advice before it trains, and tests of its backward."""
