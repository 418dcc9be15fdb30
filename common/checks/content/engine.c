#include "checks/content/engine.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <string.h>

#include "base/limits.h"

#define CONVERTED_OCTETS 4096 /* in one go */
#define LOOKED_AT_CHARACTERS 64

/* Those of mail, by the names that GMime asks iconv for. US-ASCII and UTF-8 need no module. */
static const char *const charsets[] = {
    "us-ascii",       "utf-8",        "utf-7",        "utf-16",       "utf-16le",
    "utf-16be",       "utf-32",       "utf-32le",     "utf-32be",     "iso-8859-1",
    "iso-8859-2",     "iso-8859-3",   "iso-8859-4",   "iso-8859-5",   "iso-8859-6",
    "iso-8859-7",     "iso-8859-8",   "iso-8859-9",   "iso-8859-10",  "iso-8859-11",
    "iso-8859-13",    "iso-8859-14",  "iso-8859-15",  "iso-8859-16",  "windows-1250",
    "windows-1251",   "windows-1252", "windows-1253", "windows-1254", "windows-1255",
    "windows-1256",   "windows-1257", "windows-1258", "windows-874",  "koi8-r",
    "koi8-u",         "ibm437",       "ibm850",       "ibm852",       "ibm855",
    "ibm866",         "macintosh",    "gb2312",       "gbk",          "gb18030",
    "big5",           "big5-hkscs",   "euc-cn",       "euc-tw",       "euc-jp",
    "shift_jis",      "iso-2022-jp",  "iso-2022-kr",  "iso-2022-cn",  "euc-kr",
    "ks_c_5601-1987", "tis-620",      "viscii",
};

struct PosternContentEngine {
    GMimeParserOptions *options;
    GHashTable *known;     /* of lower-case names, static */
    GPtrArray *converters; /* held open so that their modules stay loaded */
};

static void close_converter(gpointer converter)
{
    g_mime_iconv_close(converter);
}

PosternContentEngine *postern_content_engine_new(void)
{
    PosternContentEngine *engine = g_new0(PosternContentEngine, 1);
    g_mime_init();
    engine->options = g_mime_parser_options_new();
    engine->known = g_hash_table_new(g_str_hash, g_str_equal);
    engine->converters = g_ptr_array_new_with_free_func(close_converter);
    g_mime_parser_options_set_rfc2047_compliance_mode(engine->options, GMIME_RFC_COMPLIANCE_LOOSE);
    g_mime_parser_options_set_parameter_compliance_mode(engine->options, GMIME_RFC_COMPLIANCE_LOOSE);
    for (gsize i = 0; i < G_N_ELEMENTS(charsets); i++) {
        iconv_t converter = g_mime_iconv_open("UTF-8", charsets[i]);
        if (converter == (iconv_t)-1)
            continue;
        g_ptr_array_add(engine->converters, converter);
        g_hash_table_add(engine->known, (gpointer)(guintptr)charsets[i]);
    }
    PosternContentHeader header = {NULL};
    postern_content_engine_read(engine, "text/plain; name*=iso-8859-1''%E9",
                                "attachment; filename=\"=?utf-8?Q?x?= \xe9\"", "text/plain", &header);
    postern_content_header_clear(&header);
    return engine;
}

void postern_content_engine_free(PosternContentEngine *engine)
{
    if (engine == NULL)
        return;
    g_ptr_array_unref(engine->converters);
    g_hash_table_unref(engine->known);
    g_mime_parser_options_free(engine->options);
    g_free(engine);
}

/* Puts a name that is loaded in the place of one that is not: "=?NAME?" and "*=NAME'", also "*0*=NAME'". */
static void copy_charset(PosternContentEngine *engine, GString *out, const char *name, gsize length)
{
    g_autofree char *lower = g_ascii_strdown(name, (gssize)length);
    char *language = strchr(lower, '*');
    if (language != NULL)
        *language = '\0';
    g_string_append(out, g_hash_table_contains(engine->known, lower) ? lower : "iso-8859-1");
}

/* What can end the name in an encoded word (RFC 2047 2), and in a parameter (RFC 2231 4). */
static const char *const charset_ends[] = {"? \t", "'; \t"};

static char *keep_to_known_charsets(PosternContentEngine *engine, const char *value)
{
    const char *ends[] = {value, value}; /* the next such end, looked for once however many names begin */
    GString *out = g_string_new(NULL);
    while (*value != '\0') {
        gboolean word = g_str_has_prefix(value, "=?");
        gboolean parameter = g_str_has_prefix(value, "*=");
        g_string_append_c(out, *value++);
        if (!word && !parameter)
            continue;
        g_string_append_c(out, *value++);
        if (parameter) {
            gsize quoted = strspn(value, " \t\"");
            g_string_append_len(out, value, (gssize)quoted);
            value += quoted;
        }
        const char **end = &ends[word ? 0 : 1];
        if (*end <= value)
            *end = value + strcspn(value, charset_ends[word ? 0 : 1]);
        if (**end == (word ? '?' : '\'') && *end > value) {
            copy_charset(engine, out, value, (gsize)(*end - value));
            value = *end;
        }
    }
    return g_string_free(out, FALSE);
}

/* UTF-8 whatever came, at most so many octets, cut between characters. */
static char *take_text(const char *text)
{
    if (text == NULL || *text == '\0')
        return NULL;
    g_autofree char *cut = g_strndup(text, POSTERN_ATTACHMENT_NAME_MAX_OCTETS);
    if (g_utf8_validate(text, -1, NULL)) {
        const char *end;
        g_utf8_validate(cut, -1, &end);
        cut[end - cut] = '\0';
        return g_steal_pointer(&cut);
    }
    g_autofree char *valid = g_utf8_make_valid(cut, -1);
    char *kept = g_strndup(valid, POSTERN_ATTACHMENT_NAME_MAX_OCTETS);
    const char *end;
    g_utf8_validate(kept, -1, &end);
    kept[end - kept] = '\0';
    return kept;
}

/* Likewise; of a longer one the end is kept, by which a file is opened. */
static char *take_name(const char *text)
{
    if (text == NULL || *text == '\0')
        return NULL;
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    gsize length = strlen(valid);
    const char *start = valid + length - MIN(length, POSTERN_ATTACHMENT_NAME_MAX_OCTETS);
    while (((guchar)*start & 0xc0) == 0x80)
        start++;
    return g_strdup(start);
}

static void read_disposition(PosternContentEngine *engine, const char *value, PosternContentHeader *header)
{
    g_autofree char *known = keep_to_known_charsets(engine, value);
    GMimeContentDisposition *disposition = g_mime_content_disposition_parse(engine->options, known);
    if (disposition == NULL)
        return;
    header->attachment = g_mime_content_disposition_is_attachment(disposition);
    header->name = take_name(g_mime_content_disposition_get_parameter(disposition, "filename"));
    g_object_unref(disposition);
}

static void read_type(PosternContentEngine *engine, const char *value, PosternContentHeader *header)
{
    g_autofree char *known = keep_to_known_charsets(engine, value);
    GMimeContentType *type = g_mime_content_type_parse(engine->options, known);
    if (type == NULL)
        return;
    g_autofree char *name = g_mime_content_type_get_mime_type(type);
    g_autofree char *lower = g_ascii_strdown(name, -1);
    header->type = take_text(lower);
    if (g_mime_content_type_is_type(type, "multipart", "*"))
        header->boundary = g_strdup(g_mime_content_type_get_parameter(type, "boundary"));
    g_autofree char *charset = take_text(g_mime_content_type_get_parameter(type, "charset"));
    header->charset = charset != NULL ? g_ascii_strdown(charset, -1) : NULL;
    if (header->name == NULL)
        header->name = take_name(g_mime_content_type_get_parameter(type, "name"));
    g_object_unref(type);
}

void postern_content_engine_read(PosternContentEngine *engine, const char *type, const char *disposition,
                                 const char *default_type, PosternContentHeader *header)
{
    *header = (PosternContentHeader){NULL};
    if (disposition != NULL)
        read_disposition(engine, disposition, header);
    if (type != NULL)
        read_type(engine, type, header);
    if (header->type == NULL)
        header->type = g_strdup(default_type);
}

char *postern_content_engine_text(PosternContentEngine *engine, const char *text)
{
    if (strstr(text, "=?") == NULL)
        return take_name(text);
    g_autofree char *known = keep_to_known_charsets(engine, text);
    g_autofree char *decoded = g_mime_utils_header_decode_text(engine->options, known);
    return take_name(decoded);
}

void postern_content_header_clear(PosternContentHeader *header)
{
    g_clear_pointer(&header->type, g_free);
    g_clear_pointer(&header->boundary, g_free);
    g_clear_pointer(&header->charset, g_free);
    g_clear_pointer(&header->name, g_free);
}

static char *convert(iconv_t converter, const char *octets, gsize length, gsize *ret_length)
{
    GString *text = g_string_sized_new(length + 1);
    char piece[CONVERTED_OCTETS];
    char *in = (char *)(guintptr)octets;
    while (length > 0) {
        char *out = piece;
        gsize room = sizeof piece;
        gsize result = iconv(converter, &in, &length, &out, &room);
        g_string_append_len(text, piece, (gssize)(sizeof piece - room));
        if (result != (gsize)-1 || errno == E2BIG)
            continue;
        g_string_append(text, "\357\277\275");
        if (errno == EINVAL) /* a character that the end cuts */
            break;
        in++;
        length--;
    }
    *ret_length = text->len;
    return g_string_free(text, FALSE);
}

/* All its first characters are letters of ASCII, each with so many NULs before or behind it. */
static gboolean is_padded_ascii(const char *octets, gsize length, gsize width, gsize place)
{
    gsize looked_at = MIN(length / width, LOOKED_AT_CHARACTERS);
    for (gsize i = 0; i < looked_at; i++)
        for (gsize k = 0; k < width; k++) {
            guchar octet = (guchar)octets[i * width + k];
            if (k == place ? octet >= 0x80 || octet == 0 : octet != 0)
                return FALSE;
        }
    return looked_at > 1;
}

const char *postern_content_engine_wide(const char *charset, const char *octets, gsize length)
{
    static const struct {
        const char *name;
        const char *mark;
        gsize mark_octets, width, place;
    } wide[] = {
        {"utf-32", "\377\376\0\0", 4, 0, 0},
        {"utf-32", "\0\0\376\377", 4, 0, 0},
        {"utf-16", "\377\376", 2, 0, 0},
        {"utf-16", "\376\377", 2, 0, 0},
        {"utf-32le", NULL, 0, 4, 0},
        {"utf-32be", NULL, 0, 4, 3},
        {"utf-16le", NULL, 0, 2, 0},
        {"utf-16be", NULL, 0, 2, 1},
        {"utf-7", NULL, 0, 0, 0},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(wide); i++)
        if ((wide[i].mark != NULL && length > 4 && memcmp(octets, wide[i].mark, wide[i].mark_octets) == 0) ||
            (wide[i].width > 0 && is_padded_ascii(octets, length, wide[i].width, wide[i].place)))
            return wide[i].name;
    for (gsize i = 0; charset != NULL && length > 0 && i < G_N_ELEMENTS(wide); i++)
        if (g_str_equal(charset, wide[i].name))
            return wide[i].name;
    return NULL;
}

char *postern_content_engine_to_utf8(PosternContentEngine *engine, const char *charset, const char *octets,
                                     gsize length, gsize *ret_length)
{
    const char *wide = postern_content_engine_wide(charset, octets, length);
    charset = wide != NULL ? wide : charset;
    gboolean named = charset != NULL && g_hash_table_contains(engine->known, charset) &&
                     !g_str_equal(charset, "utf-8") && !g_str_equal(charset, "us-ascii");
    if (!named && g_utf8_validate_len(octets, length, NULL)) {
        *ret_length = length;
        return g_strndup(octets, length);
    }
    iconv_t converter = g_mime_iconv_open("UTF-8", named ? charset : "windows-1252");
    if (converter == (iconv_t)-1) {
        char *valid = g_utf8_make_valid(octets, (gssize)length);
        *ret_length = strlen(valid);
        return valid;
    }
    char *text = convert(converter, octets, length, ret_length);
    g_mime_iconv_close(converter);
    return text;
}

char *postern_content_engine_decode_words(PosternContentEngine *engine, const char *value)
{
    g_autofree char *known = keep_to_known_charsets(engine, value);
    return g_mime_utils_header_decode_text(engine->options, known);
}
