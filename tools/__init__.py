"""Scripts of the workshop; not part of the installed package."""
