"""The settings with a proposed folder of policies in place of the one in force."""

from __future__ import annotations

from pathlib import Path

from broker.auditor.asked import AskedError
from broker.shell.settings import Settings


class _BorrowedRegister(Settings):
    """Settings for policies that come without a register of their own."""

    register_dir: Path

    @property
    def organisations_dir(self) -> Path:
        """The register that is borrowed."""
        return self.register_dir


def with_policies(settings: Settings, directory: Path | None) -> Settings:
    """The settings with another policies folder, and the register in force if it brings none.

    Raises AskedError where that is no policies folder.
    """
    if directory is None:
        return settings
    if not (directory / "law").is_dir():
        raise AskedError(
            f"{directory} is no policies folder: expected law/ and agreements/ in it, as in "
            f"{settings.policies_dir}"
        )
    proposed = settings.model_copy(update={"policies_dir": directory})
    if proposed.organisations_dir.is_dir():
        return proposed
    return _BorrowedRegister(**proposed.model_dump(), register_dir=settings.organisations_dir)
