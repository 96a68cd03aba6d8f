"""Files of each kind to paragraphs."""
