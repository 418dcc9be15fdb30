#include "proxy/servers/relay_proof.h"

#include <string.h>

#include "base/escape.h"

#define QUOTED_MAX_OCTETS 200 /* of a reply, for people */

PosternRelayRecipient *postern_relay_recipient_new(const char *path, PosternRelayRole role)
{
    PosternRelayRecipient *recipient = g_new0(PosternRelayRecipient, 1);
    recipient->path = g_strdup(path);
    recipient->role = role;
    return recipient;
}

void postern_relay_recipient_free(PosternRelayRecipient *recipient)
{
    if (recipient == NULL)
        return;
    postern_reply_free(recipient->reply);
    g_free(recipient->path);
    g_free(recipient);
}

static gboolean is_taken(const PosternRelayRecipient *recipient)
{
    return recipient->reply != NULL && postern_reply_class(recipient->reply) == 2;
}

static gboolean is_refused(const PosternRelayRecipient *recipient)
{
    return recipient->reply != NULL && postern_reply_class(recipient->reply) >= 4;
}

/* The reply's words without the recipient, which a server may repeat in them: only so can two be compared. */
static char *words_of(const PosternRelayRecipient *recipient)
{
    g_autofree char *text = postern_reply_to_text(recipient->reply);
    g_autofree char *lower = g_ascii_strdown(text, -1);
    g_autofree char *path = g_ascii_strdown(recipient->path, -1);
    g_auto(GStrv) parts = g_strsplit(lower, path, -1);
    return g_strjoinv("", parts);
}

/* How servers say that they do not relay: Postfix, ourselves; Sendmail, Courier; Exim; Exchange; qmail;
 * Haraka. */
static const char *const relay_words[] = {
    "relay access denied",  "relaying denied",         "relay denied",
    "relay not permitted",  "relaying not permitted",  "relay not allowed",
    "relaying not allowed", "relaying is not allowed", "not permitted to relay",
    "not allowed to relay", "unable to relay",         "relaying prohibited",
    "do not relay",         "allowed rcpthosts",       "cannot deliver mail for",
};

/* What Postfix says of others than the recipient, with whatever words of the administrator's behind it. */
static const char *const other_words[] = {"client host", "helo command", "sender address"};

static gboolean holds_any(const char *words, const char *const *phrases, gsize count)
{
    for (gsize i = 0; i < count; i++)
        if (strstr(words, phrases[i]) != NULL)
            return TRUE;
    return FALSE;
}

/* "reject" at the end of Postfix's relay or recipient restrictions, which may be for the client too. */
static gboolean says_reject(const PosternReply *reply, const char *words)
{
    return postern_reply_class(reply) == 5 &&
           strstr(words, ": recipient address rejected: access denied") != NULL;
}

/* A lasting refusal that is not of the address: no mailbox, no such domain, no route (RFC 3463 X.1.Y, X.4.Y).
 */
static gboolean is_of_policy(const PosternReply *reply)
{
    const char *text = reply->text;
    if (text[0] == '5' && text[1] == '.')
        return text[2] == '7' && postern_reply_class(reply) == 5;
    return reply->code == 550 || reply->code == 554;
}

/* Taken, or refused for want of such a mailbox: so far it comes only if the client is not refused. */
static gboolean shows_client_is_welcome(const PosternRelayRecipient *control)
{
    if (control->role != POSTERN_RELAY_MAILBOX && control->role != POSTERN_RELAY_GUESS)
        return FALSE;
    if (is_taken(control))
        return TRUE;
    return is_refused(control) && g_str_has_prefix(control->reply->text, "5.1.1 ");
}

typedef struct {
    gboolean welcome;       /* neither client nor sender is refused */
    gboolean mailbox_taken; /* the administrator's */
    gboolean delivers;      /* it has the mailboxes itself, and what it knows no mailbox for goes nowhere */
} Controls;

static Controls look_at_controls(const GPtrArray *recipients)
{
    Controls controls = {0};
    for (guint i = 0; i < recipients->len; i++) {
        const PosternRelayRecipient *recipient = g_ptr_array_index(recipients, i);
        controls.welcome = controls.welcome || shows_client_is_welcome(recipient);
        controls.mailbox_taken =
            controls.mailbox_taken || (recipient->role == POSTERN_RELAY_MAILBOX && is_taken(recipient));
    }
    return controls;
}

/* The same words for a recipient of its own are no refusal to relay, whatever they say. */
static gboolean is_said_of_its_own(const GPtrArray *recipients, const char *words)
{
    for (guint i = 0; i < recipients->len; i++) {
        const PosternRelayRecipient *recipient = g_ptr_array_index(recipients, i);
        gboolean own =
            recipient->role == POSTERN_RELAY_POSTMASTER || recipient->role == POSTERN_RELAY_MAILBOX;
        if (!own || recipient->reply == NULL)
            continue;
        g_autofree char *others = words_of(recipient);
        if (g_str_equal(others, words))
            return TRUE;
    }
    return FALSE;
}

/* Without an answer to its own recipient there is nothing to compare with. */
static gboolean is_own_answered(const GPtrArray *recipients)
{
    for (guint i = 0; i < recipients->len; i++) {
        const PosternRelayRecipient *recipient = g_ptr_array_index(recipients, i);
        gboolean own =
            recipient->role == POSTERN_RELAY_POSTMASTER || recipient->role == POSTERN_RELAY_MAILBOX;
        if (own && recipient->reply == NULL)
            return FALSE;
    }
    return TRUE;
}

static gboolean is_proof(const GPtrArray *recipients, const PosternRelayRecipient *foreign,
                         const Controls *controls)
{
    if (!is_refused(foreign))
        return FALSE;
    g_autofree char *words = words_of(foreign);
    if (is_said_of_its_own(recipients, words) || holds_any(words, other_words, G_N_ELEMENTS(other_words)))
        return FALSE;
    return holds_any(words, relay_words, G_N_ELEMENTS(relay_words)) ||
           (controls->welcome && says_reject(foreign->reply, words)) ||
           (controls->mailbox_taken && (is_of_policy(foreign->reply) ||
                                        (controls->delivers && postern_reply_class(foreign->reply) == 5)));
}

static void append_answer(GString *text, const char *what, const PosternReply *reply)
{
    g_autofree char *words = reply != NULL ? postern_reply_to_text(reply) : g_strdup("nothing");
    g_autofree char *escaped = postern_escape(words, strlen(words), QUOTED_MAX_OCTETS);
    g_string_append_printf(text, "%s%s: \"%s\"", text->len > 0 ? "; " : "", what, escaped);
}

static char *answers_text(const PosternReply *mail, const GPtrArray *recipients)
{
    g_autoptr(GString) text = g_string_new(NULL);
    if (mail == NULL || postern_reply_class(mail) != 2) {
        append_answer(text, "MAIL", mail);
        return g_string_free(g_steal_pointer(&text), FALSE);
    }
    for (guint i = 0; i < recipients->len; i++) {
        const PosternRelayRecipient *recipient = g_ptr_array_index(recipients, i);
        g_autofree char *what = g_strdup_printf(
            "%s <%s>", recipient->role == POSTERN_RELAY_FOREIGN ? "foreign" : "control", recipient->path);
        append_answer(text, what, recipient->reply);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

PosternRelayState postern_relay_proof_judge(const PosternReply *mail, const GPtrArray *recipients,
                                            gboolean lmtp, char **ret_reason)
{
    Controls controls = look_at_controls(recipients);
    controls.delivers = lmtp;
    gboolean proof = FALSE;
    *ret_reason = answers_text(mail, recipients);
    for (guint i = 0; i < recipients->len; i++) {
        const PosternRelayRecipient *recipient = g_ptr_array_index(recipients, i);
        if (recipient->role != POSTERN_RELAY_FOREIGN)
            continue;
        if (is_taken(recipient))
            return POSTERN_RELAY_OPEN;
        proof = proof || is_proof(recipients, recipient, &controls);
    }
    gboolean comparable = mail != NULL && postern_reply_class(mail) == 2 && is_own_answered(recipients);
    return proof && comparable ? POSTERN_RELAY_SAFE : POSTERN_RELAY_UNCLEAR;
}
