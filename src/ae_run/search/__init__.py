"""`task=search`: many trials, each a run, to find the values with the best validation score.

`task` is what the command runs. It checks the `plan`, fills the `study`, a queue of trials in a
`storage`, and lets `workers` run each `trial` until none waits; `result`, `figures`, `page` and
`refit` follow. No other task imports any of this.
"""
