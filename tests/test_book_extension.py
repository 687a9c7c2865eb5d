"""What the book's Sphinx extension does to a page."""

from docutils import nodes
from docutils.utils import new_document

from tools.book_extension import KeepPunctuation


def test_punctuation_stays_with_the_formula_before_it():
    words = ["If ", ",", "a", ").", " then ", ".", " and ", "."]
    document = new_document("page")
    paragraph = nodes.paragraph()
    document += paragraph
    for text in words:
        paragraph += nodes.Text(text)
        paragraph += nodes.math(text="x")
    paragraph += nodes.Text("; and so on.")
    before = paragraph.astext()
    KeepPunctuation(document).run()
    assert paragraph.astext() == before
    joined = [node.astext() for node in paragraph if isinstance(node, nodes.inline)]
    assert joined == ["x,", "x).", "x.", "x.", "x;"]
    assert all(node["classes"] == ["nobreak"] for node in paragraph.findall(nodes.inline))
