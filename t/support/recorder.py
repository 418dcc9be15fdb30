"""Messages on disk: NAME.eml has the exact octets, NAME.json the envelope; both are there before a 250 is."""

import hashlib
import itertools
import json
import os
import pathlib
import time


class Record:
    """One message that was acknowledged (or at least recorded)."""

    def __init__(self, json_path):
        self.path = pathlib.Path(json_path).with_suffix(".eml")
        self.envelope = json.loads(pathlib.Path(json_path).read_text())

    @property
    def octets(self):
        return self.path.read_bytes()

    def __getattr__(self, name):
        try:
            return self.__dict__["envelope"][name]
        except KeyError:
            raise AttributeError(name) from None


def records(folder):
    """All messages of a folder, the oldest first."""
    return [Record(path) for path in sorted(pathlib.Path(folder).glob("*.json"))]


class Recorder:
    """Writes messages into a folder, each so that it survives a kill or a power cut once record() returns."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._numbers = itertools.count(1)

    def next_name(self):
        """A name that sorts after all earlier ones, also those of an earlier process."""
        return f"{time.time_ns():020d}-{next(self._numbers):06d}"

    def record(self, name, octets, envelope):
        self._write(self.folder / f"{name}.eml", octets)
        described = {"name": name, "time": time.time(), **envelope,
                     "octets_received": len(octets), "sha256": hashlib.sha256(octets).hexdigest()}
        unfinished = self.folder / f"{name}.unfinished"
        self._write(unfinished, json.dumps(described, indent=1).encode())
        unfinished.rename(self.folder / f"{name}.json")
        self._synchronise_folder()

    @staticmethod
    def _write(path, octets):
        with open(path, "xb") as stream:
            stream.write(octets)
            stream.flush()
            os.fsync(stream.fileno())

    def _synchronise_folder(self):
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
