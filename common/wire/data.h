/*
 * What follows DATA (RFC 5321 4.1.1.4, 4.5.2): dot stuffing and the one end of a message, <CRLF>.<CRLF>; and
 * what follows BDAT (RFC 3030), which has neither.
 */
#pragma once

#include <glib.h>
#include <sys/uio.h>

/* How octets that are no line end of RFC 5321 2.3.8 (a CR without LF, an LF without CR) are taken. */
typedef enum {
    POSTERN_DATA_REJECT_BARE, /* taken to the end, dropped, and told: the message must be refused */
    POSTERN_DATA_REPAIR_BARE, /* each becomes CRLF, before a dot is looked for only if it was a CRLF */
} PosternDataMode;

typedef struct {
    PosternDataMode mode;
    gboolean chunks;    /* of BDAT: dots mean nothing, and only postern_data_decoder_finish() ends it */
    guint state;        /* of the decoder's own table */
    gboolean bare;      /* a bare CR or LF was seen */
    gboolean nul;       /* a NUL octet was seen (RFC 5321 2.3.8 frowns; passes) */
    guint64 long_lines; /* decoded lines over POSTERN_TEXT_LINE_STANDARD_OCTETS, CRLF included */
    gsize line_octets;  /* decoded octets of the line so far */
} PosternDataDecoder;

void postern_data_decoder_init(PosternDataDecoder *decoder, PosternDataMode mode);

/*
 * Takes wire octets. The first octet after DATA stands at the start of a line, so ".\r\n" alone is a message
 * of no octets. Decoded octets (dots unstuffed, CRLF line ends) are appended to out. 1: the end was met,
 * *ret_consumed octets were taken with it, the rest is the next command. 0: all was taken. In REJECT mode
 * what follows the first bare CR or LF is taken and dropped to the end, and only <CRLF>.<CRLF> is that end.
 * In REPAIR mode a repaired line end never begins or ends the end-of-data sequence: a lone dot on a line that
 * a bare newline made or ended becomes text and will be stuffed again. A CR is held back until it is known
 * what follows it, so out never holds a bare CR or LF. After the end each call gives 1 and takes nothing.
 */
int postern_data_decoder_next(PosternDataDecoder *decoder, const char *data, gsize length,
                              gsize *ret_consumed, GByteArray *out);

/* The last chunk has ended: appends the line end that the last line lacks. A CR that was held back is bare.
 */
void postern_data_decoder_finish(PosternDataDecoder *decoder, GByteArray *out);

/*
 * The octets at the front of data that decode to themselves, taken without a copy: text and CRLF, up to a
 * line that begins with a dot (of chunks, to the next one) or to what only postern_data_decoder_next() can
 * judge. May be 0.
 */
gsize postern_data_decoder_pass(PosternDataDecoder *decoder, const char *data, gsize length);

/* What the decoder counts, of a whole message with CRLF line ends. */
void postern_data_measure(const char *octets, gsize length, gboolean *ret_nul, guint64 *ret_long_lines);

/* The other way: octets of a message with CRLF line ends to the wire. */
typedef struct {
    gboolean line_start;
    gboolean carriage; /* the last octet was a CR, held back until its LF is there */
    gboolean failed;   /* a bare CR or LF was met: every further call fails */
} PosternDataEncoder;

void postern_data_encoder_init(PosternDataEncoder *encoder);

/*
 * The wire octets of data, dot-stuffed, as pieces that refer to data and to static octets: their number, at
 * most maximum (which is 2 or more), for *ret_consumed octets of data; the rest is for the next call, and so
 * is a CR at its end. A bare CR or LF in data (a decoder never gives one) is an error: -1, and the pieces
 * must not be sent.
 */
int postern_data_encoder_next(PosternDataEncoder *encoder, const char *data, gsize length,
                              gsize *ret_consumed, struct iovec *ret_pieces, int maximum);

/* What ends the message, static: CRLF if the last line was not ended, then ".\r\n": 1. -1: data ended in a
 * CR, or was in error. */
int postern_data_encoder_end(PosternDataEncoder *encoder, struct iovec *ret_piece);
