"""What a post says: cleaned text, language, sentiment, signs of spam. Pure functions of pandas columns."""
