"""`recgpt gym ...`: environments with simulated users, one file a command."""
