"""Names of categories: the lists of the data sets, clean-up, and the sentences in which text towers are asked."""

from singleout.vocabularies.categories import Category, categories, list_names, number_table, source
from singleout.vocabularies.combined import CombinedNames, Part, packaged_names, read_combined, read_names
from singleout.vocabularies.names import bare_words, clean_name, clean_names
from singleout.vocabularies.templates import IMAGENET, PHOTO, PLAIN, REGIONCLIP, VILD, fill, with_article

__all__ = [
    "IMAGENET",
    "PHOTO",
    "PLAIN",
    "REGIONCLIP",
    "VILD",
    "Category",
    "CombinedNames",
    "Part",
    "bare_words",
    "categories",
    "clean_name",
    "clean_names",
    "fill",
    "list_names",
    "number_table",
    "packaged_names",
    "read_combined",
    "read_names",
    "source",
    "with_article",
]
