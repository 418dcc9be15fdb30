#include "wire/data.h"

#include <string.h>

#include <glib.h>

#include "base/limits.h"
#include "support/encode.h"
#include "trickle.h"

#define END "\r\n.\r\n"

typedef struct {
    PosternDataDecoder decoder;
    GByteArray *out;
    gsize consumed;
    gboolean ended;
} Decoding;

static gboolean feed_decoder(const char *piece, gsize length, gpointer user)
{
    Decoding *decoding = user;
    gsize consumed;

    decoding->ended =
        postern_data_decoder_next(&decoding->decoder, piece, length, &consumed, decoding->out) == 1;
    decoding->consumed += consumed;
    if (!decoding->ended)
        g_assert_cmpuint(consumed, ==, length);
    return !decoding->ended;
}

static void decode(Decoding *decoding, PosternDataMode mode, const char *wire, gsize length, gsize piece)
{
    *decoding = (Decoding){.out = g_byte_array_new()};
    postern_data_decoder_init(&decoding->decoder, mode);
    trickle(wire, length, piece, feed_decoder, decoding);
}

static void decoding_clear(Decoding *decoding)
{
    g_byte_array_unref(decoding->out);
}

typedef struct {
    const char *wire;
    const char *repaired;
    gboolean bare;
    const char *rest; /* of wire, behind the end; NULL: it does not end */
} DecoderCase;

static const DecoderCase decoder_cases[] = {
    {".\r\n", "", FALSE, ""},
    {".\r\nQUIT\r\n", "", FALSE, "QUIT\r\n"},
    {"a\r\n.\r\n", "a\r\n", FALSE, ""},
    {"\r\n.\r\n", "\r\n", FALSE, ""},
    {"..\r\n.\r\n", ".\r\n", FALSE, ""},
    {"..a\r\n.b\r\n.\r\n", ".a\r\nb\r\n", FALSE, ""},
    {"a.\r\n.\r\n", "a.\r\n", FALSE, ""},
    {"...\r\n.\r\n.\r\n", "..\r\n", FALSE, ".\r\n"},
    {"a\r\n.\r\nMAIL FROM:<>\r\n", "a\r\n", FALSE, "MAIL FROM:<>\r\n"},
    {"a", "a", FALSE, NULL},
    {"a\r", "a", FALSE, NULL},
    {"a\r\n.", "a\r\n", FALSE, NULL},
    {"a\r\n.\r", "a\r\n", FALSE, NULL},
    {"a\n.\n", "a\r\n.\r\n", TRUE, NULL},
    {"a\n.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", TRUE, ""},
    {"a\r\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", TRUE, ""},
    {"a\r.\rb\r\n.\r\n", "a\r\n.\r\nb\r\n", TRUE, ""},
    {"a\r\n.\rb\r\n.\r\n", "a\r\n.\r\nb\r\n", TRUE, ""},
    {"a\r.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", TRUE, ""},
    {"a\r\n.\r\r\nb\r\n.\r\n", "a\r\n.\r\n\r\nb\r\n", TRUE, ""},
    {"a\r\r\n.\r\n", "a\r\n\r\n", TRUE, ""},
    {"a\n\r\n.\r\n", "a\r\n\r\n", TRUE, ""},
    {"a\n\r.\r\nb\r\n.\r\n", "a\r\n\r\n.\r\nb\r\n", TRUE, ""},
    {"a\n..\r\n.\r\n", "a\r\n..\r\n", TRUE, ""},
    {"\n.\r\n.\r\n", "\r\n.\r\n", TRUE, ""},
    {"\r.\r\n.\r\n", "\r\n.\r\n", TRUE, ""},
};

static void check_decoder_case(const DecoderCase *row, PosternDataMode mode, gsize piece)
{
    gsize length = strlen(row->wire);
    Decoding decoding;

    decode(&decoding, mode, row->wire, length, piece);
    g_assert_cmpint(decoding.ended, ==, row->rest != NULL);
    g_assert_cmpuint(decoding.consumed, ==, length - (row->rest != NULL ? strlen(row->rest) : 0));
    g_assert_cmpint(decoding.decoder.bare, ==, row->bare);
    if (mode == POSTERN_DATA_REPAIR_BARE || !row->bare)
        g_assert_cmpmem(decoding.out->data, decoding.out->len, row->repaired, strlen(row->repaired));
    decoding_clear(&decoding);
}

static void test_decoder_cases(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(decoder_cases); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(trickle_pieces); j++) {
            check_decoder_case(&decoder_cases[i], POSTERN_DATA_REJECT_BARE, trickle_pieces[j]);
            check_decoder_case(&decoder_cases[i], POSTERN_DATA_REPAIR_BARE, trickle_pieces[j]);
        }
}

/*
 * The reference: no states, whole strings only. The end is the first <CRLF>.<CRLF> of CRLF and the wire; the
 * rest is cut into lines, and each line is looked at alone.
 */
typedef struct {
    gsize consumed;
    gboolean bare;
    GString *decoded;
} Reference;

static void reference_line(Reference *reference, const char *line, gsize length, gboolean begun,
                           gboolean ended)
{
    gboolean is_lone_dot = length == 1 && line[0] == '.';

    if (begun && length > 0 && line[0] == '.' && !(is_lone_dot && !ended)) {
        line++;
        length--;
    }
    g_string_append_len(reference->decoded, line, (gssize)length);
    g_string_append(reference->decoded, "\r\n");
}

static void reference_decode(Reference *reference, const char *wire)
{
    g_autofree char *anchored = g_strconcat("\r\n", wire, NULL);
    const char *end = strstr(anchored, END);
    gboolean begun = TRUE;

    *reference = (Reference){.decoded = g_string_new(NULL)};
    g_assert_nonnull(end);
    reference->consumed = (gsize)(end - anchored) + strlen(END) - strlen("\r\n");
    end += strlen("\r\n");
    for (const char *line = anchored + strlen("\r\n"); line < end;) {
        gsize length = strcspn(line, "\r\n");
        gboolean ended = line[length] == '\r' && line[length + 1] == '\n';

        reference_line(reference, line, length, begun, ended);
        reference->bare = reference->bare || !ended;
        line += length + (ended ? 2 : 1);
        begun = ended;
    }
}

static void assert_crlf_clean(const guint8 *data, gsize length)
{
    for (gsize i = 0; i < length; i++) {
        if (data[i] == '\r')
            g_assert_true(i + 1 < length && data[i + 1] == '\n');
        if (data[i] == '\n')
            g_assert_true(i > 0 && data[i - 1] == '\r');
    }
}

static void check_against_reference(const char *wire, gsize piece)
{
    Reference reference;
    Decoding repair, reject;

    reference_decode(&reference, wire);
    decode(&repair, POSTERN_DATA_REPAIR_BARE, wire, strlen(wire), piece);
    decode(&reject, POSTERN_DATA_REJECT_BARE, wire, strlen(wire), piece);

    g_assert_true(repair.ended && reject.ended);
    g_assert_cmpuint(repair.consumed, ==, reference.consumed);
    g_assert_cmpuint(reject.consumed, ==, reference.consumed);
    g_assert_cmpint(repair.decoder.bare, ==, reference.bare);
    g_assert_cmpint(reject.decoder.bare, ==, reference.bare);
    g_assert_cmpmem(repair.out->data, repair.out->len, reference.decoded->str, reference.decoded->len);
    assert_crlf_clean(repair.out->data, repair.out->len);
    assert_crlf_clean(reject.out->data, reject.out->len);
    g_assert_cmpuint(reject.out->len, <=, repair.out->len);
    if (reject.out->len > 0)
        g_assert_cmpmem(reject.out->data, reject.out->len, repair.out->data, reject.out->len);
    if (!reference.bare)
        g_assert_cmpuint(reject.out->len, ==, repair.out->len);

    decoding_clear(&repair);
    decoding_clear(&reject);
    g_string_free(reference.decoded, TRUE);
}

/* All strings of up to this many of the tokens, each with a true end and a command behind it. */
#define EXHAUSTIVE_TOKENS 7

static void test_decoder_exhaustive(void)
{
    static const char *const tokens[] = {"\r", "\n", "\r\n", ".", "a"};
    guint checked = 0;

    for (guint count = 0; count <= EXHAUSTIVE_TOKENS; count++) {
        guint combinations = 1;

        for (guint i = 0; i < count; i++)
            combinations *= G_N_ELEMENTS(tokens);
        for (guint number = 0; number < combinations; number++) {
            g_autoptr(GString) wire = g_string_new(NULL);

            for (guint i = 0, left = number; i < count; i++, left /= G_N_ELEMENTS(tokens))
                g_string_append(wire, tokens[left % G_N_ELEMENTS(tokens)]);
            g_string_append(wire, END "QUIT\r\n");
            check_against_reference(wire->str, wire->len);
            check_against_reference(wire->str, 1);
            checked++;
        }
    }
    g_assert_cmpuint(checked, ==, 97656);
}

static void test_decoder_after_end(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    PosternDataDecoder decoder;
    gsize consumed;

    postern_data_decoder_init(&decoder, POSTERN_DATA_REJECT_BARE);
    g_assert_cmpint(postern_data_decoder_next(&decoder, ".\r\n", 3, &consumed, out), ==, 1);
    g_assert_cmpint(postern_data_decoder_next(&decoder, "a\r\n", 3, &consumed, out), ==, 1);
    g_assert_cmpuint(consumed, ==, 0);
    g_assert_cmpuint(out->len, ==, 0);
}

static void test_decoder_nul(void)
{
    static const char wire[] = "a\0b\r\n.\r\n";

    for (gsize i = 0; i < G_N_ELEMENTS(trickle_pieces); i++) {
        Decoding decoding;

        decode(&decoding, POSTERN_DATA_REJECT_BARE, wire, sizeof(wire) - 1, trickle_pieces[i]);
        g_assert_true(decoding.ended && decoding.decoder.nul && !decoding.decoder.bare);
        g_assert_cmpmem(decoding.out->data, decoding.out->len, "a\0b\r\n", 5);
        decoding_clear(&decoding);
    }
}

static void test_decoder_long_lines(void)
{
    static const struct {
        gsize octets; /* without CRLF */
        gboolean stuffed;
        guint64 long_lines;
    } rows[] = {
        {POSTERN_TEXT_LINE_STANDARD_OCTETS - 2, FALSE, 0}, {POSTERN_TEXT_LINE_STANDARD_OCTETS - 2, TRUE, 0},
        {POSTERN_TEXT_LINE_STANDARD_OCTETS - 1, FALSE, 2}, {POSTERN_TEXT_LINE_STANDARD_OCTETS - 1, TRUE, 2},
        {3 * POSTERN_MESSAGE_CHUNK_OCTETS, FALSE, 2},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(trickle_pieces); j++) {
            g_autofree char *line = g_strnfill(rows[i].octets, '.');
            g_autofree char *wire = NULL;
            Decoding decoding;

            if (!rows[i].stuffed)
                line[0] = 'a';
            wire = g_strdup_printf("%s%s\r\nshort\r\n%s%s\r\n.\r\n", rows[i].stuffed ? "." : "", line,
                                   rows[i].stuffed ? "." : "", line);
            decode(&decoding, POSTERN_DATA_REJECT_BARE, wire, strlen(wire), trickle_pieces[j]);
            g_assert_true(decoding.ended);
            g_assert_cmpuint(decoding.decoder.long_lines, ==, rows[i].long_lines);
            decoding_clear(&decoding);
        }
}

typedef struct {
    PosternDataEncoder encoder;
    GByteArray *out;
    gboolean failed;
} Encoding;

static gboolean feed_encoder(const char *piece, gsize length, gpointer user)
{
    Encoding *encoding = user;

    encoding->failed = encode_append(&encoding->encoder, piece, length, encoding->out) != 0;
    return !encoding->failed;
}

static void encode(Encoding *encoding, const char *message, gsize length, gsize piece)
{
    *encoding = (Encoding){.out = g_byte_array_new()};
    postern_data_encoder_init(&encoding->encoder);
    trickle(message, length, piece, feed_encoder, encoding);
    if (encode_append_end(&encoding->encoder, encoding->out) != 0)
        encoding->failed = TRUE;
}

static void test_encoder_cases(void)
{
    static const struct {
        const char *message;
        const char *wire; /* NULL: an error */
    } rows[] = {
        {"", ".\r\n"},
        {"a", "a\r\n.\r\n"},
        {"a\r\n", "a\r\n.\r\n"},
        {".", "..\r\n.\r\n"},
        {".\r\n", "..\r\n.\r\n"},
        {"..\r\n", "...\r\n.\r\n"},
        {"a.\r\n.b\r\n", "a.\r\n..b\r\n.\r\n"},
        {"\r\n\r\n", "\r\n\r\n.\r\n"},
        {"a\n", NULL},
        {"a\r", NULL},
        {"a\rb", NULL},
        {"a\r\r\n", NULL},
        {"\n", NULL},
        {"a\r\n\n", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(trickle_pieces); j++) {
            Encoding encoding;

            encode(&encoding, rows[i].message, strlen(rows[i].message), trickle_pieces[j]);
            g_assert_cmpint(encoding.failed, ==, rows[i].wire == NULL);
            if (rows[i].wire != NULL)
                g_assert_cmpmem(encoding.out->data, encoding.out->len, rows[i].wire, strlen(rows[i].wire));
            g_byte_array_unref(encoding.out);
        }
}

static void test_encoder_stays_failed(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    PosternDataEncoder encoder;

    postern_data_encoder_init(&encoder);
    g_assert_cmpint(encode_append(&encoder, "a\rb", 3, out), ==, -1);
    g_assert_cmpint(encode_append(&encoder, "c\r\n", 3, out), ==, -1);
    g_assert_cmpint(encode_append_end(&encoder, out), ==, -1);
}

static void check_round_trip(const char *message, gsize piece)
{
    gsize length = strlen(message);
    gboolean ended = length == 0 || g_str_has_suffix(message, "\r\n");
    g_autofree char *expected = g_strconcat(message, ended ? "" : "\r\n", NULL);
    g_autofree char *anchored = NULL;
    Encoding encoding;
    Decoding decoding;

    encode(&encoding, message, length, piece);
    g_assert_false(encoding.failed);
    anchored = g_strdup_printf("\r\n%.*s", (int)encoding.out->len, (const char *)encoding.out->data);
    g_assert_true(strstr(anchored, END) == anchored + strlen(anchored) - strlen(END));
    decode(&decoding, POSTERN_DATA_REJECT_BARE, (const char *)encoding.out->data, encoding.out->len, piece);
    g_assert_true(decoding.ended && !decoding.decoder.bare);
    g_assert_cmpuint(decoding.consumed, ==, encoding.out->len);
    g_assert_cmpmem(decoding.out->data, decoding.out->len, expected, strlen(expected));
    decoding_clear(&decoding);
    g_byte_array_unref(encoding.out);
}

static void test_round_trip_exhaustive(void)
{
    static const char *const tokens[] = {"\r\n", ".", "a"};

    for (guint count = 0; count <= EXHAUSTIVE_TOKENS; count++) {
        guint combinations = 1;

        for (guint i = 0; i < count; i++)
            combinations *= G_N_ELEMENTS(tokens);
        for (guint number = 0; number < combinations; number++) {
            g_autoptr(GString) message = g_string_new(NULL);

            for (guint i = 0, left = number; i < count; i++, left /= G_N_ELEMENTS(tokens))
                g_string_append(message, tokens[left % G_N_ELEMENTS(tokens)]);
            check_round_trip(message->str, G_MAXSSIZE);
            check_round_trip(message->str, 1);
        }
    }
}

/* Long enough for many octets to be looked at in one go, wherever they begin. */
#define LONG_OCTETS 2600

static void compare_ways(const char *octets, gsize length)
{
    Decoding whole, single;
    Encoding encoded, encoded_single;
    for (PosternDataMode mode = POSTERN_DATA_REJECT_BARE; mode <= POSTERN_DATA_REPAIR_BARE; mode++) {
        decode(&whole, mode, octets, length, G_MAXSSIZE);
        decode(&single, mode, octets, length, 1);
        g_assert_cmpint(whole.ended, ==, single.ended);
        g_assert_cmpuint(whole.consumed, ==, single.consumed);
        g_assert_cmpint(whole.decoder.bare, ==, single.decoder.bare);
        g_assert_cmpint(whole.decoder.nul, ==, single.decoder.nul);
        g_assert_cmpuint(whole.decoder.long_lines, ==, single.decoder.long_lines);
        g_assert_cmpmem(whole.out->data, whole.out->len, single.out->data, single.out->len);
        decoding_clear(&whole);
        decoding_clear(&single);
    }
    encode(&encoded, octets, length, G_MAXSSIZE);
    encode(&encoded_single, octets, length, 1);
    g_assert_cmpint(encoded.failed, ==, encoded_single.failed);
    if (!encoded.failed)
        g_assert_cmpmem(encoded.out->data, encoded.out->len, encoded_single.out->data,
                        encoded_single.out->len);
    g_byte_array_unref(encoded.out);
    g_byte_array_unref(encoded_single.out);
}

/* Each oddity at each place of a long message gives the same whole as an octet at a time. */
static void test_long_whole_as_single(void)
{
    static const char *const oddities[] = {"", "\r", "\n", "\r\n", "\r\n.", "\r\n..", "\n.", END};
    static const guint line_octets[] = {1, 66, 512, 1100, LONG_OCTETS};
    for (gsize i = 0; i < G_N_ELEMENTS(line_octets); i++) {
        g_autoptr(GString) plain = g_string_new(NULL);
        for (guint at = 0; plain->len < LONG_OCTETS; at++)
            g_string_append(plain, at % (line_octets[i] + 1) == line_octets[i] ? "\r\n" : "a");
        for (gsize j = 0; j < G_N_ELEMENTS(oddities); j++)
            for (gsize place = j % 3; place <= LONG_OCTETS; place += 5 + place % 23) {
                g_autoptr(GString) octets = g_string_new_len(plain->str, (gssize)plain->len);
                g_string_insert(octets, (gssize)place, oddities[j]);
                if (oddities[j][0] == '\0')
                    octets->str[place % octets->len] = '\0';
                compare_ways(octets->str, octets->len);
            }
    }
}

/* What chunks hold, by whole strings: each CRLF, CR and LF ends a line, and so does the end. */
static void check_chunks(const char *octets, gsize piece)
{
    g_autoptr(GString) text = g_string_new(octets);
    Decoding decoding = {.out = g_byte_array_new()};

    postern_data_decoder_init(&decoding.decoder, POSTERN_DATA_REPAIR_BARE);
    decoding.decoder.chunks = TRUE;
    trickle(octets, strlen(octets), piece, feed_decoder, &decoding);
    g_assert_cmpuint(decoding.consumed, ==, strlen(octets));
    postern_data_decoder_finish(&decoding.decoder, decoding.out);
    g_string_replace(text, "\r\n", "E", 0);
    g_assert_cmpint(decoding.decoder.bare, ==, strpbrk(text->str, "\r\n") != NULL);
    g_strdelimit(text->str, "\r\n", 'E');
    if (text->len > 0 && text->str[text->len - 1] != 'E')
        g_string_append_c(text, 'E');
    g_string_replace(text, "E", "\r\n", 0);
    g_assert_cmpmem(decoding.out->data, decoding.out->len, text->str, text->len);
    decoding_clear(&decoding);
}

static void test_chunks_exhaustive(void)
{
    static const char octets[] = "a.\r\n";

    for (guint length = 0; length <= 7; length++)
        for (guint number = 0; number < 1U << 2 * length; number++) {
            char text[8] = "";

            for (guint i = 0; i < length; i++)
                text[i] = octets[number >> 2 * i & 3];
            check_chunks(text, G_MAXSIZE);
            check_chunks(text, 1);
        }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/data/decoder/cases", test_decoder_cases);
    g_test_add_func("/wire/data/decoder/exhaustive", test_decoder_exhaustive);
    g_test_add_func("/wire/data/decoder/after-end", test_decoder_after_end);
    g_test_add_func("/wire/data/decoder/nul", test_decoder_nul);
    g_test_add_func("/wire/data/decoder/long-lines", test_decoder_long_lines);
    g_test_add_func("/wire/data/chunks/exhaustive", test_chunks_exhaustive);
    g_test_add_func("/wire/data/encoder/cases", test_encoder_cases);
    g_test_add_func("/wire/data/encoder/stays-failed", test_encoder_stays_failed);
    g_test_add_func("/wire/data/round-trip/exhaustive", test_round_trip_exhaustive);
    g_test_add_func("/wire/data/long-whole-as-single", test_long_whole_as_single);
    return g_test_run();
}
