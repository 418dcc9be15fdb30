#include <string.h>

#include "checks/container/enclosed.h"

#define WORD_MAX_OCTETS 32 /* of a control word */

/* Octets that an object is put together of, in digits and as they stand. */
typedef struct {
    GByteArray *octets;
    guint8 digit;
    gboolean half;
} Digits;

typedef struct {
    PosternOpening *opening;
    gsize depth;        /* of groups */
    gsize object_depth; /* that of the object at hand; 0: none */
    Digits all;         /* of the object, also of groups in it */
    Digits own;         /* without those, which some programs pass over */
} Reader;

static void put_octets(Digits *digits, const guint8 *octets, gsize length)
{
    digits->half = FALSE;
    g_byte_array_append(digits->octets, octets, (guint)length);
}

static void put_digit(Digits *digits, guint8 digit)
{
    guint8 octet = (guint8)(digits->digit << 4 | digit);
    if (digits->half)
        g_byte_array_append(digits->octets, &octet, 1);
    digits->digit = digit;
    digits->half = !digits->half;
}

static void hand_on(PosternOpening *opening, Digits *digits)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GBytes) octets = g_bytes_new(digits->octets->data, digits->octets->len);
    if (digits->octets->len > 0 && postern_opening_allow(opening, digits->octets->len))
        postern_opening_member(opening, names, octets);
}

static void end_object(Reader *reader)
{
    const GByteArray *all = reader->all.octets, *own = reader->own.octets;
    if (reader->object_depth > 0) {
        hand_on(reader->opening, &reader->all);
        if (all->len != own->len || (own->len > 0 && memcmp(all->data, own->data, own->len) != 0))
            hand_on(reader->opening, &reader->own);
    }
    reader->object_depth = 0;
    g_byte_array_set_size(reader->all.octets, 0);
    g_byte_array_set_size(reader->own.octets, 0);
    reader->all.half = reader->own.half = FALSE;
}

static void take_octets(Reader *reader, const guint8 *octets, gsize length)
{
    if (reader->object_depth == 0)
        return;
    put_octets(&reader->all, octets, length);
    if (reader->depth == reader->object_depth)
        put_octets(&reader->own, octets, length);
}

static void take_letter(Reader *reader, guint8 letter)
{
    if (reader->object_depth == 0 || !g_ascii_isxdigit(letter))
        return;
    guint8 digit = (guint8)g_ascii_xdigit_value((char)letter);
    put_digit(&reader->all, digit);
    if (reader->depth == reader->object_depth)
        put_digit(&reader->own, digit);
}

/* A control word, its number and the blank that ends it, from at; returns where what follows begins. */
static gsize take_word(Reader *reader, gsize at)
{
    const guint8 *octets = reader->opening->octets;
    gsize length = reader->opening->length, start = at;
    guint64 number = 0;
    while (at < length && at - start < WORD_MAX_OCTETS && g_ascii_isalpha(octets[at]))
        at++;
    gsize word = at - start;
    gboolean negative = at < length && octets[at] == '-';
    at += negative ? 1 : 0;
    for (; at < length && g_ascii_isdigit(octets[at]); at++)
        number = MIN(number * 10 + (guint64)(octets[at] - '0'), G_MAXUINT32);
    at += at < length && octets[at] == ' ' ? 1 : 0;
    if (word == 7 && memcmp(octets + start, "objdata", word) == 0) {
        end_object(reader);
        reader->object_depth = MAX(reader->depth, 1);
    } else if (word == 3 && memcmp(octets + start, "bin", word) == 0 && !negative) {
        gsize count = (gsize)MIN(number, length - at);
        take_octets(reader, octets + at, count);
        at += count;
    }
    return at;
}

/* What a backslash begins, from behind it. */
static gsize take_control(Reader *reader, gsize at)
{
    const guint8 *octets = reader->opening->octets;
    gsize rest = reader->opening->length - at;
    if (rest > 0 && g_ascii_isalpha(octets[at]))
        return take_word(reader, at);
    return at + MIN(rest, rest > 0 && octets[at] == '\'' ? 3 : 1);
}

void postern_rtf_open(PosternOpening *opening)
{
    Reader reader = {.opening = opening};
    reader.all.octets = g_byte_array_new();
    reader.own.octets = g_byte_array_new();
    for (gsize at = 0; at < opening->length && !opening->over;) {
        guint8 octet = opening->octets[at++];
        if (octet == '\\') {
            at = take_control(&reader, at);
        } else if (octet == '{') {
            reader.depth++;
        } else if (octet == '}') {
            if (reader.depth <= reader.object_depth)
                end_object(&reader);
            reader.depth -= reader.depth > 0 ? 1 : 0;
        } else {
            take_letter(&reader, octet);
        }
    }
    end_object(&reader);
    g_byte_array_unref(reader.all.octets);
    g_byte_array_unref(reader.own.octets);
}
