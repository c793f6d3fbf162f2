"""Many runs at once: found, listed, cleaned up; imports no torch."""
