"""libclamav in this process: the least that a scan of given octets costs."""

import ctypes
import time

DATABASE_OPTIONS = 0x200a  # CL_DB_STDOPT
ALL_MATCHES_AND_HEURISTICS = 0x5
EVERY_PARSER, MAIL_PARSER = 0xffffffff, 0x40
DISABLE_CACHE = 25  # of enum cl_engine_field
HEURISTICS = 0x4 | 0x40 | 0x80  # limits exceeded, encrypted archives and documents


class _Options(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("general", "parse", "heuristic", "mail", "dev")]


class Libclamav:
    """With the signatures of a folder, and no memory of what was clean."""

    def __init__(self, database):
        self.library = ctypes.CDLL("libclamav.so.12")
        self.library.cl_engine_new.restype = self.library.cl_fmap_open_memory.restype = ctypes.c_void_p
        self.library.cl_init(0)
        self.engine = ctypes.c_void_p(self.library.cl_engine_new())
        count = ctypes.c_uint()
        self.library.cl_engine_set_num(self.engine, DISABLE_CACHE, ctypes.c_longlong(1))
        if (self.library.cl_load(str(database).encode(), self.engine, ctypes.byref(count), DATABASE_OPTIONS)
                or self.library.cl_engine_compile(self.engine)):
            raise RuntimeError(f"libclamav does not take the signatures of {database}")

    def _scan(self, octets, options):
        name, scanned = ctypes.c_char_p(), ctypes.c_ulong()
        place = ctypes.c_void_p(self.library.cl_fmap_open_memory(octets, ctypes.c_size_t(len(octets))))
        status = self.library.cl_scanmap_callback(place, None, ctypes.byref(name), ctypes.byref(scanned),
                                                  self.engine, ctypes.byref(options), None)
        self.library.cl_fmap_close(place)
        if status not in (0, 1):
            raise RuntimeError(f"libclamav: error {status}")

    def cost(self, files, mail=False):
        """Processor seconds of all files, each of them octets; mail: libclamav takes mail apart."""
        options = _Options(ALL_MATCHES_AND_HEURISTICS, EVERY_PARSER if mail else EVERY_PARSER & ~MAIL_PARSER,
                           HEURISTICS, 0, 0)
        before = time.process_time()
        for octets in files:
            self._scan(octets, options)
        return time.process_time() - before
