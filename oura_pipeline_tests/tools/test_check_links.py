"""Links in the project's Markdown."""

from __future__ import annotations

from pathlib import Path

from tools.check_links import broken_links


def test_links_to_files_pictures_and_headings_are_checked(tmp_path: Path) -> None:
    """What exists is fine, others' sites are not asked, the rest is named."""
    (tmp_path / "other.md").write_text("# A *good* heading, `code`\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n\n"
        "[file](other.md) [heading](other.md#a-good-heading-code) [own](#here) "
        "[site](https://example.org/x) `[no](link.md)`\n\n"
        "| a |\n| --- |\n| [cell](missing.md) |\n\n"
        "![picture](missing.png) [no heading](other.md#bad) [no own](#there)\n",
        encoding="utf-8",
    )
    assert broken_links(page) == ["missing.md", "missing.png", "other.md#bad", "#there"]
