#include <string.h>

#include "proxy/session/private.h"
#include "wire/dsn.h"
#include "wire/xclient.h"

/* A smtpd in front has announced extensions of its own, and hands on what its client says, whatever we
 * announce. */
static gboolean takes_blindly(const PosternSession *session)
{
    return postern_proxy_settings_is_filter(session->settings);
}

static gboolean takes(const PosternSession *session, PosternCapability capability)
{
    return takes_blindly(session) || postern_session_offers(session, capability);
}

static gboolean has_manner(const PosternSession *session, guint manner)
{
    return (postern_session_manners(session)->manners & manner) != 0;
}

/* What a parameter of MAIL with value, or NULL, does: NULL, or why it is refused, static. */
typedef const char *(*Taker)(const PosternSession *session, PosternTransaction *transaction,
                             const char *value);

#define UNKNOWN_OF_MAIL "555 5.5.4 Parameter of MAIL not recognised" /* RFC 5321 4.1.1.11 */

static const char *take_size(const PosternSession *session, PosternTransaction *transaction,
                             const char *value)
{
    if (value == NULL && has_manner(session, POSTERN_MANNER_VALUES_ONLY))
        return UNKNOWN_OF_MAIL;
    if (value == NULL ||
        !g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT64, &transaction->declared_size, NULL)) {
        gboolean digits = value != NULL && value[0] != '\0' && value[strspn(value, "0123456789")] == '\0';
        transaction->declared_size = 0;
        if (!has_manner(session, POSTERN_MANNER_TAKES_ANY_SIZE))
            return "501 5.5.4 SIZE needs a number";
        return digits ? "552 5.3.4 Message of that size is not accepted" : NULL;
    }
    if (transaction->declared_size > postern_session_size_limit(session))
        return "552 5.3.4 Message of that size is not accepted";
    return NULL;
}

static const char *take_body(const PosternSession *session, PosternTransaction *transaction,
                             const char *value)
{
    if (value != NULL && g_ascii_strcasecmp(value, "8BITMIME") == 0)
        transaction->needed |= POSTERN_CAPABILITY_8BITMIME;
    else if (value == NULL || g_ascii_strcasecmp(value, "7BIT") != 0)
        return "501 5.5.4 BODY is 7BIT or 8BITMIME";
    transaction->body_given = TRUE;
    return NULL;
}

static const char *take_word(const PosternSession *session, PosternTransaction *transaction,
                             const char *value, PosternCapability capability)
{
    if (!takes(session, capability))
        return UNKNOWN_OF_MAIL;
    if (value != NULL)
        return "501 5.5.4 SMTPUTF8 and REQUIRETLS take no value";
    transaction->needed |= capability;
    return NULL;
}

static const char *take_smtputf8(const PosternSession *session, PosternTransaction *transaction,
                                 const char *value)
{
    return take_word(session, transaction, value, POSTERN_CAPABILITY_SMTPUTF8);
}

static const char *take_requiretls(const PosternSession *session, PosternTransaction *transaction,
                                   const char *value)
{
    return take_word(session, transaction, value, POSTERN_CAPABILITY_REQUIRETLS);
}

/* RFC 4954 5. What one who has not logged in says of others counts as AUTH=<>. */
static const char *take_auth(const PosternSession *session, PosternTransaction *transaction,
                             const char *value)
{
    if (takes_blindly(session))
        return NULL;
    gboolean is_offered = session->core.announced.auth_mechanisms != 0 ||
                          has_manner(session, POSTERN_MANNER_TAKES_AUTH_UNOFFERED);
    if (value == NULL || !is_offered)
        return UNKNOWN_OF_MAIL;
    g_autofree char *identity = postern_xtext_decode(value);
    gboolean is_known = identity != NULL || g_str_equal(value, "<>");
    if (!is_known && !has_manner(session, POSTERN_MANNER_TAKES_ANY_AUTH))
        return UNKNOWN_OF_MAIL;
    if (is_known && session->core.authenticated)
        transaction->auth_parameter = g_strdup(value);
    return NULL;
}

static const char *take_prdr(const PosternSession *session, PosternTransaction *transaction,
                             const char *value)
{
    return has_manner(session, POSTERN_MANNER_TAKES_PRDR) ? NULL : UNKNOWN_OF_MAIL;
}

static const struct {
    const char *keyword;
    Taker take;
} rows[] = {
    {"SIZE", take_size}, {"BODY", take_body}, {"SMTPUTF8", take_smtputf8}, {"REQUIRETLS", take_requiretls},
    {"AUTH", take_auth}, {"PRDR", take_prdr},
};

/* Where any original recipient is taken it may have no type, but is an address. */
static gboolean has_value(const PosternSession *session, const PosternParameter *parameter)
{
    static const char type[] = "rfc822;";
    const char *value = parameter->value;
    if (value == NULL || g_ascii_strcasecmp(parameter->keyword, "ORCPT") != 0 ||
        !has_manner(session, POSTERN_MANNER_TAKES_ANY_NOTIFY))
        return value != NULL;
    value += g_ascii_strncasecmp(value, type, strlen(type)) == 0 ? strlen(type) : 0;
    return value[0] != '\0' && strchr(value, ';') == NULL;
}

/* A filter does without DSN if the back-end does (RFC 3461 5.2.2): mail is worth more than its notice. */
static const char *take_dsn(const PosternSession *session, PosternTransaction *transaction,
                            const PosternParameter *parameter, guint any, GString *text)
{
    const char *problem = postern_dsn_problem(parameter->keyword, parameter->value);
    if (has_manner(session, POSTERN_MANNER_VALUES_ONLY) && !has_value(session, parameter))
        return postern_dsn_problem(parameter->keyword, NULL);
    if (has_manner(session, any) && (problem != NULL || !takes(session, POSTERN_CAPABILITY_DSN))) {
        transaction->dsn_dropped = TRUE;
        return NULL;
    }
    if (problem != NULL && (!takes_blindly(session) || parameter->value == NULL))
        return problem;
    if (!takes_blindly(session))
        transaction->needed |= POSTERN_CAPABILITY_DSN;
    g_string_append_printf(text, " %s=%s", parameter->keyword, parameter->value);
    return NULL;
}

static const char *take_mail_parameter(const PosternSession *session, PosternTransaction *transaction,
                                       const PosternParameter *parameter)
{
    if (postern_dsn_is_parameter(parameter->keyword, FALSE) &&
        (takes(session, POSTERN_CAPABILITY_DSN) || has_manner(session, POSTERN_MANNER_TAKES_ANY_RET)))
        return take_dsn(session, transaction, parameter, POSTERN_MANNER_TAKES_ANY_RET,
                        transaction->dsn_parameters);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_ascii_strcasecmp(parameter->keyword, rows[i].keyword) == 0)
            return rows[i].take(session, transaction, parameter->value);
    return UNKNOWN_OF_MAIL;
}

/* A path that only some mail servers can take: with strict_envelopes its client must have asked for it (RFC
 * 6531 3.2). */
static const char *refuse_path(const PosternSession *session, const PosternTransaction *transaction,
                               const char *path)
{
    if (g_str_is_ascii(path) || (transaction->needed & POSTERN_CAPABILITY_SMTPUTF8) != 0 ||
        takes_blindly(session) || !session->settings->configuration->proxy.strict_envelopes)
        return NULL;
    return "553 5.6.7 The address is not ASCII, and MAIL has no SMTPUTF8";
}

const char *postern_session_take_mail_parameters(const PosternSession *session,
                                                 PosternTransaction *transaction,
                                                 const PosternCommand *command)
{
    const char *refusal = NULL;
    if (command->parameters->len > 0 && !session->core.own.esmtp &&
        has_manner(session, POSTERN_MANNER_PARAMETERS_NEED_EHLO))
        return "501 5.5.4 Parameters need EHLO";
    for (guint i = 0; refusal == NULL && i < command->parameters->len; i++)
        refusal = take_mail_parameter(session, transaction, g_ptr_array_index(command->parameters, i));
    return refusal != NULL ? refusal : refuse_path(session, transaction, command->path);
}

const char *postern_session_take_recipient_parameters(const PosternSession *session,
                                                      const PosternCommand *command,
                                                      PosternRecipient *recipient)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *refusal = NULL;
    for (guint i = 0; refusal == NULL && i < command->parameters->len; i++) {
        const PosternParameter *parameter = g_ptr_array_index(command->parameters, i);
        if (postern_dsn_is_parameter(parameter->keyword, TRUE) && takes(session, POSTERN_CAPABILITY_DSN))
            refusal =
                take_dsn(session, session->transaction, parameter, POSTERN_MANNER_TAKES_ANY_NOTIFY, text);
        else
            refusal = "555 5.5.4 Parameter of RCPT not recognised";
    }
    g_free(recipient->dsn_parameters);
    recipient->dsn_parameters = g_string_free(g_steal_pointer(&text), FALSE);
    return refusal != NULL ? refusal : refuse_path(session, session->transaction, command->path);
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
    if (transaction->auth_parameter != NULL && (capabilities & POSTERN_CAPABILITY_AUTH) != 0)
        g_string_append_printf(text, " AUTH=%s", transaction->auth_parameter);
    if ((transaction->needed & POSTERN_CAPABILITY_REQUIRETLS) != 0)
        g_string_append(text, " REQUIRETLS");
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
    return postern_ehlo_keywords(session->transaction->needed &
                                 ~postern_backend_ehlo(session->backend)->capabilities);
}
