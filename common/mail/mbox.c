#include "mail/mbox.h"

#include <string.h>

#define MARK_LENGTH (sizeof POSTERN_MBOX_MARK - 1)

enum {
    PLACE_LINE_START,
    PLACE_CR, /* alone on its line so far */
    PLACE_QUOTES,
    PLACE_MARK,
    PLACE_LINE,
    PLACE_SEPARATOR, /* the rest of a line that begins a message */
};

void postern_mbox_init(PosternMbox *mbox)
{
    *mbox = (PosternMbox){.place = PLACE_LINE_START, .separates = TRUE};
}

typedef struct {
    PosternMbox *mbox;
    PosternMboxSink sink;
    gpointer user_data;
} Output;

static void put(const Output *output, const char *octets, gsize length)
{
    if (output->mbox->begun && length > 0)
        output->sink(octets, length, output->user_data);
}

static void put_empty_line(const Output *output)
{
    put(output, output->mbox->empty, output->mbox->empty_length);
    output->mbox->empty_length = 0;
}

/* The line is none that begins a message, nor a quoted one: what was held back belongs to it. */
static void put_held(const Output *output)
{
    PosternMbox *mbox = output->mbox;

    put_empty_line(output);
    if (mbox->quoted)
        put(output, ">", 1);
    put(output, POSTERN_MBOX_MARK, mbox->matched);
    mbox->quoted = FALSE;
    mbox->matched = 0;
    mbox->separates = FALSE;
    mbox->place = PLACE_LINE;
}

/* All of the mark has come. TRUE: a message has ended before it. */
static gboolean end_mark(const Output *output)
{
    PosternMbox *mbox = output->mbox;
    gboolean ended = FALSE;

    if (mbox->quoted) {
        mbox->quoted = FALSE;
        put_held(output);
        return FALSE;
    }
    if (!mbox->separates) {
        put_held(output);
        return FALSE;
    }
    ended = mbox->begun;
    mbox->begun = TRUE;
    mbox->matched = 0;
    mbox->empty_length = 0;
    mbox->separates = FALSE;
    mbox->place = PLACE_SEPARATOR;
    return ended;
}

/* One octet at the beginning of a line; FALSE: it is not taken, and the line is an ordinary one. */
static gboolean take_start(const Output *output, char octet)
{
    PosternMbox *mbox = output->mbox;

    if (octet == '\n' || octet == '\r') {
        put_empty_line(output);
        mbox->empty[mbox->empty_length++] = octet;
        mbox->separates |= octet == '\n';
        mbox->place = octet == '\n' ? PLACE_LINE_START : PLACE_CR;
        return TRUE;
    }
    if (octet == '>') {
        put_empty_line(output);
        mbox->quoted = TRUE;
        mbox->place = PLACE_QUOTES;
        return TRUE;
    }
    mbox->place = PLACE_MARK;
    return FALSE;
}

static gboolean take_cr(const Output *output, char octet)
{
    PosternMbox *mbox = output->mbox;

    if (octet != '\n') {
        put_held(output);
        return FALSE;
    }
    mbox->empty[mbox->empty_length++] = octet;
    mbox->separates = TRUE;
    mbox->place = PLACE_LINE_START;
    return TRUE;
}

/* All up to the end of a line, or of what there is; how many octets. */
static gsize take_line(const Output *output, const char *octets, gsize length)
{
    const char *newline = memchr(octets, '\n', length);
    gsize taken = newline ? (gsize)(newline - octets) + 1 : length;

    if (output->mbox->place == PLACE_LINE)
        put(output, octets, taken);
    if (newline)
        output->mbox->place = PLACE_LINE_START;
    return taken;
}

/* How many octets were taken, 0 or 1 but for whole lines; *ret_ended as in postern_mbox_feed. */
static gsize take(const Output *output, const char *octets, gsize length, gboolean *ret_ended)
{
    PosternMbox *mbox = output->mbox;

    switch (mbox->place) {
    case PLACE_LINE_START:
        return take_start(output, *octets);
    case PLACE_CR:
        return take_cr(output, *octets);
    case PLACE_QUOTES:
        if (*octets == '>') {
            put(output, octets, 1);
            return 1;
        }
        mbox->place = PLACE_MARK;
        return 0;
    case PLACE_MARK:
        if (*octets != POSTERN_MBOX_MARK[mbox->matched]) {
            put_held(output);
            return 0;
        }
        if (++mbox->matched == MARK_LENGTH)
            *ret_ended = end_mark(output);
        return 1;
    default:
        return take_line(output, octets, length);
    }
}

gsize postern_mbox_feed(PosternMbox *mbox, const char *octets, gsize length, PosternMboxSink sink,
                        gpointer user_data, gboolean *ret_ended)
{
    const Output output = {mbox, sink, user_data};
    gsize taken = 0;

    *ret_ended = FALSE;
    while (taken < length && !*ret_ended)
        taken += take(&output, octets + taken, length - taken, ret_ended);
    return taken;
}

gboolean postern_mbox_finish(PosternMbox *mbox, PosternMboxSink sink, gpointer user_data)
{
    const Output output = {mbox, sink, user_data};

    if (mbox->place == PLACE_CR || mbox->place == PLACE_QUOTES || mbox->place == PLACE_MARK)
        put_held(&output);
    return mbox->begun;
}
