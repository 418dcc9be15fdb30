#include "checks/rules/contents.h"

#include <string.h>

#include "checks/rules/table.h"

#define SECTOR 2048       /* of a CD, ISO 9660 */
#define RAW_SECTOR 2352   /* the same with what surrounds it */
#define DESCRIPTORS 16    /* sectors before the first */
#define FOOTER_OCTETS 512 /* of VHD and DMG */
#define DOS_HEADER_OCTETS 64
#define FAT_BINARIES_MAX 40 /* in one file of Mach-O; as a version of Java that would be older than any */
#define SHEET_NAME_MAX 31
#define BLANKS_MIN 8

const char *const postern_contents_words[] = {
    "windows-program", "elf",          "mach-o",      "script",        "java",          "installer",
    "shortcut",        "url-shortcut", "disk-image",  "compiled-help", "onenote",       "macro",
    "macro-sheet",     "html",         "html-script", "svg-script",    "html-download", NULL,
};

const char *const postern_disguise_words[] = {"double-extension", "blanks", "bidi-override", "bidi", NULL};

typedef struct {
    const char *octets;
    gsize length;
} File;

static gboolean has_at(File file, gsize offset, const char *magic, gsize length)
{
    return file.length >= length && offset <= file.length - length &&
           memcmp(file.octets + offset, magic, length) == 0;
}

#define HAS_AT(file, offset, magic) has_at(file, offset, magic, sizeof(magic) - 1)

static gboolean holds(File file, const char *octets, gsize length)
{
    return memmem(file.octets, file.length, octets, length) != NULL;
}

#define HOLDS(file, octets) holds(file, octets, sizeof(octets) - 1)

static guint32 little_endian(File file, gsize offset, guint octets)
{
    guint32 value = 0;
    for (guint i = octets; i > 0; i--)
        value = offset + i <= file.length ? value << 8 | (guchar)file.octets[offset + i - 1] : 0;
    return value;
}

static gboolean is_windows_program(File file)
{
    if ((!HAS_AT(file, 0, "MZ") && !HAS_AT(file, 0, "ZM")) || file.length < DOS_HEADER_OCTETS)
        return FALSE;
    guint32 header = little_endian(file, 0x3c, 4);
    if (HAS_AT(file, header, "PE\0\0") || HAS_AT(file, header, "NE") || HAS_AT(file, header, "LE") ||
        HAS_AT(file, header, "LX"))
        return TRUE;
    guint32 pages = little_endian(file, 4, 2), paragraphs = little_endian(file, 8, 2);
    return pages > 0 && paragraphs >= 2 && paragraphs * 16 <= file.length && HOLDS(file, "\0");
}

static gboolean is_elf(File file)
{
    return HAS_AT(file, 0, "\177ELF");
}

static gboolean is_mach_o(File file)
{
    if (HAS_AT(file, 0, "\xca\xfe\xba\xbe"))
        return file.length >= 8 && file.octets[4] == 0 && file.octets[5] == 0 && file.octets[6] == 0 &&
               (guchar)file.octets[7] < FAT_BINARIES_MAX;
    return HAS_AT(file, 0, "\xfe\xed\xfa\xce") || HAS_AT(file, 0, "\xfe\xed\xfa\xcf") ||
           HAS_AT(file, 0, "\xce\xfa\xed\xfe") || HAS_AT(file, 0, "\xcf\xfa\xed\xfe");
}

static gboolean is_script(File file)
{
    gsize offset = HAS_AT(file, 0, "\xef\xbb\xbf") ? 3 : 0;
    if (!HAS_AT(file, offset, "#!"))
        return FALSE;
    offset += 2;
    while (offset < file.length && (file.octets[offset] == ' ' || file.octets[offset] == '\t'))
        offset++;
    return HAS_AT(file, offset, "/");
}

static gboolean is_zip(File file)
{
    return HAS_AT(file, 0, "PK\3\4");
}

static gboolean is_compound(File file)
{
    return HAS_AT(file, 0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
}

static gboolean is_java(File file)
{
    if (HAS_AT(file, 0, "\xca\xfe\xba\xbe"))
        return file.length >= 8 && !is_mach_o(file);
    return is_zip(file) && HOLDS(file, "META-INF/MANIFEST.MF") && HOLDS(file, ".class");
}

static gboolean is_installer(File file)
{
    return is_compound(file) && HOLDS(file, "\x84\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0\x46");
}

static gboolean is_shortcut(File file)
{
    return HAS_AT(file, 0, "\x4c\0\0\0\1\x14\2\0\0\0\0\0\xc0\0\0\0\0\0\0\x46");
}

static gboolean is_url_shortcut(File file)
{
    File start = {file.octets, MIN(file.length, 1024)};
    return HOLDS(start, "[InternetShortcut]");
}

static gboolean is_disk(File file)
{
    static const char *const descriptors[] = {"CD001", "BEA01", "NSR02", "NSR03"};
    for (gsize i = 0; i < G_N_ELEMENTS(descriptors); i++)
        for (gsize sector = DESCRIPTORS; sector < DESCRIPTORS + 3; sector++)
            if (has_at(file, sector * SECTOR + 1, descriptors[i], 5) ||
                has_at(file, sector * RAW_SECTOR + 17, descriptors[i], 5) ||
                has_at(file, sector * RAW_SECTOR + 25, descriptors[i], 5))
                return TRUE;
    return FALSE;
}

static gboolean is_disk_image(File file)
{
    gsize footer = file.length >= FOOTER_OCTETS ? file.length - FOOTER_OCTETS : 0;
    gboolean boots = HAS_AT(file, 510, "\x55\xaa");
    return is_disk(file) || HAS_AT(file, 0, "conectix") || HAS_AT(file, footer, "conectix") ||
           HAS_AT(file, footer, "koly") || HAS_AT(file, 0, "vhdxfile") || HAS_AT(file, 0, "KDMV") ||
           (boots && (HAS_AT(file, 54, "FAT") || HAS_AT(file, 82, "FAT32") || HAS_AT(file, 3, "NTFS    ") ||
                      HAS_AT(file, 3, "EXFAT   ")));
}

static gboolean is_compiled_help(File file)
{
    return HAS_AT(file, 0, "ITSF");
}

static gboolean is_onenote(File file)
{
    return HAS_AT(file, 0, "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3");
}

/* Names in a compound file (MS-CFB 2.6.1) are UTF-16; in a zip they are plain, whatever is packed. */
static gboolean has_macro(File file)
{
    if (is_zip(file))
        return HOLDS(file, "vbaProject.bin") || HOLDS(file, "vbaData.xml");
    return is_compound(file) && HOLDS(file, "_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0T\0");
}

/* A record BoundSheet8 (MS-XLS 2.4.28) of a sheet of macros, at offset. */
static gboolean is_macro_sheet(File file, gsize offset)
{
    guint32 size = little_endian(file, offset + 2, 2);
    guint32 letters = little_endian(file, offset + 10, 1), wide = little_endian(file, offset + 11, 1);
    return little_endian(file, offset + 8, 1) <= 2 && little_endian(file, offset + 9, 1) == 1 &&
           letters >= 1 && letters <= SHEET_NAME_MAX && wide <= 1 && size == 8 + letters * (1 + wide);
}

static gboolean has_macro_sheet(File file)
{
    if (is_zip(file))
        return HOLDS(file, "xl/macrosheets/");
    if (!is_compound(file) || (!HOLDS(file, "W\0o\0r\0k\0b\0o\0o\0k\0") && !HOLDS(file, "B\0o\0o\0k\0\0\0")))
        return FALSE;
    for (gsize offset = 0; offset + 12 <= file.length;) {
        const char *record = memmem(file.octets + offset, file.length - offset, "\x85\0", 2);
        if (record == NULL)
            return FALSE;
        offset = (gsize)(record - file.octets);
        if (offset + 12 <= file.length && is_macro_sheet(file, offset))
            return TRUE;
        offset++;
    }
    return FALSE;
}

static gboolean starts_with(const char *text, gsize length, const char *word)
{
    return length >= strlen(word) && g_ascii_strncasecmp(text, word, strlen(word)) == 0;
}

/* As browsers sniff it (WHATWG mimesniff 7.1), behind white space and a mark of the byte order. */
static gboolean is_html(File file)
{
    static const char *const starts[] = {"<!doctype html", "<html",  "<head", "<script", "<iframe", "<body",
                                         "<table",         "<title", "<meta", "<svg",    "<!--"};
    gsize offset = HAS_AT(file, 0, "\xef\xbb\xbf") ? 3 : 0;
    while (offset < file.length && g_ascii_isspace(file.octets[offset]))
        offset++;
    for (gsize i = 0; i < G_N_ELEMENTS(starts); i++)
        if (starts_with(file.octets + offset, file.length - offset, starts[i]))
            return TRUE;
    return FALSE;
}

/* The rest of the file from an element of that name ("<a") on, in any case; or no octets. */
static File find_element(File file, const char *element)
{
    const char *end = file.octets + file.length, *at = file.octets;
    while ((at = memchr(at, '<', (gsize)(end - at))) != NULL) {
        if (starts_with(at, (gsize)(end - at), element))
            return (File){at, (gsize)(end - at)};
        at++;
    }
    return (File){end, 0};
}

/* The rest of the text from word on, in any case; or no octets. */
static File find_word(File text, const char *word)
{
    for (; text.length > 0; text.octets++, text.length--)
        if (g_ascii_tolower(*text.octets) == *word && starts_with(text.octets, text.length, word))
            return text;
    return text;
}

static File behind(File text, gsize octets)
{
    return (File){text.octets + octets, text.length - octets};
}

static gboolean holds_data(File tag)
{
    static const char scheme[] = "data:";
    for (File url = find_word(tag, scheme); url.length > 0; url = find_word(url, scheme)) {
        url = behind(url, strlen(scheme));
        if (!starts_with(url.octets, url.length, "image/"))
            return TRUE;
    }
    return FALSE;
}

/* A link to what is in it ("data:") that is to be saved. */
static gboolean has_download_link(File file)
{
    for (File link = find_element(file, "<a"); link.length > 0; link = find_element(link, "<a")) {
        const char *end = memchr(link.octets, '>', link.length);
        File tag = {link.octets, end != NULL ? (gsize)(end - link.octets) : link.length};
        if (tag.length > 2 && (g_ascii_isspace(tag.octets[2]) || tag.octets[2] == '/') &&
            find_word(tag, "download").length > 0 && holds_data(tag))
            return TRUE;
        link = behind(link, tag.length);
    }
    return FALSE;
}

/* An attribute such as onload. */
static gboolean has_handler(File file)
{
    for (File rest = find_word(file, "on"); rest.length > 0; rest = find_word(rest, "on")) {
        gboolean begins = rest.octets > file.octets &&
                          (g_ascii_isspace(rest.octets[-1]) || strchr("/\"'", rest.octets[-1]) != NULL);
        gsize name = 0, blanks = 0;
        while (name < rest.length && g_ascii_isalpha(rest.octets[name]))
            name++;
        while (name + blanks < rest.length && g_ascii_isspace(rest.octets[name + blanks]))
            blanks++;
        if (begins && name > 2 && name + blanks < rest.length && rest.octets[name + blanks] == '=')
            return TRUE;
        rest = behind(rest, name);
    }
    return FALSE;
}

/* HTML smuggling; text of wide characters is an item as UTF-8. Browsers pass over a NUL. */
static gboolean is_html_download(File file)
{
    static const char *const calls[] = {"createObjectURL", "msSaveOrOpenBlob", "msSaveBlob", "new Blob",
                                        "new File("};
    gboolean builds = FALSE;
    for (gsize i = 0; !builds && i < G_N_ELEMENTS(calls); i++)
        builds = holds(file, calls[i], strlen(calls[i]));
    if (builds && (find_element(file, "<script").length > 0 || find_element(file, "<svg").length > 0 ||
                   (find_element(file, "<").length > 0 && (HOLDS(file, "javascript:") || has_handler(file)))))
        return TRUE;
    return has_download_link(file);
}

static const struct {
    guint bit;
    gboolean (*is)(File file);
} tests[] = {
    {POSTERN_CONTENTS_WINDOWS_PROGRAM, is_windows_program},
    {POSTERN_CONTENTS_ELF, is_elf},
    {POSTERN_CONTENTS_MACH_O, is_mach_o},
    {POSTERN_CONTENTS_SCRIPT, is_script},
    {POSTERN_CONTENTS_JAVA, is_java},
    {POSTERN_CONTENTS_INSTALLER, is_installer},
    {POSTERN_CONTENTS_SHORTCUT, is_shortcut},
    {POSTERN_CONTENTS_URL_SHORTCUT, is_url_shortcut},
    {POSTERN_CONTENTS_DISK_IMAGE, is_disk_image},
    {POSTERN_CONTENTS_COMPILED_HELP, is_compiled_help},
    {POSTERN_CONTENTS_ONENOTE, is_onenote},
    {POSTERN_CONTENTS_MACRO, has_macro},
    {POSTERN_CONTENTS_MACRO_SHEET, has_macro_sheet},
    {POSTERN_CONTENTS_HTML, is_html},
    {POSTERN_CONTENTS_HTML_DOWNLOAD, is_html_download},
};

guint postern_contents_of(const char *octets, gsize length)
{
    guint found = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        found |= tests[i].is((File){octets, length}) ? tests[i].bit : 0;
    return found;
}

static gboolean is_of(const char *extension, gsize length, const char *list)
{
    g_autofree char *lower = g_ascii_strdown(extension, (gssize)length);
    g_autofree char *word = g_strconcat(" ", lower, " ", NULL);
    return length > 0 && strchr(lower, ' ') == NULL && strstr(list, word) != NULL;
}

static gboolean has_double_extension(const char *name)
{
    static const char documents[] =
        " pdf doc docx docm xls xlsx xlsm ppt pptx pps odt ods odp rtf txt csv htm "
        "html xml jpg jpeg png gif bmp tif tiff mp3 mp4 avi mov zip rar 7z eml ";
    static const char programs[] =
        " exe scr com pif bat cmd cpl js jse vb vbs vbe wsf wsh wsc sct hta lnk url msi "
        "msp msc ps1 jar iso img vhd vhdx chm reg gadget application appref-ms scf ";
    const char *last = strrchr(name, '.');
    if (last == NULL || !is_of(last + 1, strlen(last + 1), programs))
        return FALSE;
    const char *end = last;
    while (end > name && (end[-1] == ' ' || end[-1] == '_'))
        end--;
    const char *before = g_strrstr_len(name, end - name, ".");
    return before != NULL && is_of(before + 1, (gsize)(end - before - 1), documents);
}

static gboolean is_blank(gunichar letter)
{
    return g_unichar_isspace(letter) || letter == 0x2800 || letter == 0x3164 || letter == 0x115f ||
           letter == 0x1160 || letter == 0xffa0;
}

guint postern_disguises_of(const char *name)
{
    guint found = 0, blanks = 0;
    g_autofree char *opened = postern_name_as_opened(name);
    for (const char *at = name; *at != '\0'; at = postern_next_character(at)) {
        gunichar letter = g_utf8_get_char(at);
        blanks = is_blank(letter) ? blanks + 1 : 0;
        if (blanks == BLANKS_MIN && strchr(at, '.') != NULL)
            found |= POSTERN_DISGUISE_BLANKS;
        if (letter == 0x202d || letter == 0x202e)
            found |= POSTERN_DISGUISE_BIDI_OVERRIDE | POSTERN_DISGUISE_BIDI;
        else if ((letter >= 0x202a && letter <= 0x202c) || (letter >= 0x2066 && letter <= 0x2069) ||
                 letter == 0x200e || letter == 0x200f || letter == 0x061c)
            found |= POSTERN_DISGUISE_BIDI;
    }
    return found | (has_double_extension(opened) ? POSTERN_DISGUISE_DOUBLE_EXTENSION : 0);
}

static gboolean is_seen(gunichar letter)
{
    GUnicodeType type = g_unichar_type(letter);
    return type != G_UNICODE_FORMAT && type != G_UNICODE_CONTROL;
}

char *postern_name_as_opened(const char *name)
{
    GString *opened = g_string_new(NULL);
    const char *slash = strrchr(name, '/');
    const char *backslash = strrchr(slash != NULL ? slash : name, '\\');
    for (const char *at = backslash != NULL ? backslash + 1
                          : slash != NULL   ? slash + 1
                                            : name;
         *at != '\0'; at = postern_next_character(at))
        if (is_seen(g_utf8_get_char(at)))
            g_string_append_len(opened, at, postern_next_character(at) - at);
    char *stream = strstr(opened->str, "::");
    if (stream != NULL)
        g_string_truncate(opened, (gsize)(stream - opened->str));
    while (opened->len > 0 && strchr(" .", opened->str[opened->len - 1]) != NULL)
        g_string_truncate(opened, opened->len - 1);
    return g_string_free(opened, FALSE);
}
