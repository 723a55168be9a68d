"""The project of the local deployment, in `.local/` of the clone, which stays.

It runs the committed program with the committed stack file of the Docker host, and
with what makes it fit for this machine:

    Pulumi.yaml         the committed one, with `main: program`
    Pulumi.local.yaml   Pulumi.docker.yaml, with what was injected
    program             a link to the clone
    passphrase          what the state's secrets are encrypted with
    state/, home/       the state, and what the engine keeps for itself
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from rehearsal.processes import end_sessions
from rehearsal.workspace import Workspace, WorkspaceError

FOLDER = ".local"
STACK = "local"
COMMITTED = "Pulumi.docker.yaml"


class Project(Workspace):
    """The project, with a lock on it; it stays on leaving.

    root: the clone. say: told what was cleaned up.

    Raises WorkspaceError on entering as a workspace does.
    """

    folder: ClassVar[str] = FOLDER

    def __init__(self, root: Path, *, say: Callable[[str], None] = print) -> None:
        super().__init__(root, STACK, say=say)
        self.project_dir = self._root / FOLDER
        self._file = self.project_dir / "passphrase"

    @property
    def exists(self) -> bool:
        """Whether something was deployed, or half deployed, and not yet stopped."""
        return self._file.exists()

    def discard(self) -> None:
        """Remove all of it; what it deployed must be gone."""
        shutil.rmtree(self.project_dir / "state")
        shutil.rmtree(self.project_dir / "home")
        self._file.unlink()

    def _committed_stack_file(self) -> Path:
        file = self._root / COMMITTED
        if not file.is_file():
            raise WorkspaceError(f"There is no {COMMITTED} in {self._root}.")
        return file

    def _lay_out(self, project: Any, stack: Any) -> None:
        super()._lay_out(project, stack)
        if not self._file.exists():
            self._file.touch(mode=0o600)
            self._file.write_text(secrets.token_urlsafe(32), encoding="ascii")
        self.passphrase = self._file.read_text(encoding="ascii")

    def _clean_up(self, left: Any) -> None:
        """End what a command left that was killed; the state it left is ours."""
        if left:
            end_sessions(left.living())

    def _discard(self) -> None:
        """It stays."""
