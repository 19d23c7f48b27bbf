"""The kernel: values and pure functions. No clock, no network, no randomness, no environment."""
