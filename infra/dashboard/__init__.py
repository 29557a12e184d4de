"""The dashboard with what it needs: the query API and, where nothing else tells of liquidations, a simulated market."""
