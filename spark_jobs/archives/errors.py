"""The one error of archive files."""

from contracts.errors import CoinlakeError


class ArchiveError(CoinlakeError):
    """An archive file is damaged, is not what its name says, or holds a row that cannot be taken."""
