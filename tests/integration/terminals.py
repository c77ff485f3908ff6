# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pseudo-terminal with a command of a user's on it, as a person sits before it."""
import contextlib
import fcntl
import os
import pwd
import re
import select
import struct
import termios
import time

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\([A-Z]")


def plain(shown):
    """What is left to read of what was sent to a terminal."""
    return CONTROL.sub("", shown).replace("\r\n", "\n")


class Terminal:
    def __init__(self, *command, user="ada", columns=80, rows=50, **env):
        account = pwd.getpwnam(user)
        env = {"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", "HOME": account.pw_dir, "SYSTEMD_PAGER": "", **env}
        self.shown = ""
        self.pid, self.fd = os.forkpty()
        if self.pid == 0:
            try:
                self.resize(0, columns, rows)
                os.initgroups(user, account.pw_gid)
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
                os.execvpe(command[0], [str(c) for c in command], env)
            finally:
                os._exit(127)

    @staticmethod
    def resize(fd, columns, rows):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, keys):
        os.write(self.fd, keys.encode())

    def read(self, seconds):
        """Waits for more. Returns: whether the command still has the terminal."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        with contextlib.suppress(OSError):  # EIO: nobody has the terminal any more
            data = os.read(self.fd, 65536)
            self.shown += data.decode(errors="replace")
            return bool(data)
        return False

    def wait_text(self, wanted, seconds=30):
        """Waits until this is shown; what was shown before that is forgotten."""
        end = time.monotonic() + seconds
        while wanted not in plain(self.shown):
            assert time.monotonic() < end, f"no {wanted!r} in {self.shown!r}"
            assert self.read(0.2) or wanted in plain(self.shown), f"ended without {wanted!r}: {self.shown!r}"
        seen, self.shown = self.shown, ""
        return seen

    def end(self, seconds=60):
        """Waits for the command's end. Returns: its exit status and what it showed since the last wait_text()."""
        end = time.monotonic() + seconds
        while self.read(0.2):
            assert time.monotonic() < end, f"does not end: {self.shown!r}"
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), self.shown


def at_terminal(*command, **how):
    """Runs a command to its end. Returns: its exit status and what it showed."""
    return Terminal(*command, **how).end()
