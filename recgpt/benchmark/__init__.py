"""Measurements of many things in one run that resumes: accuracy and speed."""
