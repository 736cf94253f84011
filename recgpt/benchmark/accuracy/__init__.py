"""Accuracy suites: data sets x recommenders x seeds, cell by cell, with a page of tables and plots."""
