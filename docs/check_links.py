"""Follow every link inside the built pages, and the relative ones of README.md: ``python docs/check_links.py HTML``."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

REPOSITORY = Path(__file__).resolve().parents[1]


class Page(HTMLParser):
    """The links of one page, and the anchors that others may link to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what links, and what is linked to."""
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.links.append(value)
            elif value and name in ("id", "name"):
                self.anchors.add(value)


def dead_links(site: Path) -> tuple[int, list[str]]:
    """Return how many links inside a built site there are, and those that lead nowhere."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    seen, dead = 0, []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            seen += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or (
                target in pages and parts.fragment and unquote(parts.fragment) not in pages[target].anchors
            ):
                dead.append(f"{path.relative_to(site.resolve())}: {link}")
    return seen, dead


def dead_links_of_markdown(path: Path) -> tuple[int, list[str]]:
    """Return how many relative links a Markdown file has, and those to files or headings that are not there."""
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    inside = [link for link in links if not urlsplit(link).scheme]
    return len(inside), [f"{path.name}: {link}" for link in inside if not _is_there(path, link)]


def _is_there(path: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = path.parent / name if name else path
    if not target.exists() or not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def main(site: Path) -> int:
    """Say how many links there are, and return 1 where one is dead."""
    found = [dead_links(site), dead_links_of_markdown(REPOSITORY / "README.md")]
    dead = [link for _, some in found for link in some]
    print("\n".join(dead) or f"{sum(seen for seen, _ in found)} links inside, none dead")
    return bool(dead)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
