"""The old place of `flatten` and `nearest_key`, until the search imports them from `messages`."""

from ae_run.messages import flatten as flatten
from ae_run.messages import nearest_key as nearest_key
