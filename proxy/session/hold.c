#include "base/fair_queue.h"
#include "base/limits.h"
#include "proxy/session/private.h"

void postern_session_hold_init(PosternHold *hold)
{
    *hold = (PosternHold){
        .waits_since = POSTERN_NEVER,
        .ptr_deadline = POSTERN_NEVER,
        .silence_deadline = POSTERN_NEVER,
        .offer_deadline = POSTERN_NEVER,
    };
}

gint64 postern_session_hold_deadline(const PosternHold *hold)
{
    return MIN(hold->ptr_deadline, MIN(hold->silence_deadline, hold->offer_deadline));
}

guint64 postern_session_client_number(const PosternSession *session)
{
    const PosternClientIdentity *own = &session->core.own;
    if (session->forwarded != NULL)
        return postern_address_client_number(&session->forwarded->address);
    guint64 number = postern_address_client_number(&own->address);
    gboolean tells_of_nobody =
        session->core.trusted && number == postern_address_client_number(&session->core.peer);
    return tells_of_nobody ? POSTERN_FAIR_QUEUE_NOBODY : number;
}

const PosternProxyGroup *postern_session_group(const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    return transaction != NULL && transaction->group != NULL
               ? transaction->group
               : g_ptr_array_index(session->settings->groups, 0);
}

guint64 postern_session_balance_key(const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    if (postern_session_group(session)->settings.balance != POSTERN_BALANCE_RECIPIENT_DOMAIN ||
        transaction == NULL)
        return postern_session_client_number(session);
    g_autofree char *local_part = NULL;
    g_autofree char *domain = NULL; /* as an A-label, however the client writes it */
    for (guint i = 0; i < transaction->recipients->len && domain == NULL; i++) {
        const PosternRecipient *recipient = g_ptr_array_index(transaction->recipients, i);
        if (recipient->state != POSTERN_RECIPIENT_REFUSED)
            postern_path_mailbox(recipient->path, &local_part, &domain);
    }
    return domain != NULL ? postern_balance_key(domain) : 0;
}

static void ask_for_one(PosternSession *session, gint64 now)
{
    session->borrows_since = now;
    session->hold.ptr_deadline = POSTERN_NEVER;
    postern_session_set_link(session, POSTERN_LINK_BORROWING);
    postern_session_act(session, POSTERN_SESSION_BORROW)->group = postern_session_group(session);
}

void postern_session_borrow(PosternSession *session, gint64 now)
{
    if (postern_session_identity(session)->name_known) {
        ask_for_one(session, now);
        return;
    }
    postern_session_set_link(session, POSTERN_LINK_WAITING_FOR_PTR);
    session->hold.ptr_deadline = now + POSTERN_CLIENT_NAME_WAIT_MS;
}

void postern_session_client_name(PosternSession *session, const char *name, gboolean temporary, gint64 now)
{
    if (session->core.own.name_known)
        return; /* another name was given in the meantime */
    g_free(session->core.own.name);
    session->core.own.name = g_strdup(name);
    session->core.own.name_known = TRUE;
    session->core.own.name_temporary = temporary;
    postern_session_show_client(session);
    if (session->screen != NULL && !temporary)
        postern_screen_names(session->screen, name, session->core.own.reverse_name, now);
    if (session->link == POSTERN_LINK_WAITING_FOR_PTR)
        ask_for_one(session, now);
}

/* The back-end is no longer ours; what it was asked must be asked again. */
void postern_session_unlink_backend(PosternSession *session)
{
    postern_session_set_link(session, POSTERN_LINK_NONE);
    session->backend = NULL;
    postern_session_hold_init(&session->hold);
    PosternTransaction *transaction = session->transaction;
    if (transaction == NULL)
        return;
    PosternRecipient *recipient;
    while ((recipient = g_queue_pop_head(&transaction->sent)) != NULL)
        if (recipient->state == POSTERN_RECIPIENT_SENT)
            recipient->state = POSTERN_RECIPIENT_PENDING;
}

void postern_session_release_backend(PosternSession *session, gint64 now)
{
    PosternBackend *backend = session->backend;
    PosternLink link = session->link;
    const gboolean recalled = session->hold.recalled, offered = session->hold.offered;
    postern_session_unlink_backend(session);
    if (link == POSTERN_LINK_BORROWING)
        postern_session_act(session, POSTERN_SESSION_BORROW_CANCEL);
    if (backend == NULL)
        return;
    gboolean data_asked = session->transaction != NULL && session->transaction->data_sent;
    PosternBackendState state = postern_backend_state(backend);
    if (state == POSTERN_BACKEND_ENVELOPE && !data_asked)
        postern_backend_reset(backend, now);
    else if (state != POSTERN_BACKEND_IDLE) {
        postern_session_act(session, POSTERN_SESSION_ABANDON);
        return;
    }
    if (!session->core.authenticated) {
        postern_session_act(session, POSTERN_SESSION_RETURN);
        return;
    }
    session->backend = backend;
    session->hold.recalled = recalled;
    session->hold.offered = offered;
    postern_session_set_link(session, POSTERN_LINK_OWN);
    postern_session_watch_hold(session, now);
}

/* Nothing is awaited from the back-end: the client is to speak, or the verdict is awaited. */
static gboolean has_nothing_to_do(const PosternSession *session)
{
    return session->link == POSTERN_LINK_OPEN && !postern_session_awaits_answers(session) &&
           !postern_session_is_streaming(session) &&
           (session->state == POSTERN_SESSION_COMMAND || postern_session_is_in_message(session) ||
            session->state == POSTERN_SESSION_INSPECTING);
}

/* A verdict that takes long is not the client's doing. */
static void give_back(PosternSession *session, gint64 now)
{
    session->core.slow = session->core.slow || session->state != POSTERN_SESSION_INSPECTING;
    postern_session_release_backend(session, now);
}

gboolean postern_session_is_slow(const PosternSession *session)
{
    return session->core.slow;
}

/* A back-end that serves a login stays with it; who does nothing with it may be let go for others. */
static void watch_login(PosternSession *session, gint64 now)
{
    if (session->transaction == NULL && session->state == POSTERN_SESSION_COMMAND &&
        (session->hold.recalled || !session->hold.offered))
        session->hold.offer_deadline = now + POSTERN_LOGIN_PATIENCE_MS;
}

void postern_session_watch_hold(PosternSession *session, gint64 now)
{
    PosternHold *hold = &session->hold;
    if (session->backend == NULL)
        return;
    if (hold->waits_since != POSTERN_NEVER)
        hold->waited_ms += now - hold->waits_since;
    hold->waits_since = hold->silence_deadline = hold->offer_deadline = POSTERN_NEVER;
    if (session->core.authenticated) {
        watch_login(session, now);
        return;
    }
    if (!has_nothing_to_do(session))
        return;
    if (hold->recalled) {
        give_back(session, now);
        return;
    }
    const gint64 repeats = session->transaction->repeats;
    gint64 patience = POSTERN_BORROW_PATIENCE_MS * (1 + repeats);
    hold->waits_since = now;
    if (!hold->offered)
        hold->offer_deadline = now + MAX(0, patience - hold->waited_ms);
    if (session->state != POSTERN_SESSION_INSPECTING)
        hold->silence_deadline = now + POSTERN_BORROW_SILENCE_MS * (1 + repeats);
}

void postern_session_judge_hold(PosternSession *session, gint64 now)
{
    PosternHold *hold = &session->hold;
    if (now >= hold->ptr_deadline)
        postern_session_client_name(session, NULL, TRUE, now);
    if (now >= hold->silence_deadline) {
        give_back(session, now);
    } else if (now >= hold->offer_deadline) {
        hold->offer_deadline = POSTERN_NEVER;
        if (session->core.authenticated && hold->recalled) {
            postern_session_end(session, "Too many clients at once, log in again later", now);
            return;
        }
        hold->offered = TRUE;
        postern_session_act(session, POSTERN_SESSION_OFFER);
    }
}

void postern_session_recalled(PosternSession *session, gint64 now)
{
    if (session->backend == NULL)
        return;
    session->hold.recalled = TRUE;
    postern_session_judge_stream(session, now);
    postern_session_watch_hold(session, now);
}

gboolean postern_session_has_repeated_enough(const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    return session->link == POSTERN_LINK_NONE && transaction->accepted > 0 &&
           transaction->repeats >= POSTERN_BORROW_REPEATS_MAX;
}
