"""Runs a command in a pseudo terminal, types into it, and prints what the terminal was sent, as JSON.

Argument: one JSON object with `columns`, `command`, `variables` and `actions`. An action is one of
["wait", text], ["send", text], ["resize", columns], ["pause", seconds], ["url", file], ["signal", name], ["signal-child", name].
"""

import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

# Only a command that hangs reaches it, even on a busy machine.
DEADLINE = time.monotonic() + 300


def resize(fd, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def main():
    wanted = json.loads(sys.argv[1])
    master, slave = os.openpty()
    resize(master, wanted["columns"])
    before = termios.tcgetattr(slave)
    child = subprocess.Popen(
        wanted["command"],
        env=wanted["variables"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    chunks = [[wanted["columns"], b""]]

    def read(seconds):
        ready, _, _ = select.select([master], [], [], seconds)
        if ready:
            chunks[-1][1] += os.read(master, 65536)
        return bool(ready)

    for name, *values in wanted["actions"]:
        if name == "wait":
            text = values[0].encode()
            while text not in chunks[-1][1]:
                if time.monotonic() > DEADLINE or (child.poll() is not None and not read(0.2)):
                    break
                read(0.05)
        elif name == "send":
            left = values[0].encode()
            while left:
                # What is not read yet must not block the terminal.
                _, ready, _ = select.select([], [master], [], 0.05)
                if ready:
                    left = left[os.write(master, left[:512]):]
                read(0)
                if time.monotonic() > DEADLINE:
                    break
        elif name == "resize":
            # Between two lines: one that is made for the old width while the width changes is wrapped by any terminal.
            quiet_at = time.monotonic() + 1
            while time.monotonic() < quiet_at and not read(0.05):
                pass
            while time.monotonic() < quiet_at and read(0.01):
                pass
            resize(master, values[0])
            chunks.append([values[0], b""])
        elif name == "pause":
            end = time.monotonic() + values[0]
            while time.monotonic() < end:
                read(0.05)
        elif name == "url":
            # The address of an authorization endpoint, for a test that plays the browser.
            found = None
            while found is None and time.monotonic() < DEADLINE:
                read(0.05)
                found = re.search(rb"http://\S+/authorize\?\S+(?=\s)", chunks[-1][1])
            if found:
                with open(values[0] + ".new", "wb") as file:
                    file.write(found.group(0))
                os.rename(values[0] + ".new", values[0])
        elif name == "signal":
            child.send_signal(signal.Signals[values[0]])
        elif name == "signal-child":
            os.killpg(os.tcgetpgrp(master), signal.Signals[values[0]])
    while child.poll() is None and time.monotonic() < DEADLINE:
        read(0.05)
    if child.poll() is None:
        child.kill()
    while read(0.1):
        pass
    json.dump(
        {
            "chunks": [[columns, text.decode("utf-8", "replace")] for columns, text in chunks],
            # Negative: the number of the signal that ended it.
            "exit": child.wait(),
            "restored": termios.tcgetattr(slave) == before,
        },
        sys.stdout,
    )


main()
