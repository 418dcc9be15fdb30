#include <string.h>

#include "base/log.h"
#include "proxy/session/private.h"

void postern_session_core_clear(PosternSessionCore *core)
{
    postern_session_identity_clear(&core->own);
    g_clear_pointer(&core->would_reply, g_free);
}

void postern_parked_session_clear(PosternParkedSession *parked)
{
    if (parked->is_elsewhere)
        g_free(parked->elsewhere);
    parked->is_elsewhere = FALSE;
}

/* One walk over the core counts, writes and reads. */
typedef struct {
    guint8 *to;         /* NULL: nothing is written */
    const guint8 *from; /* NULL: nothing is read */
    gsize count;
} Walk;

static void walk_octets(Walk *walk, void *octets, gsize length)
{
    if (walk->to != NULL)
        memcpy(walk->to + walk->count, octets, length);
    if (walk->from != NULL)
        memcpy(octets, walk->from + walk->count, length);
    walk->count += length;
}

/* Seven bits an octet, the least first; the highest bit says that more follow. */
static guint64 walk_number(Walk *walk, guint64 number)
{
    guint64 value = 0;
    guint8 octet = 0x80;
    for (guint shift = 0; (octet & 0x80) != 0; shift += 7) {
        octet = (guint8)((number >> shift & 0x7f) | (shift < 63 && number >> shift > 0x7f ? 0x80 : 0));
        walk_octets(walk, &octet, 1);
        value |= (guint64)(octet & 0x7f) << shift;
    }
    return value;
}

static void walk_text(Walk *walk, char **text)
{
    guint64 length = walk_number(walk, *text != NULL ? strlen(*text) + 1 : 0);
    if (length == 0)
        return;
    if (walk->from != NULL)
        *text = g_malloc0(length);
    g_assert(*text != NULL);
    walk_octets(walk, *text, length - 1);
}

static void walk_address(Walk *walk, PosternAddress *address)
{
    address->family = (sa_family_t)walk_number(walk, address->family);
    address->port = (guint16)walk_number(walk, address->port);
    if (address->family == AF_INET)
        walk_octets(walk, &address->ipv4, sizeof address->ipv4);
    else if (address->family == AF_INET6)
        walk_octets(walk, &address->ipv6, sizeof address->ipv6);
}

/* One bit each. */
static void walk_flags(Walk *walk, gboolean *flags, guint count)
{
    guint64 all = 0;
    for (guint i = 0; i < count; i++)
        all |= (guint64)(flags[i] != FALSE) << i;
    all = walk_number(walk, all);
    for (guint i = 0; i < count; i++)
        flags[i] = (all >> i & 1) != 0;
}

/* Most are who has connected, and their one name is verified. */
static void walk_identity(Walk *walk, PosternClientIdentity *identity, const PosternAddress *peer)
{
    gboolean flags[] = {identity->name_known,
                        identity->name_temporary,
                        identity->reverse_known,
                        identity->reverse_temporary,
                        identity->esmtp,
                        identity->local,
                        postern_address_is_same(&identity->address, peer),
                        identity->name != NULL && g_strcmp0(identity->name, identity->reverse_name) == 0};
    walk_flags(walk, flags, G_N_ELEMENTS(flags));
    identity->name_known = flags[0];
    identity->name_temporary = flags[1];
    identity->reverse_known = flags[2];
    identity->reverse_temporary = flags[3];
    identity->esmtp = flags[4];
    identity->local = flags[5];
    if (!flags[6])
        walk_address(walk, &identity->address);
    else if (walk->from != NULL)
        identity->address = *peer;
    walk_address(walk, &identity->server);
    walk_text(walk, &identity->name);
    if (!flags[7])
        walk_text(walk, &identity->reverse_name);
    else if (walk->from != NULL)
        identity->reverse_name = g_strdup(identity->name);
    walk_text(walk, &identity->helo);
    walk_text(walk, &identity->login);
    walk_text(walk, &identity->queue);
}

static void walk_core(Walk *walk, PosternSessionCore *core)
{
    gboolean flags[] = {core->trusted, core->submission,    core->slow,
                        core->tls,     core->authenticated, core->untimely};
    guint *counters[] = {&core->commands,
                         &core->commands_without_mail,
                         &core->spared,
                         &core->errors,
                         &core->mistakes,
                         &core->refusals,
                         &core->refused_recipients,
                         &core->failed_logins,
                         &core->early_greeting,
                         &core->early_data,
                         &core->messages,
                         &core->messages_accepted,
                         &core->turns};
    walk_octets(walk, core->identifier.text, POSTERN_IDENTIFIER_LENGTH);
    walk_flags(walk, flags, G_N_ELEMENTS(flags));
    core->trusted = flags[0];
    core->submission = flags[1];
    core->slow = flags[2];
    core->tls = flags[3];
    core->authenticated = flags[4];
    core->untimely = flags[5];
    walk_address(walk, &core->peer);
    walk_identity(walk, &core->own, &core->peer);
    core->started = (gint64)walk_number(walk, (guint64)core->started);
    core->client_deadline =
        core->started + (gint64)walk_number(walk, (guint64)(core->client_deadline - core->started));
    walk_text(walk, &core->would_reply);
    core->octets = walk_number(walk, core->octets);
    for (gsize i = 0; i < G_N_ELEMENTS(counters); i++)
        *counters[i] = (guint)walk_number(walk, *counters[i]);
}

/* All that the core does not hold is as in a new session. */
static gboolean is_at_rest(const PosternSession *session)
{
    return session->state == POSTERN_SESSION_COMMAND && session->transaction == NULL &&
           session->forwarded == NULL && session->pending_command == NULL && !session->checks_client &&
           session->backend == NULL && session->link == POSTERN_LINK_NONE &&
           session->our_turn == POSTERN_TURN_NONE && session->leaving == NULL && session->ended == NULL &&
           session->answer_deadline == POSTERN_NEVER && session->output->len == 0 &&
           session->acted == session->actions->len && postern_line_reader_is_between_lines(&session->line);
}

gboolean postern_session_park(PosternSession *session, PosternParkedSession *ret_parked)
{
    Walk walk = {0};
    if (!is_at_rest(session))
        return FALSE;
    postern_log_state("session", session->core.identifier.text, "command", "parked");
    walk_core(&walk, &session->core);
    ret_parked->is_elsewhere = walk.count > sizeof ret_parked->here;
    if (ret_parked->is_elsewhere)
        ret_parked->elsewhere = g_malloc(walk.count);
    walk = (Walk){.to = ret_parked->is_elsewhere ? ret_parked->elsewhere : ret_parked->here};
    walk_core(&walk, &session->core);
    postern_session_free(session);
    return TRUE;
}

PosternSession *postern_session_resume(PosternProxySettings *settings, PosternParkedSession *parked)
{
    PosternSession *session = postern_session_alloc(settings);
    Walk walk = {.from = parked->is_elsewhere ? parked->elsewhere : parked->here};
    walk_core(&walk, &session->core);
    postern_parked_session_clear(parked);
    session->envelope->session = g_strdup(session->core.identifier.text);
    postern_session_show_client(session);
    postern_log_state("session", session->core.identifier.text, "parked", "command");
    return session;
}
