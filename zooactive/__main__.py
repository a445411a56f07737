"""``python -m zooactive``."""

from zooactive.cli import main

if __name__ == "__main__":
    main()
