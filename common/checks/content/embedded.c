#include "checks/content/embedded.h"

#include <string.h>

#include "base/limits.h"
#include "checks/content/decode.h"

#define BINHEX_LINE_OCTETS 64
#define CHECKSUM_OCTETS 2
#define MODE_DIGITS 3 /* at least, without a name behind them */

/* Octets by line. */
typedef struct {
    const char *octets;
    gsize length, at;
    const char *line;
    gsize line_length;
} Lines;

static gboolean next_line(Lines *lines)
{
    if (lines->at >= lines->length)
        return FALSE;
    lines->line = lines->octets + lines->at;
    gsize rest = lines->length - lines->at;
    const char *newline = memchr(lines->line, '\n', rest);
    lines->line_length = newline != NULL ? (gsize)(newline - lines->line) : rest;
    lines->at += lines->line_length + (newline != NULL ? 1 : 0);
    while (lines->line_length > 0 && lines->line[lines->line_length - 1] == '\r')
        lines->line_length--;
    return TRUE;
}

static gboolean begins(const Lines *lines, const char *prefix)
{
    gsize length = strlen(prefix);
    return lines->line_length >= length && g_ascii_strncasecmp(lines->line, prefix, length) == 0;
}

/* What the letters of uuencode, and of xxencode, stand for; NONE: it is no such letter. */
#define NONE 64

static guint uu_bits(char octet)
{
    return octet >= ' ' && octet <= '`' ? ((guint)octet - ' ') & 0x3f : NONE;
}

static guint xx_bits(char octet)
{
    static const char letters[] = "+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const char *letter = octet != '\0' ? strchr(letters, octet) : NULL;
    return letter != NULL ? (guint)(letter - letters) : NONE;
}

typedef guint (*LineBits)(char octet);

/* It has exactly the letters for as many octets as its first tells. */
static gboolean is_whole_line(const Lines *lines, LineBits bits)
{
    guint count = lines->line_length > 0 ? bits(lines->line[0]) : NONE;
    if (count == NONE || lines->line_length != 1 + (gsize)(count + 2) / 3 * 4)
        return FALSE;
    for (gsize i = 1; i < lines->line_length; i++)
        if (bits(lines->line[i]) == NONE)
            return FALSE;
    return TRUE;
}

/* One line of either; what is short of it is blanks that were cut off. FALSE: it is none. */
static gboolean decode_uu_line(const Lines *lines, LineBits letter_bits, GByteArray *out)
{
    guint count = lines->line_length > 0 ? letter_bits(lines->line[0]) : NONE;
    if (count == 0 || count == NONE)
        return FALSE;
    for (gsize i = 1; count > 0; i += 4) {
        guint32 bits = 0;
        for (gsize k = 0; k < 4; k++)
            bits = bits << 6 | (i + k < lines->line_length ? letter_bits(lines->line[i + k]) & 0x3f : 0);
        guint8 octets[] = {(guint8)(bits >> 16), (guint8)(bits >> 8), (guint8)bits};
        guint take = MIN(count, 3);
        g_byte_array_append(out, octets, take);
        count -= take;
    }
    return TRUE;
}

/* The line that begins a file: what stands behind the mode. */
static char *uu_name(const Lines *lines, gsize prefix)
{
    g_autofree char *text = g_strndup(lines->line + prefix, MIN(lines->line_length - prefix, 1024));
    g_strstrip(text);
    gsize mode = strspn(text, "01234567");
    if (mode == 0 || (text[mode] != ' ' && text[mode] != '\t' && (text[mode] != '\0' || mode < MODE_DIGITS)))
        return NULL;
    return g_strdup(g_strchug(text + mode));
}

/* xxencode begins as uuencode does. */
static GByteArray *decode_uu(Lines *lines, const char **ret_decoding)
{
    GByteArray *out = g_byte_array_new();
    gsize before = lines->at;
    LineBits bits = NULL;
    *ret_decoding = "uuencode";
    while (next_line(lines)) {
        if (bits == NULL && lines->line_length > 0) {
            gboolean xx = is_whole_line(lines, xx_bits) && !is_whole_line(lines, uu_bits);
            bits = xx ? xx_bits : uu_bits;
            *ret_decoding = xx ? "xxencode" : "uuencode";
        }
        if (begins(lines, "begin ") || begins(lines, "end") || bits == NULL ||
            !decode_uu_line(lines, bits, out)) {
            /* A line that is none may be rubbish between others, or their end; it may begin another file. */
            if (lines->line_length == 0 || begins(lines, "`") || begins(lines, "+"))
                continue;
            lines->at = begins(lines, "end") ? lines->at : before;
            break;
        }
        before = lines->at;
    }
    return out;
}

static GByteArray *decode_yenc(Lines *lines)
{
    GByteArray *out = g_byte_array_new();
    while (next_line(lines)) {
        if (begins(lines, "=ypart "))
            continue;
        if (begins(lines, "=yend"))
            break;
        for (gsize i = 0; i < lines->line_length; i++) {
            guint8 octet = (guint8)lines->line[i];
            if (octet == '=' && i + 1 < lines->line_length)
                octet = (guint8)(lines->line[++i] - 64);
            octet = (guint8)(octet - 42);
            g_byte_array_append(out, &octet, 1);
        }
    }
    return out;
}

static char *yenc_name(const Lines *lines)
{
    g_autofree char *text = g_strndup(lines->line, MIN(lines->line_length, 1024));
    const char *name = strstr(text, " name=");
    return name != NULL ? g_strdup(name + strlen(" name=")) : NULL;
}

static const char binhex_letters[] = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";

/* RFC 1741: letters of six bits between colons, then runs of an octet as OCTET 90 COUNT. */
static GByteArray *unpack_binhex(Lines *lines, const char **ret_problem)
{
    GByteArray *out = g_byte_array_new();
    gboolean inside = FALSE, repeat = FALSE;
    guint32 bits = 0;
    guint count = 0;
    guint8 last = 0;
    for (; lines->at < lines->length; lines->at++) {
        char octet = lines->octets[lines->at];
        if (octet == ':' && inside)
            break;
        if (out->len > POSTERN_BINHEX_MAX_OCTETS) {
            *ret_problem = "a file of BinHex unpacks to more than is looked into";
            break;
        }
        inside = inside || octet == ':';
        const char *letter = inside && octet != '\0' ? strchr(binhex_letters, octet) : NULL;
        if (letter == NULL)
            continue;
        bits = bits << 6 | (guint32)(letter - binhex_letters);
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        guint8 value = (guint8)(bits >> count);
        if (!repeat && value == 0x90) {
            repeat = TRUE;
            continue;
        }
        last = repeat && value != 0 ? last : repeat ? 0x90 : value;
        guint times = repeat && value != 0 ? value - 1U : 1;
        repeat = FALSE;
        for (guint i = 0; i < times; i++)
            g_byte_array_append(out, &last, 1);
    }
    return out;
}

static guint32 number(const guint8 *octets)
{
    return (guint32)octets[0] << 24 | (guint32)octets[1] << 16 | (guint32)octets[2] << 8 | octets[3];
}

/* Name, type and lengths, then the data fork; or the resource fork, if that is empty. */
static GByteArray *decode_binhex(Lines *lines, char **ret_name, const char **ret_problem)
{
    g_autoptr(GByteArray) all = unpack_binhex(lines, ret_problem);
    guint name = all->len > 0 ? all->data[0] : 0;
    guint start = 1 + name + 1 + 4 + 4 + 2 + 4 + 4 + 2;
    GByteArray *out = g_byte_array_new();
    if (all->len <= start)
        return out;
    *ret_name = g_strndup((const char *)all->data + 1, name);
    guint32 data = number(all->data + start - 10), resource = number(all->data + start - 6);
    if (data == 0 && all->len - start > CHECKSUM_OCTETS) {
        start += CHECKSUM_OCTETS;
        data = resource;
    }
    g_byte_array_append(out, all->data + start, MIN(data, all->len - start));
    return out;
}

/* A line of it, without the one that says so before: a colon and nothing but letters, as many as a line has.
 */
static gboolean is_binhex(const Lines *lines)
{
    if (lines->line_length < BINHEX_LINE_OCTETS || lines->line[0] != ':')
        return FALSE;
    for (gsize i = 1; i < lines->line_length; i++)
        if (lines->line[i] == '\0' || strchr(binhex_letters, lines->line[i]) == NULL)
            return lines->line[i] == ':' && i + 1 == lines->line_length;
    return TRUE;
}

static GByteArray *decode_base64_lines(Lines *lines, const char **ret_problem)
{
    gsize start = lines->at, end = start;
    while (next_line(lines) && !begins(lines, "====") && !begins(lines, "begin"))
        end = lines->at;
    if (!begins(lines, "===="))
        lines->at = end;
    GBytes *readings[POSTERN_CONTENT_READINGS_MAX];
    guint count = 0;
    GByteArray *out = g_byte_array_new();
    if (!postern_content_decode(POSTERN_CONTENT_BASE64, lines->octets + start, end - start, FALSE, readings,
                                &count))
        *ret_problem = "no memory for a file in text";
    if (count > 0)
        g_byte_array_append(out, g_bytes_get_data(readings[0], NULL), (guint)g_bytes_get_size(readings[0]));
    for (guint i = 0; i < count; i++)
        g_bytes_unref(readings[i]);
    return out;
}

/* The file that the line at hand begins, or NULL. */
static GByteArray *decode(Lines *lines, PosternEmbeddedFile *file, const char **ret_problem)
{
    static const char base64[] = "begin-base64 ", uu[] = "begin";
    if (begins(lines, uu) && lines->line_length > strlen(uu) &&
        strchr(" \t", lines->line[strlen(uu)]) != NULL && (file->name = uu_name(lines, strlen(uu))) != NULL) {
        if (*file->name == '\0')
            g_clear_pointer(&file->name, g_free);
        return decode_uu(lines, &file->decoding);
    }
    if (begins(lines, base64) && (file->name = uu_name(lines, strlen(base64))) != NULL) {
        file->decoding = "begin-base64";
        return decode_base64_lines(lines, ret_problem);
    }
    if (begins(lines, "=ybegin ")) {
        file->name = yenc_name(lines);
        file->decoding = "yEnc";
        return decode_yenc(lines);
    }
    if (begins(lines, "(This file must be converted") || is_binhex(lines)) {
        file->decoding = "BinHex";
        if (lines->line[0] == ':')
            lines->at = (gsize)(lines->line - lines->octets);
        return decode_binhex(lines, &file->name, ret_problem);
    }
    return NULL;
}

gboolean postern_embedded_next(const char *octets, gsize length, gsize *at, PosternEmbeddedFile *ret_file,
                               const char **ret_problem)
{
    Lines lines = {.octets = octets, .length = length, .at = *at};
    *ret_file = (PosternEmbeddedFile){NULL};
    *ret_problem = NULL;
    while (next_line(&lines)) {
        if (lines.line_length == 0 || strchr("bB=(:", lines.line[0]) == NULL)
            continue;
        GByteArray *file = decode(&lines, ret_file, ret_problem);
        if (file == NULL)
            continue;
        *at = lines.at;
        ret_file->octets = g_byte_array_free_to_bytes(file);
        if (g_bytes_get_size(ret_file->octets) > 0)
            return TRUE;
        postern_embedded_clear(ret_file);
    }
    *at = length;
    return FALSE;
}

void postern_embedded_clear(PosternEmbeddedFile *file)
{
    g_clear_pointer(&file->name, g_free);
    g_clear_pointer(&file->octets, g_bytes_unref);
}
