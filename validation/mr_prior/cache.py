"""Results in a file of JSON lines: one line a result, appended when it is known, so that a killed run goes on."""
import json
import os
import threading


class Cache:
    def __init__(self, path):
        self.path, self.rows, self.lock = path, {}, threading.Lock()
        if os.path.exists(path):
            with open(path) as file:
                for line in file:
                    try:
                        row = json.loads(line)
                        self.rows[row["key"]] = row
                    except (ValueError, KeyError):
                        pass  # the line that was being written when the run was killed
            with open(path, "rb+") as file:
                file.seek(0, os.SEEK_END)
                if file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
                    file.write(b"\n")

    def get(self, key):
        return self.rows.get(key)

    def put(self, key, row):
        with self.lock:
            self.rows[key] = dict(row, key=key)
            with open(self.path, "a") as file:
                file.write(json.dumps(self.rows[key]) + "\n")
