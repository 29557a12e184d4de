"""Column -> Column: rules about one row."""
