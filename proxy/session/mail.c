#include <string.h>

#include "base/limits.h"
#include "proxy/session/private.h"

static void recipient_free(gpointer data)
{
    PosternRecipient *recipient = data;
    if (recipient == NULL)
        return;
    g_free(recipient->path);
    g_free(recipient->dsn_parameters);
    g_free(recipient);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternRecipient, recipient_free)
static void transaction_free(PosternTransaction *transaction);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternTransaction, transaction_free)

static PosternTransaction *transaction_new(gint64 now)
{
    PosternTransaction *transaction = g_new0(PosternTransaction, 1);
    transaction->identifier = postern_identifier_new();
    transaction->started = now;
    transaction->recipients = g_ptr_array_new_with_free_func(recipient_free);
    transaction->dsn_parameters = g_string_new(NULL);
    g_queue_init(&transaction->sent);
    postern_session_hold_init(&transaction->hold);
    transaction->rate.deadline = POSTERN_NEVER;
    return transaction;
}

static void transaction_free(PosternTransaction *transaction)
{
    if (transaction == NULL)
        return;
    g_queue_clear(&transaction->sent);
    g_clear_pointer(&transaction->recipients, g_ptr_array_unref);
    g_string_free(transaction->dsn_parameters, TRUE);
    postern_reply_free(transaction->mail_refusal);
    postern_message_unref(transaction->message);
    postern_transit_unref(transaction->transit);
    g_free(transaction->answer);
    postern_case_free(transaction->mail_case);
    g_free(transaction->failure);
    g_free(transaction->last_refusal);
    g_free(transaction);
}

void postern_session_drop_transaction(PosternSession *session)
{
    if (session->transaction != NULL && session->transaction->charged > 0)
        postern_budget_release(session->budget, session->transaction->charged);
    g_clear_pointer(&session->transaction, transaction_free);
}

/* If policy only observes, an address passes that is none. */
static void note_excused(PosternSession *session, const PosternCommand *command)
{
    if (command->excused == NULL)
        return;
    g_autofree char *reply = g_strdup_printf("501 %s %s", command->excused_code, command->excused);
    postern_session_would_refuse(session, reply);
}

void postern_session_mail(PosternSession *session, const PosternCommand *command, gint64 now)
{
    if (session->transaction != NULL) {
        postern_session_error(session, now, 503, "5.5.1", "MAIL was given already");
        return;
    }
    if (command->problem != NULL) {
        postern_session_error(session, now, 501, command->problem_code, command->problem);
        return;
    }
    if (session->leaving != NULL) {
        postern_session_end(session, session->leaving, now);
        return;
    }
    g_autoptr(PosternTransaction) transaction = transaction_new(now);
    if (!postern_session_take_mail_parameters(session, transaction, command, now))
        return;
    session->envelope->sender = g_strdup(command->path);
    session->envelope->sender_parameters = g_strdup(command->parameter_text);
    const gboolean inspect = session->settings->configuration->proxy.inspect;
    const PosternCaseOptions options = {
        .policies = session->settings->policies,
        .submission = session->core.submission,
        .no_received = !inspect,
        .takes_all = !inspect,
    };
    transaction->mail_case = postern_case_new(&options, session->envelope);
    session->transaction = g_steal_pointer(&transaction);
    g_free(session->envelope->session);
    session->envelope->session = g_strdup(postern_session_id(session));
    note_excused(session, command);
    postern_session_begin_inspection(session);
    postern_session_reply(session, 250, "2.1.0", "Ok");
}

/* If the back-end trusts us, an address that it would rewrite to another domain is a way to relay. */
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

typedef struct {
    guint code;
    const char *enhanced;
    const char *text;
} Refusal;

/* The path is kept twice: for the back-end, and in the envelope. */
static gboolean charge_recipient(PosternSession *session, const PosternRecipient *recipient)
{
    guint64 octets =
        POSTERN_RECIPIENT_CHARGE_OCTETS + 2 * strlen(recipient->path) + strlen(recipient->dsn_parameters);
    if (!postern_budget_reserve(session->budget, octets))
        return FALSE;
    session->transaction->charged += octets;
    return TRUE;
}

gboolean postern_session_may_guess_no_more(const PosternSession *session, guint more)
{
    guint maximum = session->settings->configuration->proxy.max_refused_recipients;
    return !session->core.trusted && maximum > 0 && session->core.refused_recipients + more >= maximum;
}

/* Why the back-end is not even asked; code 0: it is. */
static Refusal refusal_of(PosternSession *session, const PosternCommand *command, PosternRecipient *recipient)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction == NULL)
        return (Refusal){503, "5.5.1", "MAIL must come first"};
    if (command->problem != NULL)
        return (Refusal){501, command->problem_code, command->problem};
    if (transaction->recipients->len >= session->settings->configuration->proxy.max_recipients)
        return (Refusal){452, "4.5.3", "Too many recipients"};
    if (!postern_session_take_recipient_parameters(session, command, recipient))
        return (Refusal){555, "5.5.4", "Parameter of RCPT not recognised"};
    if (!is_our_recipient(session, command->path))
        return (Refusal){554, "5.7.1", "Relay access denied"};
    if (transaction->failure != NULL)
        return (Refusal){451, "4.3.0", "The mail server behind us cannot be used now, try again later"};
    if (postern_session_may_guess_no_more(session, 0))
        return (Refusal){452, "4.5.3", "Too many recipients were refused: send to the others separately"};
    if (postern_session_has_repeated_enough(session))
        return (Refusal){452, "4.5.3", "Too many recipients for one that is slow: send to it separately"};
    if (!postern_case_takes(transaction->mail_case, recipient->policy))
        return (Refusal){452, "4.5.3", "Another policy holds for this recipient: send to it separately"};
    return (Refusal){0, NULL, NULL};
}

/* recipient is taken over. */
static void refuse_recipient(PosternSession *session, PosternRecipient *recipient, const char *argument,
                             const Refusal *refusal, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    g_autofree char *words = g_strdup_printf("%u %s %s", refusal->code, refusal->enhanced, refusal->text);
    g_autofree char *reply = postern_session_finish_reply(session, words);
    postern_session_log_refusal(session, recipient, argument, "proxy", reply);
    gboolean mistake = refusal->code == 501 || refusal->code == 503 || refusal->code == 555;
    if (transaction != NULL && !mistake && transaction->recipients->len < POSTERN_RECIPIENTS_MAX &&
        charge_recipient(session, recipient)) {
        recipient->state = POSTERN_RECIPIENT_REFUSED;
        g_ptr_array_add(transaction->recipients, recipient);
        g_free(transaction->last_refusal);
        transaction->last_refusal = g_strdup(reply);
    } else {
        recipient_free(recipient);
    }
    /* A relay attempt counts as a mistake too: ten of them, and the client goes. */
    g_string_append(session->output, reply);
    if (refusal->code >= 500)
        postern_session_count_error(session, now);
}

static PosternRecipient *recipient_new(const PosternSession *session, const PosternCommand *command)
{
    PosternRecipient *recipient = g_new0(PosternRecipient, 1);
    recipient->path = g_strdup(command->path);
    recipient->dsn_parameters = g_strdup("");
    if (session->transaction != NULL)
        recipient->policy = postern_case_policy_of(session->transaction->mail_case, command->path);
    return recipient;
}

/* TRUE if whether policy fits depends on an answer that is still awaited: the first recipient that is
 * accepted gives the message its policy. */
static gboolean hangs_on_answers(const PosternSession *session, const PosternRecipient *recipient)
{
    const PosternTransaction *transaction = session->transaction;
    return postern_session_awaits_answers(session) && transaction->mail_case->policy == NULL &&
           transaction->asked_policy != recipient->policy && transaction->mail_case->splits;
}

/* TRUE if the answers that are awaited may be refusals enough: a client that tells all at once learns no more
 * than one that does not. */
static gboolean may_be_one_too_many(const PosternSession *session)
{
    return postern_session_awaits_answers(session) &&
           postern_session_may_guess_no_more(session, session->transaction->unanswered);
}

gboolean postern_session_rcpt(PosternSession *session, const PosternCommand *command, gint64 now)
{
    g_autoptr(PosternRecipient) recipient = recipient_new(session, command);
    Refusal refusal = refusal_of(session, command, recipient);
    PosternTransaction *transaction = session->transaction;
    gboolean answer_now = refusal.code != 0 || transaction->mail_refusal != NULL;
    if (hangs_on_answers(session, recipient) || may_be_one_too_many(session) ||
        (answer_now && postern_session_awaits_answers(session)))
        return FALSE;
    if (refusal.code != 0) {
        refuse_recipient(session, g_steal_pointer(&recipient), command->argument, &refusal, now);
        return TRUE;
    }
    if (!charge_recipient(session, recipient)) {
        if (postern_session_awaits_answers(session))
            return FALSE;
        postern_session_reply(session, 452, "4.3.1", "No room for a recipient now, try again later");
        return TRUE;
    }
    note_excused(session, command);
    PosternRecipient *asked = g_steal_pointer(&recipient);
    g_ptr_array_add(transaction->recipients, asked);
    transaction->asked_policy = asked->policy;
    if (transaction->unanswered++ == 0)
        postern_session_expect_answer(session, now);
    if (transaction->mail_refusal != NULL) {
        postern_session_answer_recipient(session, asked, transaction->mail_refusal, now);
        return TRUE;
    }
    postern_session_ask_recipients(session, now);
    return TRUE;
}
