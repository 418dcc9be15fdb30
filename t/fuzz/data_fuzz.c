#include "wire/data.h"

#include <string.h>

#include <glib.h>

#include "split.h"
#include "support/encode.h"

#define END "\r\n.\r\n"
#define END_OCTETS 5

typedef struct {
    PosternDataDecoder decoder;
    GByteArray *out;
    gsize consumed;
    gboolean ended;
} Decoding;

static Decoding decode(PosternDataMode mode, const void *wire, gsize length, guint32 seed)
{
    Decoding decoding = {.out = g_byte_array_new()};
    Split split = split_new(wire, length, seed);
    gsize octets;
    char *piece;

    postern_data_decoder_init(&decoding.decoder, mode);
    while (!decoding.ended && (piece = split_next(&split, &octets)) != NULL) {
        gsize consumed;

        decoding.ended =
            postern_data_decoder_next(&decoding.decoder, piece, octets, &consumed, decoding.out) == 1;
        g_assert_true(decoding.ended ? consumed <= octets : consumed == octets);
        decoding.consumed += consumed;
        g_free(piece);
    }
    return decoding;
}

static void assert_crlf_clean(const GByteArray *out)
{
    for (guint i = 0; i < out->len; i++) {
        if (out->data[i] == '\r')
            g_assert_true(i + 1 < out->len && out->data[i + 1] == '\n');
        if (out->data[i] == '\n')
            g_assert_true(i > 0 && out->data[i - 1] == '\r');
    }
}

/* Where the first <CRLF>.<CRLF> ends, the command DATA taken as the first CRLF; 0: nowhere. */
static gsize find_end(const void *wire, gsize length)
{
    g_autoptr(GByteArray) anchored = g_byte_array_new();
    const guint8 *end;

    g_byte_array_append(anchored, (const guint8 *)"\r\n", 2);
    g_byte_array_append(anchored, wire, (guint)length);
    end = memmem(anchored->data, anchored->len, END, END_OCTETS);
    return end != NULL ? (gsize)(end - anchored->data) + END_OCTETS - 2 : 0;
}

static gboolean encode(const void *message, gsize length, guint32 seed, GByteArray *out)
{
    PosternDataEncoder encoder;
    Split split = split_new(message, length, seed);
    gsize octets;
    char *piece;

    postern_data_encoder_init(&encoder);
    while ((piece = split_next(&split, &octets)) != NULL) {
        encode_append(&encoder, piece, octets, out);
        g_free(piece);
    }
    return encode_append_end(&encoder, out) == 0;
}

static void check_encoder(const GByteArray *message, guint32 seed)
{
    g_autoptr(GByteArray) whole = g_byte_array_new();
    g_autoptr(GByteArray) cut = g_byte_array_new();
    Decoding back;

    g_assert_true(encode(message->data, message->len, 0, whole));
    g_assert_true(encode(message->data, message->len, seed, cut));
    g_assert_cmpmem(whole->data, whole->len, cut->data, cut->len);
    g_assert_cmpuint(find_end(whole->data, whole->len), ==, whole->len);

    back = decode(POSTERN_DATA_REJECT_BARE, whole->data, whole->len, seed);
    g_assert_true(back.ended && !back.decoder.bare && back.consumed == whole->len);
    if (message->len > 0) {
        g_assert_cmpuint(back.out->len, >=, message->len);
        g_assert_cmpmem(back.out->data, message->len, message->data, message->len);
        g_assert_cmpuint(back.out->len - message->len, ==, message->data[message->len - 1] == '\n' ? 0 : 2);
    }
    g_byte_array_unref(back.out);
}

static void check_decoder(PosternDataMode mode, const uint8_t *wire, gsize length, guint32 seed)
{
    Decoding whole = decode(mode, wire, length, 0);
    Decoding cut = decode(mode, wire, length, seed);
    gsize end = find_end(wire, length);

    g_assert_cmpint(whole.ended, ==, end != 0);
    g_assert_cmpuint(whole.consumed, ==, end != 0 ? end : length);
    g_assert_cmpint(whole.ended, ==, cut.ended);
    g_assert_cmpuint(whole.consumed, ==, cut.consumed);
    g_assert_cmpmem(whole.out->data, whole.out->len, cut.out->data, cut.out->len);
    g_assert_cmpint(whole.decoder.bare, ==, cut.decoder.bare);
    g_assert_cmpint(whole.decoder.nul, ==, cut.decoder.nul);
    g_assert_cmpuint(whole.decoder.long_lines, ==, cut.decoder.long_lines);
    assert_crlf_clean(whole.out);
    check_encoder(whole.out, seed);
    g_byte_array_unref(whole.out);
    g_byte_array_unref(cut.out);
}

static Decoding decode_chunks(PosternDataMode mode, const uint8_t *octets, gsize length, guint32 seed)
{
    Decoding decoding = {.out = g_byte_array_new()};
    Split split = split_new(octets, length, seed);
    gsize taken;
    char *piece;

    postern_data_decoder_init(&decoding.decoder, mode);
    decoding.decoder.chunks = TRUE;
    while ((piece = split_next(&split, &taken)) != NULL) {
        gsize consumed;

        g_assert_cmpint(postern_data_decoder_next(&decoding.decoder, piece, taken, &consumed, decoding.out),
                        ==, 0);
        g_assert_cmpuint(consumed, ==, taken);
        g_free(piece);
    }
    postern_data_decoder_finish(&decoding.decoder, decoding.out);
    return decoding;
}

/* Chunks hold what they hold, wherever they are cut; what is clean stays as it is, but for its last line end.
 */
static void check_chunks(PosternDataMode mode, const uint8_t *octets, gsize length, guint32 seed)
{
    Decoding whole = decode_chunks(mode, octets, length, 0);
    Decoding cut = decode_chunks(mode, octets, length, seed);

    g_assert_cmpmem(whole.out->data, whole.out->len, cut.out->data, cut.out->len);
    g_assert_cmpint(whole.decoder.bare, ==, cut.decoder.bare);
    g_assert_cmpint(whole.decoder.nul, ==, cut.decoder.nul);
    g_assert_cmpuint(whole.decoder.long_lines, ==, cut.decoder.long_lines);
    assert_crlf_clean(whole.out);
    if (!whole.decoder.bare)
        g_assert_cmpmem(whole.out->data, MIN(whole.out->len, length), octets, length);
    if (!whole.decoder.bare || mode == POSTERN_DATA_REPAIR_BARE)
        check_encoder(whole.out, seed);
    g_byte_array_unref(whole.out);
    g_byte_array_unref(cut.out);
}

/* What is not CRLF-clean must be refused, however it is cut. */
static void check_encoder_of_anything(const uint8_t *message, gsize length, guint32 seed)
{
    g_autoptr(GByteArray) whole = g_byte_array_new();
    g_autoptr(GByteArray) cut = g_byte_array_new();
    gboolean clean = TRUE;

    for (gsize i = 0; i < length; i++)
        clean = clean && !(message[i] == '\n' && (i == 0 || message[i - 1] != '\r')) &&
                !(message[i] == '\r' && (i + 1 == length || message[i + 1] != '\n'));
    g_assert_cmpint(encode(message, length, 0, whole), ==, clean);
    g_assert_cmpint(encode(message, length, seed, cut), ==, clean);
    assert_crlf_clean(whole);
    assert_crlf_clean(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    guint32 seed;

    if (size < 1)
        return 0;
    seed = data[0] + 1u;
    check_decoder(POSTERN_DATA_REJECT_BARE, data + 1, size - 1, seed);
    check_decoder(POSTERN_DATA_REPAIR_BARE, data + 1, size - 1, seed);
    check_encoder_of_anything(data + 1, size - 1, seed);
    check_chunks(POSTERN_DATA_REJECT_BARE, data + 1, size - 1, seed);
    check_chunks(POSTERN_DATA_REPAIR_BARE, data + 1, size - 1, seed);
    return 0;
}
