"""The bibliography and the glossary are complete, and what the pages cite is in them."""

import re

import pytest
from pybtex.database import parse_file
from sphinxcontrib.bibtex.citation_target import parse_citation_targets

from tools import project
from tools.citations import authors

PAGES = sorted((project.ROOT / "book").rglob("*.md"))
MODULES = sorted((project.ROOT / "dgm_teach").glob("*.py"))
ENTRIES = parse_file(str(project.ROOT / "book" / "references.bib")).entries
VENUES = ("journal", "booktitle", "publisher", "howpublished", "eprint")
AUTHOR_YEAR = re.compile(
    r"((?:[A-Z][\w-]+, )*[A-Z][\w-]+(?: and [A-Z][\w-]+| et al\.)?) \((\d{4})\)"
)
GLOSSARY = project.ROOT / "book" / "glossary.md"


def text(path):
    return path.read_text(encoding="utf-8")


def cited_on(page):
    """Keys in the cite roles of a page."""
    roles = re.findall(r"\{cite(?::[pt])?\}`([^`]+)`", text(page))
    return {target.key for role in roles for target in parse_citation_targets(role)}


def names_of(entry):
    """Ways in which a docstring may name the authors."""
    *others, last = [
        " ".join(who.prelast_names + who.last_names) for who in entry.persons["author"]
    ]
    return {authors(entry), f"{', '.join(others)} and {last}" if others else last}


def glossary_entries():
    """Terms and definition of each entry, by its first term."""
    body = text(GLOSSARY).split(":sorted:\n")[1].split("\n```")[0].strip("\n")
    entries = [entry.split("\n") for entry in body.split("\n\n")]
    return {
        lines[0]: (
            [line for line in lines if not line.startswith(" ")],
            " ".join(line.strip() for line in lines if line.startswith(" ")),
        )
        for lines in entries
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_work_that_a_page_cites_is_in_the_bibliography(page):
    assert cited_on(page) - set(ENTRIES) == set()


@pytest.mark.parametrize("key", ENTRIES)
def test_every_entry_is_cited_on_a_page(key):
    assert any(key in cited_on(page) for page in PAGES)


@pytest.mark.parametrize("key", ENTRIES)
def test_every_entry_says_who_what_when_and_where(key):
    entry = ENTRIES[key]
    assert entry.persons["author"]
    assert entry.fields["title"]
    assert re.fullmatch(r"\d{4}", entry.fields["year"])
    assert any(entry.fields.get(venue) for venue in VENUES)


@pytest.mark.parametrize("key", ENTRIES)
def test_keys_name_the_first_author_and_the_year(key):
    first = ENTRIES[key].persons["author"][0].last_names[0].split("-")[0].lower()
    assert re.fullmatch(rf"{first}{ENTRIES[key].fields['year']}[a-z]+", key)


def test_no_work_stands_twice_in_the_bibliography():
    titles = [re.sub(r"\W", "", entry.fields["title"]).lower() for entry in ENTRIES.values()]
    assert sorted(titles) == sorted(set(titles))


def test_auto_encoding_variational_bayes_is_by_kingma_and_welling():
    entry = ENTRIES["kingma2014auto"]
    assert re.sub(r"[{}]", "", entry.fields["title"]) == "Auto-Encoding Variational Bayes"
    assert authors(entry) == "Kingma and Welling"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_work_that_the_package_names_is_in_the_bibliography(path):
    known = {(name, e.fields["year"]) for e in ENTRIES.values() for name in names_of(e)}
    prose = "\n".join(re.findall(r'"""(.*?)"""', text(path), re.DOTALL))
    named = set(AUTHOR_YEAR.findall(" ".join(prose.split())))
    assert named - known == set()


def test_works_named_in_docstrings_are_found():
    line = (
        "See Burda, Grosse and Salakhutdinov (2016), Kingma and Ba (2014) and Blei et al. (2017)."
    )
    assert AUTHOR_YEAR.findall(line) == [
        ("Burda, Grosse and Salakhutdinov", "2016"),
        ("Kingma and Ba", "2014"),
        ("Blei et al.", "2017"),
    ]
    assert names_of(ENTRIES["burda2016importance"]) == {
        "Burda et al.",
        "Burda, Grosse and Salakhutdinov",
    }


@pytest.mark.parametrize("term", glossary_entries())
def test_every_glossary_entry_gives_the_chinese_term_and_a_meaning(term):
    _, definition = glossary_entries()[term]
    chinese, _, meaning = definition.partition("]{.language-zh}.")
    assert re.match(r"\[.*[\u4e00-\u9fff]", chinese)
    assert meaning.strip()


def test_no_term_stands_twice_in_the_glossary():
    terms = [term for terms, _ in glossary_entries().values() for term in terms]
    assert sorted(terms) == sorted(set(terms))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_term_that_a_page_links_is_in_the_glossary(page):
    known = {term for terms, _ in glossary_entries().values() for term in terms}
    roles = re.findall(r"\{term\}`([^`]+)`", text(page))
    linked = {" ".join(role.split()).split(" <")[-1].rstrip(">") for role in roles}
    assert linked - known == set()
