"""Text towers and their tokenizers. `transformers` is imported when one is built, not before."""
