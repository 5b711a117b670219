"""Slurm launcher: runs train in jobs of a cluster: places, the script of a submission, and what became of the jobs."""
