#include "scan/envelope.h"

#include <string.h>

#include "mail/header.h"
#include "mail/received.h"

/* In this order: what the client said in RCPT, before what became of it. */
static const char *const recipient_fields[] = {"X-Original-To", "Envelope-To", "Delivered-To"};

/* The topmost field of that name, or NULL; above it nobody may see another one. */
static const PosternHeaderField *topmost(const PosternHeader *header, const char *name)
{
    const PosternHeaderField *field = postern_header_find(header, name, 0);
    if (field == NULL || header->ambiguity == POSTERN_HEADER_CLEAR ||
        header->ambiguous_offset > field->offset)
        return field;
    return NULL;
}

/*
 * The address in the topmost Return-Path field ("" for the null sender), a new string, or NULL. What stands
 * below entry, the field of the relay that took the message in, its sender may have written.
 */
static char *find_sender(const PosternHeader *header, gsize entry)
{
    const PosternHeaderField *field = topmost(header, "Return-Path");
    if (field == NULL || field->offset > entry)
        return NULL;
    g_autofree char *value = postern_header_field_unfold(field);
    const char *open = strchr(value, '<');
    const char *close = open != NULL ? strrchr(open, '>') : NULL;
    return close != NULL ? g_strndup(open + 1, (gsize)(close - open - 1)) : NULL;
}

/* What a sender wrote stands below the first Received. */
static void find_recipient(const PosternHeader *header, PosternEnvelope *envelope)
{
    const PosternHeaderField *received = postern_header_find(header, "Received", 0);
    for (gsize i = 0; i < G_N_ELEMENTS(recipient_fields); i++) {
        const PosternHeaderField *field = topmost(header, recipient_fields[i]);
        if (field == NULL || (received != NULL && field->offset > received->offset))
            continue;
        char *value = postern_header_field_unfold(field);
        gsize length = strlen(value);
        if (length >= 2 && value[0] == '<' && value[length - 1] == '>') {
            memmove(value, value + 1, length - 2);
            value[length - 2] = '\0';
        }
        g_ptr_array_add(envelope->recipients, value);
        return;
    }
}

PosternEnvelope *postern_scan_envelope(const PosternScanOptions *options, const PosternPolicies *policies,
                                       PosternMessage *message, gboolean *ret_received,
                                       gboolean *ret_no_message)
{
    PosternEnvelope *envelope = postern_envelope_new();
    gsize length = 0;
    const char *octets = postern_message_octets(message, &length, NULL);
    g_autoptr(PosternHeader) header = postern_header_parse(octets != NULL ? octets : "", length);
    gsize entry = postern_received_find_entry(header, postern_policies_trust, policies);
    envelope->esmtp = TRUE;
    *ret_received = FALSE;
    *ret_no_message =
        octets == NULL || length == 0 || (header->fields->len == 0 && octets[0] != '\r' && octets[0] != '\n');
    if (options->client != NULL)
        (void)postern_address_parse(&envelope->client, options->client);
    else if (!options->no_received)
        *ret_received = postern_received_find_client(header, postern_policies_trust, policies, envelope);
    if (options->helo != NULL) {
        g_free(envelope->helo);
        envelope->helo = g_strdup(options->helo);
    }
    envelope->sender = options->sender != NULL ? g_strdup(options->sender) : find_sender(header, entry);
    for (char **recipient = options->recipients; *recipient != NULL; recipient++)
        g_ptr_array_add(envelope->recipients, g_strdup(*recipient));
    if (envelope->recipients->len == 0)
        find_recipient(header, envelope);
    return envelope;
}
