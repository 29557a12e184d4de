"""Archive files of an exchange: their names, their shapes, and their rows as rows of the bronze tables."""
