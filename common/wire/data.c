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

/* How far ahead a line end is looked for: hostile octets must not have the same ones read again and again. */
#define AHEAD_MAX_OCTETS 1024

/* The octets before the first CR or LF, at most AHEAD_MAX_OCTETS. */
static gsize text_run(const char *data, gsize length)
{
    gsize ahead = MIN(length, AHEAD_MAX_OCTETS);
    const char *end = memchr(data, '\n', ahead);
    ahead = end != NULL ? (gsize)(end - data) : ahead;
    end = memchr(data, '\r', ahead);
    return end != NULL ? (gsize)(end - data) : ahead;
}

/* So many octets are looked at in one go: if a line ends in each of two such blocks, no line in them is long.
 */
#define BLOCK_OCTETS 448
G_STATIC_ASSERT(2 * BLOCK_OCTETS <= POSTERN_TEXT_LINE_STANDARD_OCTETS);

/* A processor that takes more octets in one instruction is made use of; sanitizers cannot follow. */
#if defined __x86_64__ && defined __GNUC__ && !defined __clang__ && !defined POSTERN_SANITIZED
#define FOR_WIDE_PROCESSORS __attribute__((target_clones("avx2", "default")))
#else
#define FOR_WIDE_PROCESSORS
#endif

/* TRUE if the octets of a block, with the one before it, are text without NUL and CRLF, no dot begins a line,
 * and a line ends. It has no branches, for the compiler to take many octets in one instruction. */
static inline gboolean is_plain(const char *block)
{
    const guint8 *octets = (const guint8 *)block;
    const guint8 *before = octets - 1;
    guint8 odd = 0;
    guint8 newline = 0;
    guint8 least = G_MAXUINT8;
    for (gsize i = 0; i < BLOCK_OCTETS; i++) {
        guint8 ends = (guint8) - (octets[i] == '\n');
        odd |= (guint8)(ends ^ (guint8) - (before[i] == '\r'));
        odd |= (guint8)(-(octets[i] == '.') & -(before[i] == '\n'));
        newline |= ends;
        least = MIN(least, octets[i]);
    }
    return odd == 0 && newline != 0 && least > 0;
}

/* The octets of the plain blocks at the front of data, which at least one octet stands before; a CR at their
 * end is left out. */
FOR_WIDE_PROCESSORS static gsize plain_run(const char *data, gsize length)
{
    gsize at = 0;
    while (length - at >= BLOCK_OCTETS && is_plain(data + at))
        at += BLOCK_OCTETS;
    return at > 0 && data[at - 1] == '\r' ? at - 1 : at;
}

static struct iovec piece_of(const char *octets, gsize length)
{
    return (struct iovec){.iov_base = GSIZE_TO_POINTER((guintptr)octets), .iov_len = length};
}

static gboolean is_crlf(const char *data, gsize length)
{
    return length >= 2 && data[0] == '\r' && data[1] == '\n';
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

static void count_line(PosternDataDecoder *decoder)
{
    if (decoder->line_octets > POSTERN_TEXT_LINE_STANDARD_OCTETS)
        decoder->long_lines++;
    decoder->line_octets = 0;
}

static void end_line(PosternDataDecoder *decoder, GByteArray *out)
{
    keep(decoder, "\r\n", 2, out);
    count_line(decoder);
}

static void take(PosternDataDecoder *decoder, const char *octet, GByteArray *out)
{
    OctetClass class = classify(*octet);
    if (class == OCTET_DOT && decoder->chunks)
        class = OCTET_TEXT;
    const Transition *transition = &transitions[decoder->state][class];
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

/* Of the lines of a plain run, none but the first may be long. */
static void pass_plain(PosternDataDecoder *decoder, const char *data, gsize length)
{
    const char *newline = memchr(data, '\n', length);
    decoder->line_octets += (gsize)(newline + 1 - data);
    count_line(decoder);
    newline = memrchr(newline, '\n', (gsize)(data + length - newline));
    decoder->line_octets = (gsize)(data + length - newline) - 1;
    decoder->state = data[length - 1] == '\n' ? STATE_LINE_START : STATE_TEXT;
}

gsize postern_data_decoder_pass(PosternDataDecoder *decoder, const char *data, gsize length)
{
    gsize at = 0;
    gsize next_block = 1; /* one that is not plain is not looked at again for each of its lines */
    if (is_dropping(decoder) || (decoder->state != STATE_LINE_START && decoder->state != STATE_TEXT))
        return 0;
    while (at < length && (decoder->state == STATE_TEXT || data[at] != '.' || (decoder->chunks && at == 0))) {
        gsize plain = at >= next_block ? plain_run(data + at, length - at) : 0;
        if (at >= next_block)
            next_block = at + plain + BLOCK_OCTETS;
        if (plain > 0) {
            pass_plain(decoder, data + at, plain);
            at += plain;
            continue;
        }
        gsize run = text_run(data + at, length - at);
        gboolean ends = is_crlf(data + at + run, length - at - run);
        if (run == 0 && !ends)
            break;
        decoder->nul = decoder->nul || memchr(data + at, '\0', run) != NULL;
        at += run + (ends ? 2 : 0);
        decoder->line_octets += run + (ends ? 2 : 0);
        decoder->state = ends ? STATE_LINE_START : STATE_TEXT;
        if (ends)
            count_line(decoder);
    }
    return at;
}

int postern_data_decoder_next(PosternDataDecoder *decoder, const char *data, gsize length,
                              gsize *ret_consumed, GByteArray *out)
{
    gsize at = 0;
    while (at < length && decoder->state != STATE_ENDED) {
        gsize passed = postern_data_decoder_pass(decoder, data + at, length - at);
        g_byte_array_append(out, (const guint8 *)data + at, (guint)passed);
        at += passed;
        if (at < length)
            take(decoder, data + at++, out);
    }
    *ret_consumed = at;
    return decoder->state == STATE_ENDED ? 1 : 0;
}

void postern_data_decoder_finish(PosternDataDecoder *decoder, GByteArray *out)
{
    if (decoder->state == STATE_CARRIAGE)
        decoder->bare = TRUE;
    if (decoder->state == STATE_CARRIAGE || decoder->line_octets > 0)
        end_line(decoder, out);
    decoder->state = STATE_ENDED;
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

/* The octets up to the next line that begins with a dot, or the CR at the end that is held back. */
static gsize take_lines(PosternDataEncoder *encoder, const char *data, gsize length)
{
    gsize at = 0;
    gsize next_block = 1;
    do {
        gsize plain = at >= next_block ? plain_run(data + at, length - at) : 0;
        if (at >= next_block)
            next_block = at + plain + BLOCK_OCTETS;
        if (plain > 0) {
            at += plain;
            encoder->line_start = data[at - 1] == '\n';
            continue;
        }
        gsize run = text_run(data + at, length - at);
        at += run;
        encoder->line_start = encoder->line_start && run == 0;
        if (at == length || (run == AHEAD_MAX_OCTETS && data[at] != '\r' && data[at] != '\n'))
            continue;
        if (is_crlf(data + at, length - at)) {
            at += 2;
            encoder->line_start = TRUE;
            continue;
        }
        encoder->carriage = data[at] == '\r' && at + 1 == length;
        encoder->failed = !encoder->carriage;
        break;
    } while (at < length && !(encoder->line_start && data[at] == '.'));
    return at;
}

/* TRUE if octet is the LF of the CR that was held back. */
static gboolean end_held(PosternDataEncoder *encoder, char octet)
{
    encoder->carriage = FALSE;
    encoder->failed = octet != '\n';
    encoder->line_start = TRUE;
    return !encoder->failed;
}

int postern_data_encoder_next(PosternDataEncoder *encoder, const char *data, gsize length,
                              gsize *ret_consumed, struct iovec *ret_pieces, int maximum)
{
    int count = 0;
    gsize at = 0;
    while (at < length && count + 2 <= maximum && !encoder->failed) {
        if (encoder->carriage) {
            if (end_held(encoder, data[at++]))
                ret_pieces[count++] = piece_of("\r\n", 2);
            continue;
        }
        if (encoder->line_start && data[at] == '.')
            ret_pieces[count++] = piece_of(".", 1);
        gsize run = take_lines(encoder, data + at, length - at);
        if (run > 0)
            ret_pieces[count++] = piece_of(data + at, run);
        at += run + (encoder->carriage ? 1 : 0);
    }
    *ret_consumed = at;
    return encoder->failed ? -1 : count;
}

int postern_data_encoder_end(PosternDataEncoder *encoder, struct iovec *ret_piece)
{
    static const char end[] = "\r\n.\r\n";
    gsize skipped = encoder->line_start ? 2 : 0;
    if (encoder->failed || encoder->carriage)
        return -1;
    *ret_piece = piece_of(end + skipped, strlen(end) - skipped);
    return 1;
}
