"""Demonstrations under the names of the published ones: `python -m demos.run_env_movies`."""
