"""What mkdocs.yml cannot say: the project's addresses, pages from outside of docs/, and links that lead out of it.

Markdown files link to each other by relative paths, so that they can be read in the repository. Where such a link leads
to a file that is no page of the site, it becomes one to the repository. One that leads nowhere is a warning, which ends
a strict build.
"""

from __future__ import annotations

import logging
import os.path
import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
#: Files of the repository that are pages of the site, by the page's name in docs/.
OUTSIDE = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
EXTERNAL = re.compile(r'<a [^>]*href="(https?://[^"]+)"')

log = logging.getLogger("mkdocs.hooks.site")
external: dict[str, set[str]] = {}


def on_config(config: Any) -> Any:
    """Take the addresses from pyproject.toml, the one place that has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    config.site_url = project["urls"]["Documentation"]
    config.repo_url = project["urls"]["Source"]
    config.repo_name = "/".join(config.repo_url.split("/")[-2:])
    config.site_description = project["description"]
    external.clear()
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages whose files lie outside of docs/."""
    for name, path in OUTSIDE.items():
        files.append(File.generated(config, name, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Send links to files that are no pages to the repository."""
    name = page.file.src_uri
    source = OUTSIDE.get(name, f"docs/{name}")
    pages = {path: name for name, path in OUTSIDE.items()}

    def resolved(match: re.Match[str]) -> str:
        link, hash_, anchor = match[1].partition("#")
        if not link or ":" in link:
            return match[1]
        target = os.path.normpath(PurePosixPath(source).parent / link)
        inside = pages.get(target, target.removeprefix("docs/"))
        if (target in pages or target.startswith("docs/")) and files.get_file_from_path(inside) is not None:
            return os.path.relpath(inside, PurePosixPath(name).parent) + hash_ + anchor
        if not (ROOT / target).exists():
            log.warning("%s: no file %s in the repository", source, target)
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{config.repo_url}/{kind}/main/{target}{hash_}{anchor}"

    return LINK.sub(resolved, markdown)


def on_page_content(html: str, page: Any, **_: Any) -> None:
    """Note where a page leads that is not of this site."""
    for address in EXTERNAL.findall(html):
        external.setdefault(address, set()).add(page.file.src_uri)


def on_post_build(config: Any) -> None:
    """List the addresses outside of the project. They are not fetched: a build must not depend on other sites."""
    others = {address: pages for address, pages in external.items() if not address.startswith(config.repo_url)}
    log.info("%d external addresses, not fetched:", len(others))
    for address, pages in sorted(others.items()):
        log.info("  %s  (%s)", address, ", ".join(sorted(pages)))
