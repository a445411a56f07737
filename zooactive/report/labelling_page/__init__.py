"""The page on which somebody labels galaxies, and the server on this machine alone that it talks to."""
