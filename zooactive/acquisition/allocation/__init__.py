"""How many more volunteers each galaxy should be shown to: what every number of votes is worth, and one price for all."""
