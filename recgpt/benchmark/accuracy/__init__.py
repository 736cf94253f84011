"""Accuracy suites: data sets x recommenders x seeds, with a report page of tables and plots."""
