/*
 * What a file is, by its own octets, whatever it is called and said to be.
 */
#pragma once

#include <glib.h>

/* Each has a word of its own in rules, in this order. */
typedef enum {
    POSTERN_CONTENTS_WINDOWS_PROGRAM = 1 << 0, /* PE, NE, LE, or a plausible MZ */
    POSTERN_CONTENTS_ELF = 1 << 1,
    POSTERN_CONTENTS_MACH_O = 1 << 2,
    POSTERN_CONTENTS_SCRIPT = 1 << 3,    /* "#!" with a path */
    POSTERN_CONTENTS_JAVA = 1 << 4,      /* a class, or an archive of them */
    POSTERN_CONTENTS_INSTALLER = 1 << 5, /* of Windows, MSI */
    POSTERN_CONTENTS_SHORTCUT = 1 << 6,  /* .lnk */
    POSTERN_CONTENTS_URL_SHORTCUT = 1 << 7,
    POSTERN_CONTENTS_DISK_IMAGE = 1 << 8,    /* ISO 9660, UDF, FAT, VHD, VHDX, VMDK, DMG */
    POSTERN_CONTENTS_COMPILED_HELP = 1 << 9, /* .chm */
    POSTERN_CONTENTS_ONENOTE = 1 << 10,
    POSTERN_CONTENTS_MACRO = 1 << 11,       /* VBA in an Office document */
    POSTERN_CONTENTS_MACRO_SHEET = 1 << 12, /* of Excel 4 */
    POSTERN_CONTENTS_HTML = 1 << 13,
    POSTERN_CONTENTS_HTML_SCRIPT = 1 << 14, /* HTML that runs a script */
    POSTERN_CONTENTS_SVG_SCRIPT = 1 << 15,
    POSTERN_CONTENTS_HTML_DOWNLOAD = 1 << 16, /* HTML that holds, or builds, a file for saving */
} PosternContents;

/* Their words, in the order of the bits; NULL-terminated. */
extern const char *const postern_contents_words[];
/* What "program" stands for. */
#define POSTERN_CONTENTS_PROGRAM                                                                             \
    (POSTERN_CONTENTS_WINDOWS_PROGRAM | POSTERN_CONTENTS_ELF | POSTERN_CONTENTS_MACH_O |                     \
     POSTERN_CONTENTS_INSTALLER)

/* All of them that octets are, scripts in HTML and SVG apart: those take a parser (checks/rules/html.h). */
guint postern_contents_of(const char *octets, gsize length);

/* How a name hides what a file is. */
typedef enum {
    POSTERN_DISGUISE_DOUBLE_EXTENSION = 1 << 0, /* that of a document before that of a program */
    POSTERN_DISGUISE_BLANKS = 1 << 1,           /* many before the extension */
    POSTERN_DISGUISE_BIDI_OVERRIDE = 1 << 2,    /* U+202D, U+202E */
    POSTERN_DISGUISE_BIDI = 1 << 3,             /* also the other controls of direction, which are lawful */
} PosternDisguises;
extern const char *const postern_disguise_words[];

/* name: of a file, UTF-8. */
guint postern_disguises_of(const char *name);

/*
 * The name as the system takes it that opens the file: without folders, characters that are not seen, an
 * alternate stream of NTFS, and the dots and blanks that Windows drops at the end. A new string.
 */
char *postern_name_as_opened(const char *name);
