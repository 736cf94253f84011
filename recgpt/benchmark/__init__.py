"""Benchmarks that resume: accuracy suites and speed measurements."""
