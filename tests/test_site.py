"""The site is built without a warning, leads nowhere that is not there, and loads nothing from
elsewhere; every public name stands in the API reference."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import forecast

ROOT = Path(__file__).resolve().parent.parent
LOADED = {"link", "script", "img", "source", "iframe", "video", "audio", "embed"}
"""Elements whose address a browser opens by itself."""


@dataclass
class Page(HTMLParser):
    """The addresses in one page, and the ids that an address may end in."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.update(name for name in (values.get("id"), values.get("name")) if name)
        for name in ("href", "src"):
            address = values.get(name)
            if address is not None:
                (self.loaded if tag in LOADED else self.links).append(address)


def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def broken_links(site: Path) -> list[str]:
    """Addresses inside the site that lead to no file or to no id; of others only the syntax."""
    pages = {path: read(path) for path in site.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme:
                known = parts.scheme in {"http", "https"} and re.fullmatch(r"[\w.-]+", parts.netloc)
                if not known and not address.startswith("data:image/"):
                    broken.append(f"{path.name}: {address}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or (anchor and anchor not in pages[target].ids):
                broken.append(f"{path.name}: {address}")
    return broken


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    options = f"-W --keep-going -q -c docs -d {folder}/doctrees . {folder}/html".split()
    command = [sys.executable, "-m", "sphinx", *options]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return folder / "html"


@pytest.mark.slow
def test_links_of_the_site_lead_somewhere(site: Path) -> None:
    assert broken_links(site) == []
    front = (site / "index.html").read_text(encoding="utf-8")
    (door,) = re.findall(r"url=([\w/.]+)", front)
    assert (site / door).is_file()


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    outside = [
        address
        for path in site.rglob("*.html")
        for address in read(path).loaded
        if urlsplit(address).netloc
    ]
    assert outside == []
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", style.read_text()), style


@pytest.mark.slow
def test_every_page_of_the_repository_is_a_page_of_the_site(site: Path) -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    pages += [*(ROOT / "benchmarks").rglob("*.md"), ROOT / "examples" / "README.md"]
    front = (site / "docs" / "index.html").read_text(encoding="utf-8")
    for page in pages:
        name = page.relative_to(ROOT).with_suffix(".html").as_posix()
        assert (site / name).is_file(), name
        assert name == "docs/index.html" or f"{name.removeprefix('docs/')}" in front, name


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site: Path) -> None:
    ids = set().union(*(read(path).ids for path in (site / "docs" / "api").glob("*.html")))
    modules = {name: f"forecast.{home}" for name, home in forecast._MODULES.items()}
    for name in forecast.__all__:
        home = f"forecast.{forecast._HOMES.get(name)}"
        places = {f"forecast.{name}", f"{home}.{name}", modules.get(name, "")}
        assert places & ids or f"module-{modules.get(name)}" in ids, name


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text('<h1 id="there">There</h1>')
    (tmp_path / "page.html").write_text(
        '<a href="other.html#there">good</a> <a href="https://example.org/x">good</a>'
        '<a href="other.html#nowhere">bad</a> <img src="none.png"> <a href="htp:/x">bad</a>'
    )
    assert broken_links(tmp_path) == [
        "page.html: other.html#nowhere",
        "page.html: htp:/x",
        "page.html: none.png",
    ]
