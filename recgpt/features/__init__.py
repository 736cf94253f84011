"""What a catalogue's texts and past say about what comes next: counted, never learned by gradient."""
