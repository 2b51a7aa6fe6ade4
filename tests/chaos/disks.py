"""Small disks that can be filled: a tmpfs for each folder in a mount namespace of our own.

Where mounting is not allowed, the file-size limit of the process (RLIMIT_FSIZE, set to nothing from
outside) stands in: every write that makes a file longer then fails. `Disks.how` says which it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
SIZE = 900 * 1024 * 1024
MARGIN = 16 * 1024
"""Room that is left on a full disk: not enough for a commit, enough to open a file."""


def own_namespace() -> bool:
    """Gives this process, before it starts a thread, mounts that vanish with it; False if it may not."""
    system = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    flags = CLONE_NEWNS if user == 0 else CLONE_NEWNS | CLONE_NEWUSER
    if system.unshare(flags) != 0:
        return False
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    return _mount("--make-rprivate", "/")


class Disks:
    """The disks of one broker."""

    def __init__(self, folders: Iterable[Path], *, mount: bool) -> None:
        """Makes the folders, each on a disk of its own where `mount` is said and allowed."""
        self._mounted: list[Path] = []
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if mount and _mount(
                "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(folder)
            ):
                self._mounted.append(folder)
        self.how = "tmpfs" if self._mounted else "RLIMIT_FSIZE"

    def fill(self, folder: Path, pids: Iterable[int]) -> None:
        """From now on there is no room in `folder` (for these processes, where it is no disk)."""
        if folder in self._mounted:
            used = shutil.disk_usage(folder).used
            _mount("-o", f"remount,size={used + MARGIN}", str(folder))
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def free(self, folder: Path, pids: Iterable[int]) -> None:
        """There is room again."""
        if folder in self._mounted:
            _mount("-o", f"remount,size={SIZE}", str(folder))
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)

    def close(self) -> None:
        """Unmounts."""
        for folder in self._mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def _mount(*arguments: str) -> bool:
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True)
    return done.returncode == 0
