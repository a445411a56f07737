"""Features to concentrations: one kind of draws a file."""
