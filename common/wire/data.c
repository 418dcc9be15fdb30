#include "wire/data.h"

#include <string.h>

#include "base/limits.h"

typedef enum {
    OCTET_TEXT,
    OCTET_DOT,
    OCTET_CR,
    OCTET_LF,
    OCTET_CLASSES,
} OctetClass;

typedef enum {
    STATE_LINE_START, /* after DATA itself or a CRLF: the only place where a dot means something */
    STATE_TEXT,       /* in a line, also at the start of one that a bare newline made */
    STATE_CARRIAGE,   /* after a CR, held */
    STATE_DOT,        /* after a dot at line start, held */
    STATE_DOT_CARRIAGE,
    STATE_ENDED,
    STATES,
} State;

/* What a transition appends, in this order, and what it tells. */
enum {
    KEEP_DOT = 1 << 0,
    LINE_END = 1 << 1,
    KEEP_OCTET = 1 << 2,
    BARE = 1 << 3,
};

typedef struct {
    guint8 next;
    guint8 actions;
} Transition;

/* One table for both modes: a bare newline changes what is written, never where the message ends. */
static const Transition transitions[STATES][OCTET_CLASSES] =
    {
        [STATE_LINE_START] =
            {
                [OCTET_TEXT] = {STATE_TEXT, KEEP_OCTET},
                [OCTET_DOT] = {STATE_DOT, 0},
                [OCTET_CR] = {STATE_CARRIAGE, 0},
                [OCTET_LF] = {STATE_TEXT, BARE | LINE_END},
            },
        [STATE_TEXT] =
            {
                [OCTET_TEXT] = {STATE_TEXT, KEEP_OCTET},
                [OCTET_DOT] = {STATE_TEXT, KEEP_OCTET},
                [OCTET_CR] = {STATE_CARRIAGE, 0},
                [OCTET_LF] = {STATE_TEXT, BARE | LINE_END},
            },
        [STATE_CARRIAGE] =
            {
                [OCTET_TEXT] = {STATE_TEXT, BARE | LINE_END | KEEP_OCTET},
                [OCTET_DOT] = {STATE_TEXT, BARE | LINE_END | KEEP_OCTET},
                [OCTET_CR] = {STATE_CARRIAGE, BARE | LINE_END},
                [OCTET_LF] = {STATE_LINE_START, LINE_END},
            },
        [STATE_DOT] =
            {
                [OCTET_TEXT] = {STATE_TEXT, KEEP_OCTET},
                [OCTET_DOT] = {STATE_TEXT, KEEP_OCTET},
                [OCTET_CR] = {STATE_DOT_CARRIAGE, 0},
                [OCTET_LF] = {STATE_TEXT, BARE | KEEP_DOT | LINE_END},
            },
        [STATE_DOT_CARRIAGE] =
            {
                [OCTET_TEXT] = {STATE_TEXT, BARE | KEEP_DOT | LINE_END | KEEP_OCTET},
                [OCTET_DOT] = {STATE_TEXT, BARE | KEEP_DOT | LINE_END | KEEP_OCTET},
                [OCTET_CR] = {STATE_CARRIAGE, BARE | KEEP_DOT | LINE_END},
                [OCTET_LF] = {STATE_ENDED, 0},
            },
};

static inline OctetClass classify(char octet)
{
    switch (octet) {
    case '\r':
        return OCTET_CR;
    case '\n':
        return OCTET_LF;
    case '.':
        return OCTET_DOT;
    default:
        return OCTET_TEXT;
    }
}

/* The octets before the first CR or LF. */
static gsize text_run(const char *data, gsize length)
{
    gsize count = 0;

    while (count < length && data[count] != '\r' && data[count] != '\n')
        count++;
    return count;
}

void postern_data_decoder_init(PosternDataDecoder *decoder, PosternDataMode mode)
{
    *decoder = (PosternDataDecoder){.mode = mode, .state = STATE_LINE_START};
}

static gboolean is_dropping(const PosternDataDecoder *decoder)
{
    return decoder->bare && decoder->mode == POSTERN_DATA_REJECT_BARE;
}

static void keep(PosternDataDecoder *decoder, const char *octets, gsize length, GByteArray *out)
{
    if (is_dropping(decoder))
        return;
    g_byte_array_append(out, (const guint8 *)octets, (guint)length);
    decoder->line_octets += length;
}

static void end_line(PosternDataDecoder *decoder, GByteArray *out)
{
    keep(decoder, "\r\n", 2, out);
    if (decoder->line_octets > POSTERN_TEXT_LINE_STANDARD_OCTETS)
        decoder->long_lines++;
    decoder->line_octets = 0;
}

static void take(PosternDataDecoder *decoder, const char *octet, GByteArray *out)
{
    const Transition *transition = &transitions[decoder->state][classify(*octet)];

    decoder->state = transition->next;
    if (transition->actions & BARE)
        decoder->bare = TRUE;
    if (*octet == '\0')
        decoder->nul = TRUE;
    if (transition->actions & KEEP_DOT)
        keep(decoder, ".", 1, out);
    if (transition->actions & LINE_END)
        end_line(decoder, out);
    if (transition->actions & KEEP_OCTET)
        keep(decoder, octet, 1, out);
}

/* Text is most of every message: what follows a text octet is taken by the run, as its row of the table
 * would. */
static gsize take_text(PosternDataDecoder *decoder, const char *data, gsize length, GByteArray *out)
{
    gsize run = text_run(data, MIN(length, POSTERN_MESSAGE_CHUNK_OCTETS));

    if (run > 0) {
        if (memchr(data, '\0', run) != NULL)
            decoder->nul = TRUE;
        keep(decoder, data, run, out);
    }
    return run;
}

int postern_data_decoder_next(PosternDataDecoder *decoder, const char *data, gsize length,
                              gsize *ret_consumed, GByteArray *out)
{
    gsize at = 0;

    while (at < length && decoder->state != STATE_ENDED) {
        take(decoder, data + at, out);
        at++;
        if (decoder->state == STATE_TEXT)
            at += take_text(decoder, data + at, length - at, out);
    }
    *ret_consumed = at;
    return decoder->state == STATE_ENDED ? 1 : 0;
}

void postern_data_measure(const char *octets, gsize length, gboolean *ret_nul, guint64 *ret_long_lines)
{
    const char *end = octets + length;
    *ret_nul = length > 0 && memchr(octets, '\0', length) != NULL;
    *ret_long_lines = 0;
    for (const char *at = octets; at < end;) {
        const char *newline = memchr(at, '\n', (gsize)(end - at));
        gsize line = newline != NULL ? (gsize)(newline + 1 - at) : (gsize)(end - at) + 2;
        *ret_long_lines += line > POSTERN_TEXT_LINE_STANDARD_OCTETS;
        at = newline != NULL ? newline + 1 : end;
    }
}

void postern_data_encoder_init(PosternDataEncoder *encoder)
{
    *encoder = (PosternDataEncoder){.line_start = TRUE};
}

/* One octet that ends a line or stands where a line must end. */
static gboolean encode_newline(PosternDataEncoder *encoder, char octet, GByteArray *out)
{
    if ((octet == '\n') != encoder->carriage)
        return FALSE;
    if (octet == '\n') {
        g_byte_array_append(out, (const guint8 *)"\r\n", 2);
        encoder->line_start = TRUE;
    }
    encoder->carriage = octet == '\r';
    return TRUE;
}

int postern_data_encoder_next(PosternDataEncoder *encoder, const char *data, gsize length, GByteArray *out)
{
    gsize at = 0;

    while (at < length && !encoder->failed) {
        gsize run =
            encoder->carriage ? 0 : text_run(data + at, MIN(length - at, POSTERN_MESSAGE_CHUNK_OCTETS));

        if (run == 0) {
            encoder->failed = !encode_newline(encoder, data[at], out);
            at++;
            continue;
        }
        if (encoder->line_start && data[at] == '.')
            g_byte_array_append(out, (const guint8 *)".", 1);
        g_byte_array_append(out, (const guint8 *)data + at, (guint)run);
        encoder->line_start = FALSE;
        at += run;
    }
    return encoder->failed ? -1 : 0;
}

int postern_data_encoder_end(PosternDataEncoder *encoder, GByteArray *out)
{
    if (encoder->failed || encoder->carriage)
        return -1;
    if (!encoder->line_start)
        g_byte_array_append(out, (const guint8 *)"\r\n", 2);
    g_byte_array_append(out, (const guint8 *)".\r\n", 3);
    return 0;
}
