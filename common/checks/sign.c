#include "checks/check.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "checks/sign_engine.h"
#include "checks/spf_domain.h"
#include "mail/edits.h"
#include "wire/mailbox.h"

/*
 * RFC 6376 5.4.1, and what makes one body look like another (Content-*, MIME-Version), the name that replies
 * refer to, and what RFC 8058 4 wants signed. Fields that are not there are not named, so that who adds one
 * on the way does no harm; but From and Subject.
 */
static const char *const signed_names[] = {
    "From",
    "Sender",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "To",
    "Cc",
    "MIME-Version",
    "Content-Type",
    "Resent-Date",
    "Content-Transfer-Encoding",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "In-Reply-To",
    "References",
    "List-Id",
    "List-Help",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Post",
    "List-Owner",
    "List-Unsubscribe-Post",
    "List-Archive",
};

static gboolean is_signed(const PosternHeaderField *field)
{
    for (gsize i = 0; i < G_N_ELEMENTS(signed_names); i++)
        if (field->name_length == strlen(signed_names[i]) &&
            g_ascii_strncasecmp(field->name, signed_names[i], field->name_length) == 0)
            return TRUE;
    return FALSE;
}

/* Verifiers, and MTAs on the way, do not agree on where such a line ends. */
static gboolean has_odd_line_ends(const PosternHeaderField *field)
{
    for (gsize i = 0; i < field->value_length; i++) {
        char octet = field->value[i];
        gboolean line_end = octet == '\r' && i + 1 < field->value_length && field->value[i + 1] == '\n';
        if (line_end)
            i++;
        else if (octet == '\r' || octet == '\n')
            return TRUE;
    }
    return FALSE;
}

/* The fields to sign; NULL and *ret_reason where the header cannot be signed as it stands. */
static GPtrArray *choose_fields(const PosternHeader *header, const char **ret_reason)
{
    g_autoptr(GPtrArray) fields = g_ptr_array_new();
    *ret_reason = NULL;
    if (header->too_many)
        *ret_reason = "the header is too large";
    else if (header->ambiguity != POSTERN_HEADER_CLEAR)
        *ret_reason = "not all programs would read the header alike";
    for (guint i = 0; i < header->fields->len && *ret_reason == NULL; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        if (!is_signed(field))
            continue;
        g_ptr_array_add(fields, (gpointer)(gsize)field);
        if (fields->len > POSTERN_SIGN_HEADER_FIELDS_MAX)
            *ret_reason = "the header has too many fields that would have to be signed";
        else if (field->length > POSTERN_SIGN_HEADER_FIELD_MAX_OCTETS)
            *ret_reason = "a field that would have to be signed is too long";
        else if (has_odd_line_ends(field))
            *ret_reason = "a field that would have to be signed has a CR or LF that is no line end";
    }
    return *ret_reason == NULL ? g_steal_pointer(&fields) : NULL;
}

/* The one domain that all who read the message take for its author's, lower case; or NULL and *ret_reason. */
static char *author_domain(const PosternHeader *header, const char **ret_reason)
{
    const PosternHeaderField *from = postern_header_find(header, "From", 0);
    *ret_reason = "the message has no From field";
    if (from == NULL)
        return NULL;
    g_autoptr(PosternMailboxList) list = postern_mailbox_list_parse(from->value, from->value_length);
    if (postern_header_find(header, "From", 1) != NULL)
        *ret_reason = "the message has several From fields";
    else if (list->problem != NULL)
        *ret_reason = list->problem;
    else if (list->domains->len != 1)
        *ret_reason = "From does not name one domain";
    else
        *ret_reason = NULL;
    if (*ret_reason != NULL)
        return NULL;
    char *domain = postern_spf_domain_to_ascii(g_ptr_array_index(list->domains, 0));
    if (domain == NULL)
        *ret_reason = "what From names is no domain";
    return domain;
}

/* The keys of domain, or of the closest domain above it that has any. */
static GPtrArray *find_keys(const PosternSignEngine *engine, const char *domain)
{
    for (const char *name = domain; name != NULL; name = strchr(name, '.')) {
        name += *name == '.';
        GPtrArray *keys = postern_sign_engine_keys_of(engine, name);
        if (keys != NULL)
            return keys;
    }
    return NULL;
}

/* libopendkim signs no such body: its last line ends with a bare LF. */
static gboolean ends_oddly(const char *body, gsize length)
{
    return length > 0 && body[length - 1] == '\n' && (length == 1 || body[length - 2] != '\r');
}

static void say(PosternFindings *findings, const char *reason)
{
    postern_findings_step(findings, POSTERN_CHECK_SIGN, "not signed: %s", reason);
}

/* FALSE: there is none, and why is said. */
static gboolean add_signature(PosternFindings *findings, const PosternSignKey *key, const char *value)
{
    g_autoptr(PosternEdits) probe = postern_edits_new();
    if (!postern_edits_insert(probe, "DKIM-Signature", value)) {
        findings->signatures.problem = g_strdup("libopendkim made no header field");
        say(findings, findings->signatures.problem);
        return FALSE;
    }
    g_ptr_array_add(findings->signatures.fields, g_strdup(value));
    postern_findings_step(findings, POSTERN_CHECK_SIGN, "signed: d=%s s=%s a=%s", key->domain, key->selector,
                          key->ed25519 ? "ed25519-sha256" : "rsa-sha256");
    return TRUE;
}

/* What the library cannot read is no problem of ours, and would be none that passes. */
static void note_failure(PosternFindings *findings, const GError *error)
{
    if (!g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_INPUT))
        findings->signatures.problem = g_strdup(error->message);
    say(findings, error->message);
}

static void sign_with(PosternSignEngine *engine, GPtrArray *keys, GPtrArray *fields, const char *body,
                      gsize length, gint64 now, PosternFindings *findings)
{
    PosternSignatures *signatures = &findings->signatures;
    for (guint i = 0; i < keys->len; i++) {
        const PosternSignKey *key = g_ptr_array_index(keys, i);
        g_autoptr(GError) error = NULL;
        g_autofree char *value = postern_sign_engine_field(engine, key, fields, body, length, now, &error);
        if (value == NULL)
            note_failure(findings, error);
        if (value == NULL || !add_signature(findings, key, value)) {
            g_ptr_array_set_size(signatures->fields, 0);
            return;
        }
    }
    const PosternSignKey *any = g_ptr_array_index(keys, 0);
    signatures->domain = g_strdup(any->domain);
}

int postern_check_sign(PosternSignEngine *engine, const char *octets, gsize length,
                       const PosternHeader *header, gint64 now, PosternFindings *findings)
{
    const char *reason = NULL;
    g_autofree char *author = author_domain(header, &reason);
    g_autoptr(GPtrArray) fields = author != NULL ? choose_fields(header, &reason) : NULL;
    if (fields == NULL) {
        say(findings, reason);
        return 1;
    }
    const char *body = octets + header->body_offset;
    gsize body_length = length - header->body_offset;
    if (ends_oddly(body, body_length)) {
        say(findings, "its last line ends with LF, not CRLF");
        return 1;
    }
    GPtrArray *keys = find_keys(engine, author);
    if (keys == NULL) {
        postern_findings_step(findings, POSTERN_CHECK_SIGN,
                              "not signed: [sign] table has no key for %s, nor for a domain above it",
                              author);
        return 1;
    }
    sign_with(engine, keys, fields, body, body_length, now, findings);
    return 1;
}
