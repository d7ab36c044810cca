"""The server that a benchmark starts: `turboquant serve` on a free port of 127.0.0.1, its log read and dropped."""
import re
import signal
import subprocess
import sys
import threading


class StartedServer:
    def __init__(self, binary, model, *options):
        command = [str(word) for word in (binary, "serve", "-m", model, "--port", "0", "--log-disable", *options)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.port = None
        for line in self.process.stderr:
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        if self.port is None:
            sys.exit("the server did not start: " + " ".join(command))
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def end(self, timeout=30):
        """Asks it to end, waits, and returns its exit status; whatever happens, it does not go on."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=timeout)
        finally:
            self.process.kill()
