"""The style check fires on each rule, on its line, and is silent on a clean tree."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECK = pathlib.Path(__file__).resolve().parents[2] / "contrib" / "check-style"
HEADER = "#pragma once\n\n/* What it does. */\nint postern_thing_do(int count);\n"
SOURCE = '''#include "wire/thing.h"

#include <glib.h>

#include "base/limits.h"

typedef struct {
    int count;
} Thing;

struct other {
    int count;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Thing, thing_free)

static const int numbers[] = {1, 2, 3};
static const char *const names[] = {"strcpy(", "a{b"};
static int (*const function)(void) = NULL;

static int helper(int count);

/* strcpy(a, b) is only named here; "system(" below is a string. */
int postern_thing_do(int count)
{
    static const char text[] = "system(";
    return text[0] == '{' ? helper(count) : numbers[0];
}
'''


class CheckStyleTest(unittest.TestCase):
    def breaches(self, **files):
        """The lines of the check on a tree with these files; a key's __ is a slash, its _dot_ a dot."""
        with tempfile.TemporaryDirectory(prefix="postern-style-") as folder:
            for key, text in {"common__wire__thing_dot_h": HEADER, **files}.items():
                path = pathlib.Path(folder, key.replace("__", "/").replace("_dot_", "."))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            done = subprocess.run([sys.executable, "-B", CHECK, folder], capture_output=True, text=True,
                                  timeout=60)
        self.assertEqual(done.stderr, "")
        lines = done.stdout.splitlines()
        self.assertEqual(done.returncode, 0 if lines[0].startswith("check-style:") else 1)
        return lines if done.returncode else []

    def expect(self, place, words, **files):
        found = self.breaches(**files)
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{place}: "), found)
        self.assertIn(words, found[0])

    def source(self, words, line, text, room="common__wire"):
        """One breach of words is expected where a source of that room has text in place of its helper."""
        self.expect(f"{room.replace('__', '/')}/thing.c:{line}", words,
                    **{f"{room}__thing_dot_c": SOURCE.replace("static int helper(int count);\n", text)})

    def test_clean_tree(self):
        self.assertEqual(self.breaches(common__wire__thing_dot_c=SOURCE, README="read me\n"), [])

    def test_layering(self):
        for room, include, good in (
                ("common/base", "wire/x.h", "base/x.h"), ("common/wire", "mail/x.h", "base/x.h"),
                ("common/mail", "dns/x.h", "wire/x.h"), ("common/dns", "mail/x.h", "wire/x.h"),
                ("common/verdict", "checks/x.h", "dns/x.h"),
                ("common/checks", "inspector_client/x.h", "verdict/x.h"),
                ("common/inspector_client", "inspector/x.h", "verdict/x.h"),
                ("common/scan", "checks/x.h", "inspector_client/x.h"),
                ("proxy", "checks/x.h", "inspector_client/x.h"), ("milter", "checks/x.h", "verdict/x.h"),
                ("proxy", "milter/x.h", "proxy/session/x.h"), ("milter", "inspector/x.h", "milter/x.h"),
                ("proxy/session", "proxy/x.h", "proxy/screen/x.h"),
                ("proxy/settings", "proxy/session/x.h", "proxy/tls/x.h"),
                ("proxy/connection", "proxy/x.h", "proxy/session/x.h")):
            with self.subTest(room=room, include=include):
                key = f"{room.replace('/', '__')}__thing_dot_c"
                self.expect(f"{room}/thing.c:2", "layering", **{key: f'\n#include "{include}"\n'})
                self.assertEqual(self.breaches(**{key: f'\n#include "{good}"\n'}), [])
        self.assertEqual(self.breaches(common__inspector__a_dot_c='#include "checks/x.h"\n'), [])
        self.assertEqual(self.breaches(common__checks__a__b_dot_c='#include "checks/a/c.h"\n'), [])
        self.assertEqual(self.breaches(t__unit__a_dot_c='#include "checks/x.h"\n'), [])

    def test_layering_in_a_check(self):
        for path, include, good in (
                ("checks/a/finding.h", "checks/a/b.h", "checks/c/finding.h"),
                ("checks/a/finding.h", "mail/x.h", "verdict/x.h"),
                ("checks/a/describe.c", "checks/a/b.h", "checks/c/conclude.h"),
                ("checks/a/describe.c", "inspector_client/x.h", "checks/a/finding.h"),
                ("verdict/x.c", "checks/a/conclude.h", "checks/list.h"),
                ("inspector_client/x.c", "checks/a/describe.h", "base/x.h")):
            with self.subTest(path=path, include=include):
                key = f"common__{path.replace('/', '__').replace('.', '_dot_')}"
                text = '#pragma once\n#include "%s"\n'
                self.expect(f"common/{path}:2", "layering", **{key: text % include})
                self.assertEqual(self.breaches(**{key: text % good}), [])

    def test_include_without_layer(self):
        self.expect("proxy/a.c:1", "with its layer", proxy__a_dot_c='#include "thing.h"\n')

    def test_banned_functions(self):
        for name in ("strcpy strcat sprintf vsprintf strtok gets atoi atol atof system popen alloca strncpy"
                     " strncat rand").split():
            with self.subTest(name=name):
                self.source(f"banned function {name}", 23, f"static int f(void)\n{{\n    {name} (0);\n}}\n")

    def test_names_that_only_resemble(self):
        text = "static int f(T *t)\n{\n    g_ascii_strtod(0); t->system(0); my_rand(0); snprintf(0);\n}\n"
        self.assertEqual(self.breaches(proxy__a_dot_c=text), [])

    def test_long_file(self):
        self.assertEqual(self.breaches(t__a_dot_py="1\n" * 500), [])
        self.expect("t/a.py:501", "501 lines", t__a_dot_py="1\n" * 501)
        self.expect("contrib/tool:501", "501 lines", contrib__tool="#!/bin/sh\n" + "true\n" * 500)

    def test_long_function(self):
        for count, breaches in ((57, 0), (58, 1)):
            text = "/* */\nstatic int f(int a)\n{\n" + "    a++;\n" * count + "}\n"
            found = self.breaches(proxy__a_dot_c=text)
            self.assertEqual(len(found), breaches, found)
        self.assertIn("proxy/a.c:2: function f has 61 lines", found[0])

    def test_lines(self):
        self.expect("proxy/a.c:1", "111 columns", proxy__a_dot_c=f"/*{'x' * 107}*/\n")
        self.expect("proxy/a.c:1", "a tab", proxy__a_dot_c="\tint x(void);\n")
        self.expect("README:2", "white space", README="a\nb \n")
        self.expect("common/CMakeLists.txt:1", "white space", common__CMakeLists_dot_txt="a\t\n")

    def test_header(self):
        self.expect("proxy/a.h:1", "pragma once", proxy__a_dot_h="/* Says. */\nint f(void);\n")
        self.expect("t/a.h:1", "pragma once", t__a_dot_h="int f(void);\n")
        first = "#pragma once\n\n/* Says. */\nint f(void);\n"
        self.expect("proxy/a.h:6", "g has no comment",
                    proxy__a_dot_h=f"{first}\nint g(int a,\n      int b);\n")
        for rest in ("int g(void);\n", "\nint g(void); /* Says. */\n", "\nvoid thing_free(Thing *thing);\n",
                     "\ntypedef int (*Call)(void);\n"):
            self.assertEqual(self.breaches(proxy__a_dot_h=first + rest), [])

    def test_mutable_variables(self):
        for text in ("static int count;", "static char *name = NULL;", "static const char *name;",
                     "int count = 0;", "static int list[] = {1, 2};", "static struct other thing;",
                     "static int (*call)(void);", "static Thing *things[8] = {\n    NULL,\n};",
                     "struct other x;"):
            with self.subTest(text=text):
                self.source("mutable variable", 21, text + "\n")
        self.assertEqual(self.breaches(t__unit__a_dot_c="static int count;\n"), [])
        for text in ("static GMutex lock;\n", "static GOnce once = G_ONCE_INIT;\n"):
            self.assertEqual(self.breaches(proxy__a_dot_c=text), [])

    def test_paths_of_machines(self):
        for path in ("/wor" + "k/x", "/tmp/bash" + "_jobs", "/hom" + "e/somebody"):
            with self.subTest(path=path):
                self.expect("README:1", "a path of the machine", README=f"see {path}\n")
        inside = "/".join(("an example.org", "work", "x path, $HOME", "work", "x, framework", "x\n"))
        self.assertEqual(self.breaches(README=inside), [])

    def test_marks(self):
        for mark in ("TO" + "DO", "FIX" + "ME", "XX" + "X"):
            with self.subTest(mark=mark):
                self.expect("README:1", "unfinished work", README=f"{mark}: later\n")
        self.assertEqual(self.breaches(README="mktemp /tmp/postern.XXXXXX\n"), [])

    def test_top_level(self):
        self.expect("notes.txt:1", "top level", notes_dot_txt="x\n")
        self.assertEqual(self.breaches(_dot_gitignore="x\n", COPYING="x \n", build__a_dot_c="\tx\n"), [])


if __name__ == "__main__":
    unittest.main()
