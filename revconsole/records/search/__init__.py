"""Searches: their trials as the run folders tell of them, and the rule by which a trial is stopped early."""
