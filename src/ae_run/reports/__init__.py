"""The student reports as data: their runs, figures and numbers, trained and drawn again.

`scripts/make_figures.py` is the command. A report is `conf/reports/<name>.yaml` (`spec`); `plan`
turns it into runs with digests, `store` keeps the finished ones, `pool` and `execute` train
what is missing, `compare` puts numbers side by side, `drawings` and `page` show them.
"""
