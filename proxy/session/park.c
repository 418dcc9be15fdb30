#include <string.h>

#include "base/log.h"
#include "proxy/session/private.h"

struct PosternParkedSession {
    guint8 first; /* of octets that only this file reads */
};

void postern_session_core_clear(PosternSessionCore *core)
{
    postern_session_identity_clear(&core->own);
    g_clear_pointer(&core->would_reply, g_free);
}

void postern_parked_session_free(PosternParkedSession *parked)
{
    g_free(parked);
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

#define WALK_NUMBER(field) (field) = walk_number(walk, (guint64)(field))

static void walk_identity(Walk *walk, PosternClientIdentity *identity)
{
    walk_address(walk, &identity->address);
    walk_address(walk, &identity->server);
    char **texts[] = {&identity->name, &identity->reverse_name, &identity->helo, &identity->login,
                      &identity->queue};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        walk_text(walk, texts[i]);
    WALK_NUMBER(identity->name_known);
    WALK_NUMBER(identity->name_temporary);
    WALK_NUMBER(identity->reverse_known);
    WALK_NUMBER(identity->reverse_temporary);
    WALK_NUMBER(identity->esmtp);
    WALK_NUMBER(identity->local);
}

static void walk_core(Walk *walk, PosternSessionCore *core)
{
    walk_octets(walk, core->identifier.text, POSTERN_IDENTIFIER_LENGTH);
    WALK_NUMBER(core->trusted);
    WALK_NUMBER(core->submission);
    WALK_NUMBER(core->slow);
    walk_address(walk, &core->peer);
    walk_identity(walk, &core->own);
    WALK_NUMBER(core->announced.capabilities);
    WALK_NUMBER(core->announced.size);
    WALK_NUMBER(core->announced.xclient_attributes);
    WALK_NUMBER(core->announced.xforward_attributes);
    WALK_NUMBER(core->started);
    WALK_NUMBER(core->client_deadline);
    walk_text(walk, &core->would_reply);
    WALK_NUMBER(core->octets);
    guint *counters[] = {
        &core->commands,           &core->commands_without_mail, &core->errors,     &core->refusals,
        &core->refused_recipients, &core->early_greeting,        &core->early_data, &core->messages,
        &core->messages_accepted};
    for (gsize i = 0; i < G_N_ELEMENTS(counters); i++)
        WALK_NUMBER(*counters[i]);
}

/* All that the core does not hold is as in a new session. */
static gboolean is_at_rest(const PosternSession *session)
{
    return session->state == POSTERN_SESSION_COMMAND && session->transaction == NULL &&
           session->forwarded == NULL && session->held == NULL && session->backend == NULL &&
           session->link == POSTERN_LINK_NONE && session->our_turn == POSTERN_TURN_NONE &&
           session->leaving == NULL && session->ended == NULL && session->answer_deadline == POSTERN_NEVER &&
           session->output->len == 0 && session->actions.head == NULL &&
           postern_line_reader_is_between_lines(&session->line);
}

PosternParkedSession *postern_session_park(PosternSession *session)
{
    Walk walk = {0};
    if (!is_at_rest(session))
        return NULL;
    postern_log_state("session", session->core.identifier.text, "command", "parked");
    walk_core(&walk, &session->core);
    PosternParkedSession *parked = g_malloc(walk.count);
    walk = (Walk){.to = &parked->first};
    walk_core(&walk, &session->core);
    postern_session_free(session);
    return parked;
}

PosternSession *postern_session_resume(PosternProxySettings *settings, PosternParkedSession *parked)
{
    PosternSession *session = postern_session_alloc(settings);
    Walk walk = {.from = &parked->first};
    walk_core(&walk, &session->core);
    postern_parked_session_free(parked);
    session->envelope->session = g_strdup(session->core.identifier.text);
    postern_session_show_client(session);
    postern_log_state("session", session->core.identifier.text, "parked", "command");
    return session;
}
