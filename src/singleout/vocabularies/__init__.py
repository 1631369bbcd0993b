"""Names of categories: their clean-up, and the sentences that text towers are asked them in."""

from singleout.vocabularies.names import clean_name, clean_names
from singleout.vocabularies.templates import PHOTO, PLAIN, fill, with_article

__all__ = ["PHOTO", "PLAIN", "clean_name", "clean_names", "fill", "with_article"]
