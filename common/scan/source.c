#include "scan/source.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "mail/lines.h"
#include "mail/mbox.h"
#include "scan/input.h"

#define MARK_LENGTH (sizeof POSTERN_MBOX_MARK - 1)
#define EXPANSION 2 /* LF to CRLF, at most */

struct PosternScanSource {
    PosternScanWalk *walk;
    gboolean split_mailboxes;
    PosternScanInput *input; /* NULL: the next one is to be opened */
    char *path;              /* of input */
    gboolean begun;          /* what kind of file it is, is known */
    gboolean mailbox;
    gboolean at_mark; /* one message with the "From " line of a mailbox, which is none of it, before it */
    gboolean ended;   /* nothing more can be read from input */
    PosternMbox mbox;
    guint number; /* in the mailbox, of the message that is being read */
    PosternLines *lines;
    guint64 octets;
    gsize held; /* octets in buffer that are not taken yet */
    gsize at;   /* the first of them */
    char buffer[POSTERN_MESSAGE_CHUNK_OCTETS];
};

PosternScanSource *postern_scan_source_new(char *const *names, gboolean split_mailboxes,
                                           PosternScanComplain complain, gpointer user_data)
{
    PosternScanSource *source = g_new0(PosternScanSource, 1);
    source->walk = postern_scan_walk_new(names, complain, user_data);
    source->split_mailboxes = split_mailboxes;
    source->lines = postern_lines_new();
    return source;
}

void postern_scan_source_free(PosternScanSource *source)
{
    if (source == NULL)
        return;
    postern_scan_walk_free(source->walk);
    postern_scan_input_free(source->input);
    postern_lines_free(source->lines);
    g_free(source->path);
    g_free(source);
}

static char *message_name(const PosternScanSource *source)
{
    return source->mailbox ? g_strdup_printf("%s:%u", source->path, source->number) : g_strdup(source->path);
}

/* What people are told it is called. */
static char *spoken_name(const PosternScanSource *source)
{
    const char *name = postern_scan_input_name(source->input);
    return source->mailbox ? g_strdup_printf("%s:%u", name, source->number) : g_strdup(name);
}

static void close_input(PosternScanSource *source)
{
    postern_message_unref(postern_lines_end(source->lines, NULL));
    g_clear_pointer(&source->input, postern_scan_input_free);
    source->begun = source->mailbox = source->at_mark = source->ended = FALSE;
    source->held = source->at = 0;
    source->number = 0;
}

/* Takes error. */
static PosternScanSourceStatus give_error(PosternScanSource *source, GError *error, PosternScanItem *ret_item)
{
    *ret_item = (PosternScanItem){.name = message_name(source), .error = error};
    close_input(source);
    return POSTERN_SCAN_SOURCE_ITEM;
}

static PosternScanSourceStatus give_message(PosternScanSource *source, PosternScanItem *ret_item)
{
    g_autofree char *spoken = spoken_name(source);
    gboolean empty = postern_lines_size(source->lines) == 0;
    *ret_item = (PosternScanItem){.name = message_name(source)};
    ret_item->message = postern_lines_end(source->lines, &ret_item->error);
    if (ret_item->message == NULL) {
        g_prefix_error(&ret_item->error, "%s: ", spoken);
    } else if (empty) {
        g_clear_pointer(&ret_item->message, postern_message_unref);
        g_set_error(&ret_item->error, POSTERN_ERROR, POSTERN_ERROR_INPUT,
                    "%s: is empty: a message has at least a header", spoken);
    }
    return POSTERN_SCAN_SOURCE_ITEM;
}

static void on_octets(const char *octets, gsize length, gpointer user_data)
{
    PosternScanSource *source = user_data;
    postern_lines_add(source->lines, octets, length);
}

/* Octets of buffer, up to the end of the line or all. */
static gsize pass_over_line(PosternScanSource *source, const char *octets)
{
    const char *newline = memchr(octets, '\n', source->held);
    source->at_mark = newline == NULL;
    return newline != NULL ? (gsize)(newline - octets) + 1 : source->held;
}

/* Takes what buffer has; TRUE: a message has ended. */
static gboolean take(PosternScanSource *source)
{
    const char *octets = source->buffer + source->at;
    gboolean ended = FALSE;
    gsize taken = source->held;
    if (source->at_mark)
        taken = pass_over_line(source, octets);
    else if (source->mailbox)
        taken = postern_mbox_feed(&source->mbox, octets, source->held, on_octets, source, &ended);
    else
        postern_lines_add(source->lines, octets, source->held);
    source->at += taken;
    source->held -= taken;
    if (source->held == 0)
        source->at = 0;
    return ended;
}

/* Tells a mailbox by its first octets, once they are there. */
static void begin(PosternScanSource *source)
{
    source->begun = TRUE;
    gboolean marked =
        source->held >= MARK_LENGTH && memcmp(source->buffer, POSTERN_MBOX_MARK, MARK_LENGTH) == 0;
    source->mailbox = marked && source->split_mailboxes;
    source->at_mark = marked && !source->split_mailboxes;
    source->number = 1;
    if (source->mailbox)
        postern_mbox_init(&source->mbox);
}

static PosternScanInputStatus fill(PosternScanSource *source, GError **error)
{
    gsize length = 0;
    PosternScanInputStatus status = postern_scan_input_read(
        source->input, source->buffer + source->held, sizeof source->buffer - source->held, &length, error);
    source->held += length;
    source->octets += length;
    source->ended = status == POSTERN_SCAN_INPUT_END;
    if (source->ended || source->held >= MARK_LENGTH)
        if (!source->begun)
            begin(source);
    return status;
}

static PosternScanSourceStatus finish(PosternScanSource *source, PosternScanItem *ret_item)
{
    if (source->mailbox)
        (void)postern_mbox_finish(&source->mbox, on_octets, source);
    PosternScanSourceStatus status = give_message(source, ret_item);
    close_input(source);
    return status;
}

/* From the open input. */
static PosternScanSourceStatus read_message(PosternScanSource *source, guint64 room,
                                            PosternScanItem *ret_item)
{
    for (;;) {
        GError *error = NULL;
        if (source->begun && source->held > 0) {
            if (postern_lines_size(source->lines) + EXPANSION * source->held > room)
                return POSTERN_SCAN_SOURCE_WAIT_ROOM;
            if (take(source)) {
                PosternScanSourceStatus status = give_message(source, ret_item);
                source->number++;
                return status;
            }
        } else if (source->ended) {
            return finish(source, ret_item);
        } else {
            PosternScanInputStatus status = fill(source, &error);
            if (status == POSTERN_SCAN_INPUT_WAIT)
                return POSTERN_SCAN_SOURCE_WAIT_INPUT;
            if (status == POSTERN_SCAN_INPUT_FAILED)
                return give_error(source, error, ret_item);
        }
    }
}

PosternScanSourceStatus postern_scan_source_next(PosternScanSource *source, guint64 room,
                                                 PosternScanItem *ret_item)
{
    if (source->input == NULL) {
        const char *path = postern_scan_walk_next(source->walk);
        if (path == NULL)
            return POSTERN_SCAN_SOURCE_END;
        g_autoptr(GError) error = NULL;
        g_free(source->path);
        source->path = g_strdup(path);
        source->input = postern_scan_input_open(path, &error);
        if (source->input == NULL)
            return give_error(source, g_steal_pointer(&error), ret_item);
    }
    return read_message(source, room, ret_item);
}

int postern_scan_source_descriptor(const PosternScanSource *source)
{
    return source->input != NULL ? postern_scan_input_descriptor(source->input) : -1;
}

double postern_scan_source_fraction(const PosternScanSource *source)
{
    double within = source->input != NULL ? postern_scan_input_fraction(source->input) : 1.0;
    return postern_scan_walk_fraction(source->walk, within);
}

guint64 postern_scan_source_octets(const PosternScanSource *source)
{
    return source->octets;
}
