"""Where agents live. A world adds only its own rules."""
