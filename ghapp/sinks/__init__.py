"""Where effects go: one file a sink, found by discovery; none of them knows another."""
