"""Names of categories: the lists of the data sets, clean-up, and the sentences in which text towers are asked."""

from singleout.vocabularies.categories import Category, categories, list_names, number_table, source
from singleout.vocabularies.combined import CombinedNames, Part, read_combined
from singleout.vocabularies.names import clean_name, clean_names
from singleout.vocabularies.templates import PHOTO, PLAIN, fill, with_article

__all__ = [
    "PHOTO",
    "PLAIN",
    "Category",
    "CombinedNames",
    "Part",
    "categories",
    "clean_name",
    "clean_names",
    "fill",
    "list_names",
    "number_table",
    "read_combined",
    "source",
    "with_article",
]
