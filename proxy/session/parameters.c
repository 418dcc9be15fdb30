#include <string.h>

#include "proxy/session/private.h"

/* Room that our own header fields may take in a message that the client declared. */
#define ROOM_FOR_OUR_HEADERS 8192

guint64 postern_session_size_limit(const PosternSession *session)
{
    guint64 limit = session->settings->configuration->proxy.message_size;
    guint64 backend = session->core.announced.size;
    if (backend > 2 * ROOM_FOR_OUR_HEADERS)
        limit = MIN(limit, backend - ROOM_FOR_OUR_HEADERS);
    return limit;
}

/* A smtpd in front has announced extensions of its own, and hands on what its client says, whatever we
 * announce. */
static gboolean takes_blindly(const PosternSession *session)
{
    return postern_proxy_settings_is_filter(session->settings);
}

/* A parameter of MAIL: FALSE if its value is wrong; then the reply has been given. */
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

/* A filter does without DSN if the back-end does (RFC 3461 5.2.2): mail is worth more than its notice. */
static gboolean take_dsn(const PosternSession *session, PosternTransaction *transaction,
                         const PosternParameter *parameter, const char *const *keywords, GString *text)
{
    gboolean announced = (session->core.announced.capabilities & POSTERN_CAPABILITY_DSN) != 0;
    if ((!announced && !takes_blindly(session)) || parameter->value == NULL)
        return FALSE;
    while (*keywords != NULL && g_ascii_strcasecmp(parameter->keyword, *keywords) != 0)
        keywords++;
    if (*keywords == NULL)
        return FALSE;
    if (!takes_blindly(session))
        transaction->needed |= POSTERN_CAPABILITY_DSN;
    g_string_append_printf(text, " %s=%s", parameter->keyword, parameter->value);
    return TRUE;
}

/* What only a server in front says. */
static gboolean take_blindly(const PosternSession *session, PosternTransaction *transaction,
                             const PosternParameter *parameter)
{
    if (!takes_blindly(session))
        return FALSE;
    if (g_ascii_strcasecmp(parameter->keyword, "SMTPUTF8") == 0 && parameter->value == NULL) {
        transaction->needed |= POSTERN_CAPABILITY_SMTPUTF8;
        return TRUE;
    }
    return g_ascii_strcasecmp(parameter->keyword, "AUTH") == 0; /* RFC 4954 5: who trusts nobody drops it */
}

static gboolean take_mail_parameter(PosternSession *session, PosternTransaction *transaction,
                                    const PosternParameter *parameter, gint64 now)
{
    static const char *const dsn[] = {"RET", "ENVID", NULL}; /* RFC 3461 4.3, 4.4 */
    if (g_ascii_strcasecmp(parameter->keyword, "SIZE") == 0)
        return take_size(session, transaction, parameter->value, now);
    if (g_ascii_strcasecmp(parameter->keyword, "BODY") == 0)
        return take_body(session, transaction, parameter->value, now);
    if (take_dsn(session, transaction, parameter, dsn, transaction->dsn_parameters) ||
        take_blindly(session, transaction, parameter))
        return TRUE;
    postern_session_error(session, now, 555, "5.5.4",
                          "Parameter of MAIL not recognised"); /* RFC 5321 4.1.1.11 */
    return FALSE;
}

gboolean postern_session_take_mail_parameters(PosternSession *session, PosternTransaction *transaction,
                                              const PosternCommand *command, gint64 now)
{
    for (guint i = 0; i < command->parameters->len; i++)
        if (!take_mail_parameter(session, transaction, g_ptr_array_index(command->parameters, i), now))
            return FALSE;
    return TRUE;
}

gboolean postern_session_take_recipient_parameters(PosternSession *session, const PosternCommand *command,
                                                   PosternRecipient *recipient)
{
    static const char *const dsn[] = {"NOTIFY", "ORCPT", NULL}; /* RFC 3461 4.1, 4.2 */
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < command->parameters->len; i++)
        if (!take_dsn(session, session->transaction, g_ptr_array_index(command->parameters, i), dsn, text))
            return FALSE;
    g_free(recipient->dsn_parameters);
    recipient->dsn_parameters = g_string_free(g_steal_pointer(&text), FALSE);
    return TRUE;
}

gboolean postern_session_uses_extensions(const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    return transaction->needed != 0 || transaction->declared_size > 0 || transaction->body_given;
}

/* The parameters of DSN, for a back-end that knows them. */
static const char *dsn_for_backend(const PosternSession *session, const char *parameters)
{
    if ((postern_backend_ehlo(session->backend)->capabilities & POSTERN_CAPABILITY_DSN) != 0)
        return parameters;
    session->transaction->dsn_dropped |= parameters[0] != '\0';
    return "";
}

char *postern_session_mail_parameters(const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    guint capabilities = postern_backend_ehlo(session->backend)->capabilities;
    g_autoptr(GString) text = g_string_new(NULL);
    if (transaction->declared_size > 0 && (capabilities & POSTERN_CAPABILITY_SIZE) != 0)
        g_string_append_printf(text, " SIZE=%" G_GUINT64_FORMAT, transaction->declared_size);
    if (transaction->body_given && (capabilities & POSTERN_CAPABILITY_8BITMIME) != 0)
        g_string_append(text, (transaction->needed & POSTERN_CAPABILITY_8BITMIME) != 0 ? " BODY=8BITMIME"
                                                                                       : " BODY=7BIT");
    if ((transaction->needed & POSTERN_CAPABILITY_SMTPUTF8) != 0)
        g_string_append(text, " SMTPUTF8");
    g_string_append(text, dsn_for_backend(session, transaction->dsn_parameters->str));
    return g_string_free(g_steal_pointer(&text), FALSE);
}

const char *postern_session_recipient_parameters(const PosternSession *session,
                                                 const PosternRecipient *recipient)
{
    return dsn_for_backend(session, recipient->dsn_parameters);
}

char *postern_session_missing_capabilities(const PosternSession *session)
{
    static const struct {
        PosternCapability capability;
        const char *name;
    } rows[] = {
        {POSTERN_CAPABILITY_8BITMIME, "8BITMIME"},
        {POSTERN_CAPABILITY_SMTPUTF8, "SMTPUTF8"},
        {POSTERN_CAPABILITY_DSN, "DSN"},
    };
    guint missing = session->transaction->needed & ~postern_backend_ehlo(session->backend)->capabilities;
    g_autoptr(GString) text = g_string_new(NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if ((missing & rows[i].capability) != 0)
            g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", rows[i].name);
    return text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}
