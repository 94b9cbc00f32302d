"""Check every link and picture in the Markdown: `python -m tools.check_links`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent
_PAGES = ("*.md", "docs/**/*.md", "deploy/**/*.md")
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


def main() -> int:
    """Print the broken links; the exit status is 1 when there are any."""
    pages = sorted({page for pattern in _PAGES for page in ROOT.glob(pattern)})
    broken = [f"{page.relative_to(ROOT)}: {link}" for page in pages for link in broken_links(page)]
    print("\n".join(broken), end="\n" if broken else "")
    return 1 if broken else 0


def broken_links(page: Path) -> list[str]:
    """Return the links of a page to files or headings that do not exist.

    Addresses of other sites are not requested.
    """
    return [link for link in _links(page) if "://" not in link and not _exists(page, link)]


def _exists(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name) if name else page
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in _anchors(target)


def _links(page: Path) -> Iterator[str]:
    for token in _tokens(page):
        for key in ("href", "src"):
            if link := token.attrGet(key):
                yield str(link)


@cache
def _anchors(page: Path) -> frozenset[str]:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text(encoding="utf-8"))
    headings = [
        text.content for opening, text in pairwise(tokens) if opening.type == "heading_open"
    ]
    # As GitHub makes them; the website makes the same of our headings.
    return frozenset(
        _NOT_IN_ANCHORS.sub("", heading.lower()).replace(" ", "-") for heading in headings
    )


def _tokens(page: Path) -> Iterator[Token]:
    parser = MarkdownIt("gfm-like", {"linkify": False})
    for block in parser.parse(page.read_text(encoding="utf-8")):
        yield from block.children or ()


if __name__ == "__main__":
    sys.exit(main())
