#include "checks/content/decode.h"

#include <string.h>

typedef struct {
    GBytes **readings;
    guint count;
    gboolean short_of_memory;
} Readings;

/* Takes octets. */
static void add(Readings *readings, char *octets, gsize length)
{
    g_autoptr(GBytes) reading = g_bytes_new_take(octets, length);
    for (guint i = 0; i < readings->count; i++)
        if (g_bytes_equal(readings->readings[i], reading))
            return;
    readings->readings[readings->count++] = g_steal_pointer(&reading);
}

static char *room(Readings *readings, gsize length)
{
    char *octets = g_try_malloc(MAX(length, 1));
    readings->short_of_memory = readings->short_of_memory || octets == NULL;
    return octets;
}

typedef enum {
    AT_PADDING_BEGIN_ANEW,
    AT_PADDING_GO_ON,
    AT_PADDING_STOP,
    AT_FOREIGN_STOP, /* at what is neither a letter, padding nor white space */
} Base64;

/* One more than the value of a letter (RFC 2045 6.8); 0: it is none. */
static const guint8 letters[G_MAXUINT8 + 1] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

static int value_of(char octet)
{
    return letters[(guchar)octet] - 1;
}

/* Whole groups of four letters, as far as they go: most of a text. Returns the octets put to out. */
static gsize decode_groups(const char *octets, gsize length, gsize *at, char *out)
{
    gsize used = 0;
    for (; length - *at >= 4; *at += 4) {
        const char *group = octets + *at;
        int first = value_of(group[0]), second = value_of(group[1]);
        int third = value_of(group[2]), fourth = value_of(group[3]);
        if ((first | second | third | fourth) < 0)
            break;
        guint32 bits = (guint32)(first << 18 | second << 12 | third << 6 | fourth);
        out[used++] = (char)(bits >> 16);
        out[used++] = (char)(bits >> 8);
        out[used++] = (char)bits;
    }
    return used;
}

static gboolean is_blank(char octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

static gboolean stops(Base64 way, char octet)
{
    return octet == '=' ? way == AT_PADDING_STOP : way == AT_FOREIGN_STOP && !is_blank(octet);
}

static void decode_base64(Readings *readings, const char *octets, gsize length, Base64 way)
{
    char *out = room(readings, length);
    gsize used = 0;
    guint32 bits = 0;
    guint count = 0; /* of bits that wait */
    for (gsize i = 0; i < length && out != NULL; i++) {
        if (count == 0)
            used += decode_groups(octets, length, &i, out + used);
        if (i == length)
            break;
        int value = value_of(octets[i]);
        if (value < 0 && stops(way, octets[i]))
            break;
        if (octets[i] == '=' && way != AT_PADDING_GO_ON)
            count = 0;
        if (value < 0)
            continue;
        bits = bits << 6 | (guint32)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[used++] = (char)(bits >> count);
        }
    }
    if (out != NULL)
        add(readings, out, used);
}

static void read_base64(Readings *readings, const char *octets, gsize length)
{
    gboolean padded = FALSE, behind_padding = FALSE, foreign = FALSE;
    for (gsize i = 0; i < length; i++)
        if (letters[(guchar)octets[i]] != 0)
            behind_padding = behind_padding || padded;
        else if (octets[i] == '=')
            padded = TRUE;
        else
            foreign = foreign || !is_blank(octets[i]);
    decode_base64(readings, octets, length, AT_PADDING_BEGIN_ANEW);
    if (behind_padding) {
        decode_base64(readings, octets, length, AT_PADDING_GO_ON);
        decode_base64(readings, octets, length, AT_PADDING_STOP);
    }
    if (foreign)
        decode_base64(readings, octets, length, AT_FOREIGN_STOP);
}

/* One line without its end; *ret_soft: its end is a soft line break. Returns octets put to out. */
static gsize decode_line(const char *line, gsize length, gboolean delete_blanks, char *out,
                         gboolean *ret_soft)
{
    gsize used = 0;
    if (delete_blanks)
        while (length > 0 && ((guchar)line[length - 1] <= ' ' || line[length - 1] == 0x7f))
            length--;
    *ret_soft = length > 0 && line[length - 1] == '=';
    length -= *ret_soft ? 1 : 0;
    for (gsize i = 0; i < length; i++) {
        if (line[i] == '=' && length - i > 2 && g_ascii_isxdigit(line[i + 1]) &&
            g_ascii_isxdigit(line[i + 2])) {
            out[used++] = (char)(g_ascii_xdigit_value(line[i + 1]) << 4 | g_ascii_xdigit_value(line[i + 2]));
            i += 2;
        } else {
            out[used++] = line[i];
        }
    }
    return used;
}

static void decode_quoted_printable(Readings *readings, const char *octets, gsize length,
                                    gboolean delete_blanks, gboolean bare_line_ends)
{
    char *out = room(readings, length);
    gsize used = 0;
    for (gsize at = 0; at < length && out != NULL;) {
        const char *newline = memchr(octets + at, '\n', length - at);
        gsize line = newline != NULL ? (gsize)(newline - octets) - at : length - at;
        gsize end = newline != NULL ? 1 : 0;
        gboolean soft = FALSE;
        if (end == 1 && line > 0 && octets[at + line - 1] == '\r') {
            line--;
            end = 2;
        }
        used += decode_line(octets + at, line, delete_blanks, out + used, &soft);
        if (!soft && end == 2 && !bare_line_ends)
            out[used++] = '\r';
        if (!soft && end > 0)
            out[used++] = '\n';
        at += line + end;
    }
    if (out != NULL)
        add(readings, out, used);
}

static void decode_identity(Readings *readings, const char *octets, gsize length, gboolean bare_line_ends)
{
    char *out = room(readings, length);
    gsize used = 0;
    for (gsize i = 0; i < length && out != NULL; i++)
        if (!bare_line_ends || octets[i] != '\r' || i + 1 == length || octets[i + 1] != '\n')
            out[used++] = octets[i];
    if (out != NULL)
        add(readings, out, used);
}

gboolean postern_content_decode(PosternContentEncoding encoding, const char *octets, gsize length,
                                GBytes *readings[POSTERN_CONTENT_READINGS_MAX], guint *ret_count)
{
    Readings found = {.readings = readings};
    if (encoding == POSTERN_CONTENT_BASE64) {
        read_base64(&found, octets, length);
    } else if (encoding == POSTERN_CONTENT_QUOTED_PRINTABLE) {
        decode_quoted_printable(&found, octets, length, TRUE, FALSE);
        decode_quoted_printable(&found, octets, length, FALSE, FALSE);
        decode_quoted_printable(&found, octets, length, TRUE, TRUE);
        decode_quoted_printable(&found, octets, length, FALSE, TRUE);
    } else {
        decode_identity(&found, octets, length, FALSE);
        decode_identity(&found, octets, length, TRUE);
    }
    *ret_count = found.count;
    return !found.short_of_memory;
}
