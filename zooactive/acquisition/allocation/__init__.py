"""The number of further volunteers for each galaxy: the value of every number of votes, and one price for all galaxies."""
