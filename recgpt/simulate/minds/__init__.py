"""What every world's language-model mind shares."""
