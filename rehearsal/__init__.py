"""The rehearsal: a stack's whole life on an embedded cloud, with the real engine."""
