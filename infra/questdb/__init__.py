"""QuestDB: its tables as data, and applying them."""
