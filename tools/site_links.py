"""Hook of MkDocs: links between docs/ and the rest of the repository.

Pages are written for readers of the repository, so they link to its files by their paths: the
changelog, the Dockerfile, the example. Whatever a page links to that MkDocs does not have is added
to the site under `repository/`, Markdown as a page and all else as it is, and the link is bent there.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from urllib.parse import urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
ADDED = "repository/"
LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
FENCED = re.compile(r"^(```.*?^```)", re.DOTALL | re.MULTILINE)


def on_config(config: MkDocsConfig) -> None:
    """Name headings as GitHub does, for links that have to hold in both."""
    config.mdx_configs["toc"]["slugify"] = _slug


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to, and what that links to."""
    known = {each.src_uri for each in files.documentation_pages()}
    waiting = [_in_repository(uri) for uri in known]
    waiting.append("README.md")
    while waiting:
        path = waiting.pop()
        uri = _in_site(path, files)
        if files.get_file_from_path(uri) is None:
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
        if path.endswith(".md"):
            waiting += [
                target
                for link in LINK.findall(_prose((ROOT / path).read_text(encoding="utf-8")))
                if (target := _target(path, link))
                and files.get_file_from_path(_in_site(target, files)) is None
            ]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Bend the links of a page to where their targets are in the site."""
    del config
    here = _in_repository(page.file.src_uri)

    def bent(match: re.Match[str]) -> str:
        target = _target(here, match[0])
        if target is None:
            return match[0]
        start = posixpath.dirname(page.file.src_uri) or "."
        fragment = urlsplit(match[0]).fragment
        uri = posixpath.relpath(_in_site(target, files), start)
        return f"{uri}#{fragment}" if fragment else uri

    parts = FENCED.split(markdown)
    parts[::2] = [LINK.sub(bent, prose) for prose in parts[::2]]
    return "".join(parts)


def _slug(heading: str, separator: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def _prose(markdown: str) -> str:
    return FENCED.sub("", markdown)


def _target(page: str, link: str) -> str | None:
    """Return the file of the repository that a link of a page leads to; None for all else."""
    parts = urlsplit(link)
    if parts.scheme or not parts.path:
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), parts.path))
    if (ROOT / path).is_dir():
        path = posixpath.join(path, "README.md")
    # What is not there is left to MkDocs, which tells of it.
    return path if (ROOT / path).is_file() else None


def _in_repository(uri: str) -> str:
    return uri.removeprefix(ADDED) if uri.startswith(ADDED) else f"docs/{uri}"


def _in_site(path: str, files: Files) -> str:
    uri = path.removeprefix("docs/")
    found = files.get_file_from_path(uri) if uri != path else None
    return uri if found is not None and found.inclusion.is_included() else f"{ADDED}{path}"
