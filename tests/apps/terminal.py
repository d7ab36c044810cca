"""A pseudo-terminal with `turboquant run` in it, driven as a person would."""
import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time

from program import MODEL, start

CTRL_C, CTRL_D, ENTER, UP = b"\x03", b"\x04", b"\r", b"\x1b[A"
MARK = b"\x1b[?2004h"  # asks the terminal to mark pasted text; sent before each prompt
PROMPT, CONTINUED = MARK + b"> ", MARK + b". "
PASTE = b"\x1b[200~%s\x1b[201~"


class Terminal:
    def __init__(self, *arguments, **options):
        self.master, slave = pty.openpty()
        self.screen = b""   # everything shown so far
        self.seen = 0       # how much of it was waited for

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        pipes = {"stdin": slave, "stdout": slave, "stderr": slave} | options
        self.process = start("run", "-m", MODEL, *arguments, preexec_fn=take_terminal, env={"TERM": "xterm"}, **pipes)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)

    def wait_for(self, text, timeout=30):
        """Waits until `text` is shown after what was waited for before; returns what was shown up to it."""
        end = time.monotonic() + timeout
        while text not in self.screen[self.seen:]:
            assert time.monotonic() < end, f"{text!r} did not come: {self.screen[self.seen:]!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.screen += os.read(self.master, 65536)
                except OSError:  # the program is gone
                    assert text in self.screen[self.seen:], f"{text!r} did not come: {self.screen[self.seen:]!r}"
        at = self.screen.index(text, self.seen) + len(text)
        shown, self.seen = self.screen[self.seen:at], at
        return shown

    def send(self, keys):
        os.write(self.master, keys)

    def say(self, message):
        """Types a message and returns the lines that come before the next prompt."""
        self.send(message + ENTER)
        self.wait_for(b"\x1b[?2004l")  # the line is taken
        return self.wait_for(PROMPT).removesuffix(PROMPT).decode().splitlines()

    def exit_code(self, timeout=20):
        end = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it does not end: {self.screen[self.seen:]!r}"
            if select.select([self.master], [], [], 0.1)[0]:  # a terminal nobody reads blocks its program
                try:
                    self.screen += os.read(self.master, 65536)
                except OSError:
                    return self.process.wait(timeout)
        return self.process.returncode
