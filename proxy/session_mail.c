#include <string.h>

#include "base/limits.h"
#include "proxy/session_private.h"

/* Room that our own header fields may take in a message that the client declared. */
#define ROOM_FOR_OUR_HEADERS 8192

PosternTransaction *postern_session_transaction_new(gint64 now)
{
    PosternTransaction *transaction = g_new0(PosternTransaction, 1);
    transaction->started = now;
    transaction->mail_parameters = g_string_new(NULL);
    g_queue_init(&transaction->asked);
    return transaction;
}

static void recipient_free(gpointer data)
{
    PosternRecipient *recipient = data;
    g_free(recipient->path);
    g_free(recipient->parameters);
    g_free(recipient);
}

void postern_session_transaction_free(PosternTransaction *transaction)
{
    if (transaction == NULL)
        return;
    g_queue_clear(&transaction->asked);
    g_clear_pointer(&transaction->recipients, g_ptr_array_unref);
    g_string_free(transaction->mail_parameters, TRUE);
    postern_reply_free(transaction->mail_refusal);
    postern_message_unref(transaction->message);
    postern_verdict_free(transaction->verdict);
    g_free(transaction->failure);
    g_free(transaction->spf);
    g_free(transaction->dkim);
    g_free(transaction->virus);
    g_free(transaction->problem);
    g_free(transaction->last_refusal);
    g_free(transaction);
}

guint64 postern_session_size_limit(const PosternSession *session)
{
    guint64 limit = session->settings->configuration->proxy.message_size;
    guint64 backend = session->announced.size;
    if (backend > 2 * ROOM_FOR_OUR_HEADERS)
        limit = MIN(limit, backend - ROOM_FOR_OUR_HEADERS);
    return limit;
}

/* A parameter of MAIL: FALSE where its value is wrong; then the reply has been given. */
static gboolean take_size(PosternSession *session, PosternTransaction *transaction, const char *value,
                          gint64 now)
{
    if (value == NULL ||
        !g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT64, &transaction->declared_size, NULL)) {
        postern_session_error(session, now, 501, "5.5.4", "SIZE needs a number");
        return FALSE;
    }
    if (transaction->declared_size > postern_session_size_limit(session)) {
        postern_session_reply(session, 552, "5.3.4", "Message of that size is not accepted");
        return FALSE;
    }
    return TRUE;
}

static gboolean take_body(PosternSession *session, PosternTransaction *transaction, const char *value,
                          gint64 now)
{
    if (value != NULL && g_ascii_strcasecmp(value, "8BITMIME") == 0) {
        transaction->needed |= POSTERN_CAPABILITY_8BITMIME;
    } else if (value == NULL || g_ascii_strcasecmp(value, "7BIT") != 0) {
        postern_session_error(session, now, 501, "5.5.4", "BODY is 7BIT or 8BITMIME");
        return FALSE;
    }
    transaction->body_given = TRUE;
    return TRUE;
}

static gboolean is_of_dsn(const PosternSession *session, const PosternParameter *parameter,
                          const char *const *keywords)
{
    if ((session->announced.capabilities & POSTERN_CAPABILITY_DSN) == 0 || parameter->value == NULL)
        return FALSE;
    for (; *keywords != NULL; keywords++)
        if (g_ascii_strcasecmp(parameter->keyword, *keywords) == 0)
            return TRUE;
    return FALSE;
}

static gboolean take_mail_parameter(PosternSession *session, PosternTransaction *transaction,
                                    const PosternParameter *parameter, gint64 now)
{
    static const char *const dsn[] = {"RET", "ENVID", NULL}; /* RFC 3461 4.3, 4.4 */
    if (g_ascii_strcasecmp(parameter->keyword, "SIZE") == 0)
        return take_size(session, transaction, parameter->value, now);
    if (g_ascii_strcasecmp(parameter->keyword, "BODY") == 0)
        return take_body(session, transaction, parameter->value, now);
    if (is_of_dsn(session, parameter, dsn)) {
        transaction->needed |= POSTERN_CAPABILITY_DSN;
        g_string_append_printf(transaction->mail_parameters, " %s=%s", parameter->keyword, parameter->value);
        return TRUE;
    }
    postern_session_error(session, now, 555, "5.5.4",
                          "Parameter of MAIL not recognised"); /* RFC 5321 4.1.1.11 */
    return FALSE;
}

void postern_session_mail(PosternSession *session, const PosternCommand *command, gint64 now)
{
    if (session->transaction != NULL) {
        postern_session_error(session, now, 503, "5.5.1", "MAIL was given already");
        return;
    }
    if (command->problem != NULL) {
        postern_session_error(session, now, 501, "5.1.7", command->problem);
        return;
    }
    if (session->draining) {
        postern_session_end(session, "Service shutting down", now);
        return;
    }
    PosternTransaction *transaction = postern_session_transaction_new(now);
    transaction->recipients = g_ptr_array_new_with_free_func(recipient_free);
    for (guint i = 0; i < command->parameters->len; i++) {
        if (!take_mail_parameter(session, transaction, g_ptr_array_index(command->parameters, i), now)) {
            postern_session_transaction_free(transaction);
            return;
        }
    }
    session->transaction = transaction;
    session->envelope->sender = g_strdup(command->path);
    session->envelope->sender_parameters = g_strdup(command->parameter_text);
    if (session->settings->configuration->proxy.inspect) {
        transaction->inspecting = TRUE;
        postern_session_act(session, POSTERN_SESSION_INSPECT_ENVELOPE, NULL, NULL);
    }
    postern_session_reply(session, 250, "2.1.0", "Ok");
}

/* Where the back-end trusts us, an address that it would rewrite to another domain is a way to relay. */
static gboolean is_routed(const char *path, const char *domain)
{
    gsize length = (gsize)(domain - path);
    return memchr(path, '%', length) != NULL || memchr(path, '!', length) != NULL ||
           memchr(path, '@', length) != NULL;
}

static gboolean is_our_recipient(const PosternSession *session, const char *path)
{
    GHashTable *domains = session->settings->recipient_domains;
    if (g_hash_table_size(domains) == 0 || g_ascii_strcasecmp(path, "postmaster") == 0)
        return TRUE;
    const char *at = strrchr(path, '@');
    g_autofree char *domain = postern_path_domain(path);
    return at != NULL && domain != NULL && !is_routed(path, at) && g_hash_table_contains(domains, domain);
}

/* Parameters of RCPT as the back-end gets them, a new string; NULL: one of them is not for here. */
static char *take_recipient_parameters(PosternSession *session, const PosternCommand *command)
{
    static const char *const dsn[] = {"NOTIFY", "ORCPT", NULL}; /* RFC 3461 4.1, 4.2 */
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < command->parameters->len; i++) {
        const PosternParameter *parameter = g_ptr_array_index(command->parameters, i);
        if (!is_of_dsn(session, parameter, dsn))
            return NULL;
        session->transaction->needed |= POSTERN_CAPABILITY_DSN;
        g_string_append_printf(text, " %s=%s", parameter->keyword, parameter->value);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

typedef struct {
    guint code;
    const char *enhanced;
    const char *text;
} Refusal;

/* Why the back-end is not even asked; code 0: it is. *ret_parameters as above. */
static Refusal refusal_of(PosternSession *session, const PosternCommand *command, char **ret_parameters)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction == NULL)
        return (Refusal){503, "5.5.1", "MAIL must come first"};
    if (command->problem != NULL || command->path == NULL || command->path[0] == '\0')
        return (Refusal){501, "5.1.3", command->problem != NULL ? command->problem : "RCPT needs a path"};
    if (transaction->recipients->len >= session->settings->configuration->proxy.max_recipients)
        return (Refusal){452, "4.5.3", "Too many recipients"};
    *ret_parameters = take_recipient_parameters(session, command);
    if (*ret_parameters == NULL)
        return (Refusal){555, "5.5.4", "Parameter of RCPT not recognised"};
    if (!is_our_recipient(session, command->path))
        return (Refusal){554, "5.7.1", "Relay access denied"};
    if (transaction->failure != NULL)
        return (Refusal){451, "4.3.0", "The mail server behind us cannot be used now, try again later"};
    return (Refusal){0, NULL, NULL};
}

static void refuse_recipient(PosternSession *session, const PosternCommand *command, const Refusal *refusal,
                             gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    gboolean mistake = refusal->code == 501 || refusal->code == 503 || refusal->code == 555;
    if (transaction != NULL && !mistake && transaction->recipients->len < POSTERN_RECIPIENTS_MAX) {
        PosternRecipient *recipient = g_new0(PosternRecipient, 1);
        recipient->path = g_strdup(command->path);
        recipient->state = POSTERN_RECIPIENT_REFUSED;
        g_ptr_array_add(transaction->recipients, recipient);
        g_free(transaction->last_refusal);
        transaction->last_refusal =
            postern_session_format_reply(session, refusal->code, refusal->enhanced, refusal->text);
    }
    /* A relay attempt counts as a mistake too: ten of them, and the client goes. */
    if (refusal->code >= 500)
        postern_session_error(session, now, refusal->code, refusal->enhanced, refusal->text);
    else
        postern_session_reply(session, refusal->code, refusal->enhanced, "%s", refusal->text);
}

gboolean postern_session_rcpt(PosternSession *session, const PosternCommand *command, gint64 now)
{
    g_autofree char *parameters = NULL;
    Refusal refusal = refusal_of(session, command, &parameters);
    PosternTransaction *transaction = session->transaction;
    gboolean answer_now = refusal.code != 0 || transaction->mail_refusal != NULL;
    if (answer_now && postern_session_awaits_answers(session))
        return FALSE;
    if (refusal.code != 0) {
        refuse_recipient(session, command, &refusal, now);
        return TRUE;
    }
    PosternRecipient *recipient = g_new0(PosternRecipient, 1);
    recipient->path = g_strdup(command->path);
    recipient->parameters = g_steal_pointer(&parameters);
    g_ptr_array_add(transaction->recipients, recipient);
    transaction->unanswered++;
    if (transaction->mail_refusal != NULL) {
        postern_session_answer_recipient(session, recipient, transaction->mail_refusal, now);
        return TRUE;
    }
    postern_session_ask_recipients(session, now);
    return TRUE;
}
