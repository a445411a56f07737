"""Images of galaxies by their place on the sky: services as data, what they answer, and a courteous way to ask them."""
