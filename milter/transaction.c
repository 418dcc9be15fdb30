#include "milter/transaction.h"

#include <string.h>

#include "base/limits.h"

PosternMilterTransaction *postern_milter_transaction_new(PosternMilterSettings *settings)
{
    PosternMilterTransaction *transaction = g_new0(PosternMilterTransaction, 1);
    transaction->settings = postern_milter_settings_ref(settings);
    transaction->pending = g_string_new(NULL);
    transaction->message =
        postern_message_new(settings->configuration->milter.message_size, settings->budget, NULL);
    if (transaction->message == NULL)
        transaction->extent = POSTERN_MILTER_NO_ROOM;
    return transaction;
}

void postern_milter_transaction_free(PosternMilterTransaction *transaction)
{
    if (transaction == NULL)
        return;
    g_clear_pointer(&transaction->message, postern_message_unref);
    g_clear_pointer(&transaction->settings, postern_milter_settings_unref);
    g_string_free(transaction->pending, TRUE);
    g_free(transaction);
}

static void append(PosternMilterTransaction *transaction, const void *octets, gsize length)
{
    transaction->octets += length;
    if (transaction->extent != POSTERN_MILTER_WHOLE ||
        postern_message_append(transaction->message, octets, length, NULL))
        return;
    if (postern_message_is_too_big(transaction->message)) {
        transaction->extent = POSTERN_MILTER_TOO_BIG;
        return;
    }
    transaction->extent = POSTERN_MILTER_NO_ROOM;
    g_clear_pointer(&transaction->message, postern_message_unref);
}

static void flush(PosternMilterTransaction *transaction)
{
    append(transaction, transaction->pending->str, transaction->pending->len);
    g_string_truncate(transaction->pending, 0);
}

static void append_lines(GString *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\n' && (at == text || at[-1] != '\r'))
            g_string_append_c(out, '\r');
        g_string_append_c(out, *at);
    }
}

void postern_milter_transaction_add_field(PosternMilterTransaction *transaction, const char *name,
                                          const char *value, gboolean leading_space)
{
    if (transaction->has_body)
        return;
    g_string_append(transaction->pending, name);
    g_string_append_c(transaction->pending, ':');
    if (!leading_space)
        g_string_append_c(transaction->pending, ' ');
    append_lines(transaction->pending, value);
    g_string_append(transaction->pending, "\r\n");
    if (transaction->pending->len >= POSTERN_MESSAGE_CHUNK_OCTETS)
        flush(transaction);
}

void postern_milter_transaction_end_header(PosternMilterTransaction *transaction)
{
    if (transaction->has_body)
        return;
    transaction->has_body = TRUE;
    g_string_append(transaction->pending, "\r\n");
    flush(transaction);
}

PosternMessage *postern_milter_transaction_header(const PosternMilterTransaction *transaction)
{
    guint64 octets = 0;
    if (transaction->extent != POSTERN_MILTER_WHOLE ||
        !postern_message_header_complete(transaction->message, &octets) ||
        octets > POSTERN_HEADER_BLOCK_MAX_OCTETS)
        return NULL;
    return postern_message_copy_header(transaction->message, NULL);
}

gboolean postern_milter_transaction_add_body(PosternMilterTransaction *transaction, const void *octets,
                                             gsize length)
{
    postern_milter_transaction_end_header(transaction);
    append(transaction, octets, length);
    return transaction->extent == POSTERN_MILTER_WHOLE;
}

void postern_milter_transaction_end(PosternMilterTransaction *transaction)
{
    postern_milter_transaction_end_header(transaction);
    if (transaction->message == NULL || postern_message_seal(transaction->message, NULL))
        return;
    transaction->extent = POSTERN_MILTER_NO_ROOM;
    g_clear_pointer(&transaction->message, postern_message_unref);
}
