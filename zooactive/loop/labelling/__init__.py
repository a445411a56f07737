"""Your own labelling: the answers so far, the head fitted to them, and the next galaxy. Nothing here is a server."""
