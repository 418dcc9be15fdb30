#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "proxy/session/room.h"

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
    PosternTransaction *transaction = postern_new_zeroed(PosternTransaction);
    transaction->identifier = postern_identifier_new();
    transaction->started = now;
    transaction->recipients = g_ptr_array_new_with_free_func(recipient_free);
    transaction->dsn_parameters = g_string_new(NULL);
    g_queue_init(&transaction->sent);
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
    g_free(transaction->auth_parameter);
    postern_session_forget_room(transaction);
    postern_reply_free(transaction->mail_refusal);
    postern_message_unref(transaction->message);
    postern_transit_unref(transaction->transit);
    g_free(transaction->answer);
    postern_case_free(transaction->mail_case);
    g_free(transaction->failure);
    g_free(transaction->server_tls);
    g_free(transaction->server);
    g_free(transaction->server_queue);
    postern_budget_unref(transaction->budget);
    g_free(transaction->last_refusal);
    g_free(transaction);
}

void postern_session_drop_transaction(PosternSession *session)
{
    if (session->transaction != NULL && session->transaction->charged > 0)
        postern_budget_release(session->transaction->budget, session->transaction->charged);
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

/* Clients that a server in front speaks for must not starve each other. */
static PosternBudget *share_of_client(const PosternSession *session)
{
    if (session->screen == NULL || !session->core.trusted)
        return postern_budget_ref(session->budget);
    return postern_screen_share(session->screen, session->budget,
                                postern_proxy_settings_client_share(session->settings),
                                postern_proxy_settings_client_assured(session->settings));
}

/* It is logged as the message that it would have begun. */
static void refuse_sender(PosternSession *session, PosternTransaction *transaction,
                          const PosternCommand *command, const char *refusal, gint64 now)
{
    session->transaction = transaction;
    transaction->logged = TRUE;
    g_autofree char *reply = postern_session_finish_reply(session, refusal);
    g_string_append(session->output, reply);
    postern_session_log_refused_sender(session, command, reply);
    postern_session_drop_transaction(session);
    if (refusal[0] == '5' && !g_str_has_prefix(refusal, "552"))
        postern_session_count_error(session, TRUE, now);
}

void postern_session_mail(PosternSession *session, const PosternCommand *command, gint64 now)
{
    g_autoptr(PosternTransaction) transaction = transaction_new(now);
    g_autofree char *problem =
        command->problem != NULL
            ? g_strdup_printf("501 %s %s", command->problem_code, command->problem)
            : g_strdup(postern_session_take_mail_parameters(session, transaction, command));
    if (problem != NULL) {
        refuse_sender(session, g_steal_pointer(&transaction), command, problem, now);
        return;
    }
    if (session->core.submission && !postern_proxy_settings_is_filter(session->settings) &&
        !session->core.authenticated) {
        postern_session_error(session, now, 530, "5.7.0", "Authentication required"); /* RFC 4954 6 */
        return;
    }
    if (session->leaving != NULL) {
        postern_session_end(session, session->leaving, now);
        return;
    }
    problem = postern_session_client_refusal(session, NULL);
    postern_session_forget_client(session);
    if (problem != NULL) {
        refuse_sender(session, g_steal_pointer(&transaction), command, problem, now);
        return;
    }
    PosternScreenRefusal limit;
    if (postern_session_is_over_limit(session, POSTERN_COUNT_MESSAGES, now, &limit)) {
        postern_session_reply(session, limit.code, limit.enhanced, "%s", limit.text);
        if (limit.code == 421)
            postern_session_finish(session, "screen", now);
        return;
    }
    session->envelope->sender = g_strdup(command->path);
    session->envelope->sender_parameters = g_strdup(command->parameter_text);
    const gboolean inspect = session->settings->configuration->proxy.inspect;
    const PosternCaseOptions options = {
        .policies = session->settings->policies,
        .submission = session->core.submission || session->core.authenticated,
        .no_received = !inspect,
        .takes_all = !inspect,
    };
    transaction->mail_case = postern_case_new(&options, session->envelope);
    transaction->budget = share_of_client(session);
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

/* Where the domain begins, with its '@'; or the end. */
static const char *domain_of(const char *path)
{
    const char *at = strrchr(path, '@');
    return at != NULL ? at : path + strlen(path);
}

static gboolean is_our_recipient(const PosternSession *session, const char *path)
{
    GHashTable *domains = session->settings->recipient_domains;
    if (session->core.authenticated) /* where users may send is for the back-end to say, which let them in */
        return TRUE;
    if (g_ascii_strcasecmp(path, "postmaster") == 0)
        return TRUE;
    if (g_hash_table_size(domains) == 0)
        return session->settings->routes == NULL || !is_routed(path, domain_of(path));
    g_autofree char *local_part = NULL;
    g_autofree char *domain = NULL;
    postern_path_mailbox(path, &local_part, &domain);
    return domain[0] != '\0' && !is_routed(path, domain_of(path)) && g_hash_table_contains(domains, domain);
}

/* The path is kept twice: for the back-end, and in the envelope. */
static gboolean charge_recipient(PosternSession *session, const PosternRecipient *recipient, gint64 now)
{
    guint64 octets =
        POSTERN_RECIPIENT_CHARGE_OCTETS + 2 * strlen(recipient->path) + strlen(recipient->dsn_parameters);
    while (!postern_budget_reserve(session->transaction->budget, octets))
        if (!postern_session_make_room(session, octets, now))
            return FALSE;
    session->transaction->charged += octets;
    return TRUE;
}

gboolean postern_session_may_guess_no_more(const PosternSession *session, guint more)
{
    guint maximum = session->settings->configuration->proxy.max_refused_recipients;
    return !session->core.trusted && maximum > 0 && session->core.refused_recipients + more >= maximum;
}

/* Of those that the back-end refuses, any number does not reach its limit. */
static gboolean has_recipients_enough(const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    return transaction->recipients->len >= session->settings->configuration->proxy.max_recipients ||
           transaction->accepted + transaction->unanswered >= postern_session_recipient_limit(session);
}

static gboolean goes_elsewhere(const PosternTransaction *transaction, const PosternRecipient *recipient)
{
    return transaction->group != NULL && recipient->group != transaction->group;
}

/* Nobody was accepted at the servers that were asked first: others may be asked. */
static void go_to(PosternSession *session, const PosternProxyGroup *group, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction->group != NULL && transaction->group != group) {
        postern_session_release_backend(session, now);
        g_clear_pointer(&transaction->mail_refusal, postern_reply_free);
        g_clear_pointer(&transaction->failure, g_free);
    }
    transaction->group = group;
}

/* Why the back-end is not even asked, "CODE X.Y.Z text"; a new string. NULL: it is. */
static char *refusal_of(PosternSession *session, const PosternCommand *command, PosternRecipient *recipient)
{
    PosternTransaction *transaction = session->transaction;
    if (command->problem != NULL)
        return g_strdup_printf("501 %s %s", command->problem_code, command->problem);
    const char *refusal = postern_session_take_recipient_parameters(session, command, recipient);
    if (has_recipients_enough(session))
        refusal = "452 4.5.3 Too many recipients";
    else if (refusal != NULL)
        return g_strdup(refusal);
    else if (!is_our_recipient(session, command->path))
        refusal = "554 5.7.1 Relay access denied";
    else if (recipient->group == NULL)
        refusal = "550 5.7.1 Relaying refused: no route leads there";
    else if (goes_elsewhere(transaction, recipient) && transaction->accepted > 0)
        refusal = "452 4.5.3 Other servers take mail for this recipient: send to it separately";
    else if (transaction->failure != NULL && !goes_elsewhere(transaction, recipient))
        refusal = postern_session_no_server_reply;
    else if (postern_session_may_guess_no_more(session, 0))
        refusal = "452 4.5.3 Too many recipients were refused: send to the others separately";
    else if (postern_session_has_repeated_enough(session))
        refusal = "452 4.5.3 Too many recipients for one that is slow: send to it separately";
    else if (!postern_case_takes(transaction->mail_case, recipient->policy))
        refusal = "452 4.5.3 Another policy holds for this recipient: send to it separately";
    else
        return postern_session_client_refusal(session, command->path);
    return g_strdup(refusal);
}

static gboolean is_mistake(const char *refusal)
{
    return g_str_has_prefix(refusal, "501") || g_str_has_prefix(refusal, "553") ||
           g_str_has_prefix(refusal, "555");
}

/* recipient is taken over. */
static void refuse_recipient(PosternSession *session, PosternRecipient *recipient, const char *argument,
                             const char *refusal, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    g_autofree char *reply = postern_session_finish_reply(session, refusal);
    postern_session_log_refusal(session, recipient, argument, "proxy", reply);
    if (!is_mistake(refusal) && transaction->recipients->len < POSTERN_RECIPIENTS_MAX &&
        charge_recipient(session, recipient, now)) {
        recipient->state = POSTERN_RECIPIENT_REFUSED;
        g_ptr_array_add(transaction->recipients, recipient);
        g_free(transaction->last_refusal);
        transaction->last_refusal = g_strdup(reply);
    } else {
        recipient_free(recipient);
    }
    /* A relay attempt counts as a mistake too: ten of them, and the client goes. */
    g_string_append(session->output, reply);
    if (refusal[0] == '5' && !is_mistake(refusal)) { /* its suspicion is that of the error, once */
        postern_session_count(session, POSTERN_COUNT_REFUSED_RECIPIENTS, 1, now);
        session->core.refused_recipients++;
    }
    if (refusal[0] == '5')
        postern_session_count_error(session, is_mistake(refusal), now);
}

/* Where users may send is for the back-end to say that let them in; postmaster without a domain is ours. */
static const PosternProxyGroup *route_of(const PosternSession *session, const char *path)
{
    const PosternProxySettings *settings = session->settings;
    const PosternRouteSubject subject = {
        .recipient = path != NULL ? path : "",
        .sender = session->envelope->sender,
        .class = session->screen != NULL ? session->screen->class->name : NULL,
        .submission = session->core.submission,
    };
    int place = settings->routes != NULL && !session->core.authenticated
                    ? postern_routes_find(settings->routes, &subject)
                    : 0;
    if (place < 0 && g_ascii_strcasecmp(subject.recipient, "postmaster") == 0)
        place = 0;
    return place >= 0 ? g_ptr_array_index(settings->groups, place) : NULL;
}

static PosternRecipient *recipient_new(const PosternSession *session, const PosternCommand *command)
{
    PosternRecipient *recipient = postern_new_zeroed(PosternRecipient);
    recipient->path = g_strdup(command->path);
    recipient->dsn_parameters = g_strdup("");
    recipient->policy = postern_case_policy_of(session->transaction->mail_case, command->path);
    recipient->group = route_of(session, command->path);
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

/* What the servers have said of it before, to anybody, or NULL. */
static PosternReply *known_refusal(const PosternSession *session, const PosternRecipient *recipient,
                                   gint64 now)
{
    if (session->core.authenticated || recipient->group == NULL)
        return NULL;
    return postern_refusals_find(postern_server_group_refusals(recipient->group->servers), recipient->path,
                                 now);
}

gboolean postern_session_rcpt(PosternSession *session, const PosternCommand *command, gint64 now)
{
    g_autoptr(PosternRecipient) recipient = recipient_new(session, command);
    g_autofree char *refusal = refusal_of(session, command, recipient);
    PosternTransaction *transaction = session->transaction;
    gboolean elsewhere = goes_elsewhere(transaction, recipient);
    g_autoptr(PosternReply) known = refusal == NULL ? known_refusal(session, recipient, now) : NULL;
    gboolean answer_now = refusal != NULL || transaction->mail_refusal != NULL || elsewhere || known != NULL;
    if (hangs_on_answers(session, recipient) || may_be_one_too_many(session) ||
        (answer_now && postern_session_awaits_answers(session)))
        return FALSE;
    if (refusal != NULL) {
        refuse_recipient(session, g_steal_pointer(&recipient), command->argument, refusal, now);
        return TRUE;
    }
    PosternScreenRefusal limit;
    if (postern_session_is_over_limit(session, POSTERN_COUNT_RECIPIENTS, now, &limit)) {
        if (postern_session_awaits_answers(session))
            return FALSE;
        refusal = g_strdup_printf("%u %s %s", limit.code, limit.enhanced, limit.text);
        refuse_recipient(session, g_steal_pointer(&recipient), command->argument, refusal, now);
        if (limit.code == 421)
            postern_session_finish(session, "screen", now);
        return TRUE;
    }
    if (!charge_recipient(session, recipient, now)) {
        if (postern_session_awaits_answers(session))
            return FALSE;
        postern_session_reply(session, 452, "4.3.1", "No room for a recipient now, try again later");
        return TRUE;
    }
    note_excused(session, command);
    go_to(session, recipient->group, now);
    PosternRecipient *asked = g_steal_pointer(&recipient);
    g_ptr_array_add(transaction->recipients, asked);
    transaction->asked_policy = asked->policy;
    if (transaction->unanswered++ == 0)
        postern_session_expect_answer(session, now);
    asked->was_known = known != NULL && transaction->mail_refusal == NULL;
    if (transaction->mail_refusal != NULL || known != NULL) {
        postern_session_answer_recipient(
            session, asked, transaction->mail_refusal != NULL ? transaction->mail_refusal : known, now);
        return TRUE;
    }
    postern_session_ask_recipients(session, now);
    return TRUE;
}
