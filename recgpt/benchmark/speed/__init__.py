"""Speed benchmark against the published implementation and the limits of the machine: `recgpt benchmark speed`."""
