"""The old place of `Job`, until the search imports it from `ae_run.job`."""

from ae_run.job import Job as Job
