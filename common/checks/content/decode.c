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

/* What is made of padding. */
typedef enum {
    BEGIN_ANEW,   /* the next letter is the first of a group */
    GO_ON,        /* it is passed over */
    STOP,         /* it is the end */
    STOP_FULL,    /* it is the end if it fills up a group of two letters or more, else it is passed over */
    GROUPED,      /* it is a letter, and a group that has it is short; such a group is the end */
    GROUPS_GO_ON, /* likewise, and another group follows */
    ZERO,         /* it is a letter of the value 0; at the end the group is short */
} Padding;

typedef struct {
    Padding padding;
    gboolean foreign_stops; /* what is neither a letter, padding nor white space is the end */
    gboolean by_line;       /* each line begins anew */
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

typedef struct {
    Base64 way;
    char *out;
    gsize used;
    guint32 bits;
    guint count; /* letters of the group at hand */
    guint pads;  /* of them, or behind them */
} Decoder;

/* A group is full, or nothing more of it comes: 4 letters are 3 octets, 3 are 2, 2 are 1. */
static void end_group(Decoder *decoder, guint letters_in_it)
{
    guint32 bits = decoder->bits << (6 * (4 - MIN(decoder->count, 4)));
    for (guint i = 0; i + 1 < letters_in_it; i++)
        decoder->out[decoder->used++] = (char)(bits >> (16 - 8 * i));
    decoder->bits = 0;
    decoder->count = 0;
    decoder->pads = 0;
}

static void take_letter(Decoder *decoder, int value)
{
    decoder->bits = decoder->bits << 6 | (guint32)value;
    decoder->count++;
    if (decoder->count == 4)
        end_group(decoder, 4 - decoder->pads);
}

/* FALSE: it ends here. */
static gboolean take_padding(Decoder *decoder)
{
    guint count = decoder->count, pads = ++decoder->pads;
    switch (decoder->way.padding) {
    case BEGIN_ANEW:
        end_group(decoder, count);
        return TRUE;
    case STOP:
        return FALSE;
    case STOP_FULL:
        decoder->pads = count < 2 ? 0 : pads;
        return count < 2 || count + pads < 4;
    case GROUPED:
    case GROUPS_GO_ON:
        if (decoder->way.padding == GROUPED && count < 2) {
            decoder->count = 0;
            return FALSE;
        }
        take_letter(decoder, 0);
        return decoder->way.padding == GROUPS_GO_ON || count < 3;
    case ZERO:
        decoder->pads = 0;
        take_letter(decoder, 0);
        return TRUE;
    default:
        decoder->pads = 0;
        return TRUE;
    }
}

/* FALSE: it ends here. */
static gboolean take_octet(Decoder *decoder, char octet)
{
    int value = value_of(octet);
    gboolean grouped = decoder->way.padding == GROUPED || decoder->way.padding == GROUPS_GO_ON;
    if (octet == '=')
        return take_padding(decoder);
    if (value >= 0) {
        decoder->pads = grouped ? decoder->pads : 0;
        take_letter(decoder, value);
    } else if (octet == '\n' && decoder->way.by_line) {
        end_group(decoder, decoder->count);
    } else if (decoder->way.foreign_stops && !is_blank(octet)) {
        return FALSE;
    }
    return TRUE;
}

static void decode_base64(Readings *readings, const char *octets, gsize length, Base64 way)
{
    Decoder decoder = {.way = way, .out = room(readings, length + 3)};
    if (decoder.out == NULL)
        return;
    for (gsize i = 0; i < length; i++) {
        if (decoder.count == 0)
            decoder.used += decode_groups(octets, length, &i, decoder.out + decoder.used);
        if (i == length || !take_octet(&decoder, octets[i]))
            break;
    }
    gboolean short_group = decoder.count > 0;
    end_group(&decoder, decoder.count - MIN(decoder.count, way.padding == GROUPED ? decoder.pads : 0));
    for (gsize i = length; way.padding == ZERO && !short_group && i > 0 && decoder.used > 0 &&
                           (octets[i - 1] == '=' || is_blank(octets[i - 1]));
         i--)
        decoder.used -= octets[i - 1] == '=' ? 1 : 0;
    add(readings, decoder.out, decoder.used);
}

/* Of letters by fours and blanks between them, and padding at the end at most, there is one reading. FALSE:
 * it is not so. */
static gboolean read_plain_base64(Readings *readings, const char *octets, gsize length)
{
    Decoder decoder = {.out = room(readings, length + 3)};
    gsize at = 0, pads = 0;
    if (decoder.out == NULL)
        return TRUE;
    do
        decoder.used += decode_groups(octets, length, &at, decoder.out + decoder.used);
    while (at < length && is_blank(octets[at]) && ++at < length);
    for (; at < length && value_of(octets[at]) >= 0; at++)
        take_letter(&decoder, value_of(octets[at]));
    while (at < length && (is_blank(octets[at]) || octets[at] == '='))
        pads += octets[at++] == '=' ? 1 : 0;
    if (at < length || (decoder.count + pads) % 4 != 0 || pads > 2) {
        g_free(decoder.out);
        return FALSE;
    }
    end_group(&decoder, decoder.count);
    add(readings, decoder.out, decoder.used);
    return TRUE;
}

static void read_base64(Readings *readings, const char *octets, gsize length)
{
    static const Base64 at_padding[] = {{GO_ON}, {STOP}, {STOP_FULL}, {GROUPED}, {GROUPS_GO_ON}, {ZERO}};
    gboolean padded = FALSE, behind_padding = FALSE, foreign = FALSE, odd_lines = FALSE;
    gsize letters_in_line = 0;
    if (read_plain_base64(readings, octets, length))
        return;
    for (gsize i = 0; i < length; i++) {
        if (letters[(guchar)octets[i]] != 0) {
            behind_padding = behind_padding || padded;
            odd_lines = odd_lines ||
                        (letters_in_line > 0 && letters_in_line % 4 != 0 && i > 0 && octets[i - 1] == '\n');
            letters_in_line = i > 0 && octets[i - 1] == '\n' ? 1 : letters_in_line + 1;
        } else if (octets[i] == '=') {
            padded = TRUE;
        } else {
            foreign = foreign || !is_blank(octets[i]);
        }
    }
    decode_base64(readings, octets, length, (Base64){BEGIN_ANEW});
    for (gsize i = 0; i < G_N_ELEMENTS(at_padding) && behind_padding; i++)
        decode_base64(readings, octets, length, at_padding[i]);
    if (foreign)
        decode_base64(readings, octets, length, (Base64){.padding = BEGIN_ANEW, .foreign_stops = TRUE});
    if (odd_lines)
        decode_base64(readings, octets, length, (Base64){.padding = BEGIN_ANEW, .by_line = TRUE});
}

typedef struct {
    gboolean delete_blanks, bare_line_ends, doubled_is_one;
} QuotedPrintable;

/* One line without its end; *ret_soft: its end is a soft line break. Returns octets put to out. */
static gsize decode_line(const char *line, gsize length, QuotedPrintable way, char *out, gboolean *ret_soft)
{
    gsize used = 0;
    if (way.delete_blanks)
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
            i += way.doubled_is_one && line[i] == '=' && length - i > 1 && line[i + 1] == '=' ? 1 : 0;
        }
    }
    return used;
}

static void decode_quoted_printable(Readings *readings, const char *octets, gsize length, QuotedPrintable way)
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
        used += decode_line(octets + at, line, way, out + used, &soft);
        if (!soft && end == 2 && !way.bare_line_ends)
            out[used++] = '\r';
        if (!soft && end > 0)
            out[used++] = '\n';
        at += line + end;
    }
    if (out != NULL)
        add(readings, out, used);
}

static void read_quoted_printable(Readings *readings, const char *octets, gsize length, gboolean line_ends)
{
    for (guint i = 0; i < (line_ends ? 4U : 2U); i++)
        decode_quoted_printable(readings, octets, length,
                                (QuotedPrintable){.delete_blanks = i % 2 == 0, .bare_line_ends = i / 2 == 1});
    if (memmem(octets, length, "==", 2) != NULL)
        decode_quoted_printable(readings, octets, length, (QuotedPrintable){.doubled_is_one = TRUE});
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
                                gboolean line_ends, GBytes *readings[POSTERN_CONTENT_READINGS_MAX],
                                guint *ret_count)
{
    Readings found = {.readings = readings};
    if (encoding == POSTERN_CONTENT_BASE64)
        read_base64(&found, octets, length);
    else if (encoding == POSTERN_CONTENT_QUOTED_PRINTABLE)
        read_quoted_printable(&found, octets, length, line_ends);
    else
        decode_identity(&found, octets, length, FALSE);
    if (encoding == POSTERN_CONTENT_IDENTITY && line_ends && memchr(octets, '\r', length) != NULL)
        decode_identity(&found, octets, length, TRUE);
    *ret_count = found.count;
    return !found.short_of_memory;
}
