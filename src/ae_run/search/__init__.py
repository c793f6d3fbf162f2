"""`task=search`: many trials, each a run, to find the values that validation likes best.

`task` is what the command runs: it fills the study and starts `worker` processes, which take
trials from it until none waits. What a study holds is in `study`, where it is kept in
`storage`. Nothing here is imported by the other tasks, and only what must imports optuna.
"""
