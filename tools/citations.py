"""Write citations out in words: Kingma and Welling (2014)."""

from pathlib import Path

from pybtex.database import Entry, parse_file  # type: ignore[import-untyped]
from pybtex.richtext import Text  # type: ignore[import-untyped]
from sphinxcontrib.bibtex.citation_target import CitationTarget, parse_citation_targets


def authors(entry: Entry) -> str:
    """Family names: one, two with "and", or the first with "et al."."""
    people = entry.persons.get("author") or entry.persons["editor"]
    names = [
        str(Text.from_latex(" ".join(person.prelast_names + person.last_names)))
        for person in people
    ]
    return f"{names[0]} et al." if len(names) > 2 else " and ".join(names)


class Citations:
    """The entries of a BibTeX file, cited by author and year."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = parse_file(str(path)).entries if path.exists() else {}

    def _one(self, style: str, target: CitationTarget) -> str:
        if target.key not in self.entries:
            raise ValueError(f"{target.key} is not in {self.path.name}")
        entry = self.entries[target.key]
        name, year = authors(entry), entry.fields["year"]
        post = f", {target.post}" if target.post else ""
        pre = f"{target.pre} " if target.pre else ""
        if style == "t":
            return f"{pre}{name} ({year}{post})"
        return f"{pre}{name}, {year}{post}"

    def text(self, role: str, keys: str) -> str:
        """Write out a cite role; ``keys`` is what stands between its backticks."""
        style = role.removeprefix("cite").removeprefix(":")
        if style not in ("", "p", "t"):
            raise ValueError(f"unknown role {{{role}}}; cite with {{cite:t}} or {{cite:p}}")
        cited = [self._one(style, target) for target in parse_citation_targets(keys)]
        return ", ".join(cited) if style == "t" else f"({'; '.join(cited)})"
