"""Trackers: the metrics of runs, written for tools of others: TensorBoard, Weights & Biases, MLflow.

A file for each tracker, imported when it is asked for, because each imports its tool. `syncing` decides what has not been
sent yet. Nothing here is needed by a run: its own record is complete without.
"""
