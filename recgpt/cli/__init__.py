"""The command line, one file a topic, thin over the library."""
