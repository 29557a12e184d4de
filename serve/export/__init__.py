"""Files that a consumer of the topics writes for analysts."""
