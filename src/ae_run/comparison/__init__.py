"""Many runs at once: found, listed, compared, cleaned up; imports no torch."""
