"""Set-up: everything a machine lacks, made side by side. Standard library only: it runs before any package is there."""
