/* The inside of session_harness.h: what a harness holds, and its MTA. */
#pragma once

#include <errno.h>
#include <string.h>

#include "proxy/connection/thread_private.h"
#include "session_replies.h"
#include "support/smtp_peer.h"
#include "support/world.h"

/* Of the client that wants the back-end too, while others_wait. */
#define HARNESS_RIVAL "198.51.100.200"

typedef struct Harness Harness;

/* The MTA's end of a connection. */
typedef struct {
    Harness *harness;
    Wire *wire;
    SmtpPeer peer;
    gboolean serves_client, serves_rival; /* of whom it was told last; nobody: it is free since */
    gboolean released;                    /* our client had it, and nobody since */
    gboolean told_quit;
} HarnessMta;

struct Harness {
    World world;
    gboolean begun_world;
    PosternProxySettings *settings; /* the world's */
    PosternAddress address;
    gboolean submission;
    gsize piece; /* octets at a time, either way */
    GArray *rules;
    Wire *client; /* NULL: not there yet, or gone */
    gboolean connected, accepted;
    GPtrArray *mtas; /* of HarnessMta * */
    HarnessMta *mta; /* that was spoken to last, or NULL */
    Wire *rival;
    GString *rival_heard;
    gboolean rival_waits;
    gboolean lent;             /* our client has a back-end */
    gboolean others_wait;      /* the rival does, whenever our client has one */
    gboolean hold_connections; /* to the MTA: they are not made before harness_give() */
    gboolean hold_inspection;  /* what INSPECT_MESSAGE asks for waits for harness_inspected() */
    gboolean hold_names;       /* those of clients wait for harness_name() */
    const char *name;          /* of all clients, or NULL */
    gboolean name_temporary;
    char *asked_address; /* whose name was asked for last */
    WorldAsk *ask;       /* that waits, or NULL */
    WorldInspection *inspection;
    PosternFindings *findings;
    char identifier[POSTERN_IDENTIFIER_LENGTH + 1];
    GString *replies;     /* what the client got */
    GString *commands;    /* what the MTA got, one a line */
    GString *message;     /* the last one that the MTA got whole, unstuffed; "" for none */
    GString *log;         /* closing lines */
    PosternChecks begun;  /* checks of the last INSPECT_ENVELOPE */
    PosternChecks checks; /* of the last INSPECT_MESSAGE */
    GString *origins;     /* addresses of INSPECT_ORIGIN, one a line */
    guint messages, borrows, returns, abandons, look_ups;
};

static inline void harness_rule(Harness *harness, const char *prefix, const char *reply, guint times)
{
    HarnessRule rule = {prefix, reply, times};
    g_array_append_val(harness->rules, rule);
}

/* ---- the MTA */

static inline void harness_mta_free(gpointer data)
{
    HarnessMta *mta = data;
    if (mta->harness->mta == mta)
        mta->harness->mta = NULL;
    smtp_peer_clear(&mta->peer);
    wire_leave(mta->wire, FALSE);
    g_free(mta);
}

static inline void harness_mta_leaves(HarnessMta *mta)
{
    g_ptr_array_remove(mta->harness->mtas, mta);
}

/* The MTA says text, which is no answer by its rules. */
static inline void harness_mta_says(Harness *harness, const char *text)
{
    g_assert_nonnull(harness->mta);
    wire_say(harness->mta->wire, text, strlen(text));
}

/* FALSE: it has closed instead. */
static inline gboolean harness_mta_answers(HarnessMta *mta, const char *command)
{
    const char *reply =
        mta->serves_rival ? harness_default_reply(command) : harness_reply(mta->harness->rules, command);
    if (g_str_equal(reply, HARNESS_SILENCE))
        return TRUE;
    if (g_str_equal(reply, HARNESS_CLOSE)) {
        harness_mta_leaves(mta);
        return FALSE;
    }
    if (g_str_has_prefix(reply, "354"))
        smtp_peer_expect_message(&mta->peer);
    wire_say(mta->wire, reply, strlen(reply));
    return TRUE;
}

static inline void harness_mta_notes(HarnessMta *mta, const char *command)
{
    Harness *harness = mta->harness;
    gboolean identifies = g_str_has_prefix(command, "XCLIENT ") || g_str_has_prefix(command, "XFORWARD ");
    if (identifies) {
        mta->serves_rival = strstr(command, HARNESS_RIVAL) != NULL;
        mta->serves_client = !mta->serves_rival;
        mta->released = FALSE;
    }
    mta->told_quit |= g_str_equal(command, "QUIT");
    if (mta->serves_rival)
        return;
    harness->borrows += identifies;
    g_string_append_printf(harness->commands, "%s\n", command);
}

static inline void harness_mta_received(Wire *wire, const char *octets, gsize length)
{
    HarnessMta *mta = wire->user_data;
    Harness *harness = mta->harness;
    harness->mta = mta;
    for (gsize at = 0; at < length;) {
        gsize taken = 0;
        SmtpPeerEvent event = smtp_peer_take(&mta->peer, octets + at, length - at, &taken);
        at += taken;
        if (event == SMTP_PEER_MORE)
            continue;
        if (event == SMTP_PEER_MESSAGE) {
            g_autoptr(GString) message = smtp_peer_message(&mta->peer);
            g_string_assign(harness->message, message->str);
            harness->messages++;
        }
        const char *command = event == SMTP_PEER_MESSAGE ? "." : mta->peer.line->str;
        harness_mta_notes(mta, command);
        if (!harness_mta_answers(mta, command))
            return;
    }
}

static inline void harness_mta_shut(Wire *wire)
{
    HarnessMta *mta = wire->user_data;
    gboolean abandoned = !mta->told_quit && (mta->serves_client || mta->released);
    mta->harness->abandons += abandoned;
    mta->harness->returns -= abandoned && mta->released;
    harness_mta_leaves(mta);
}

static inline void harness_mta_closed(Wire *wire, gboolean reset)
{
    harness_mta_leaves(wire->user_data);
}

static inline void harness_mta_takes(HarnessMta *mta)
{
    wire_answer_connect(mta->wire, 0);
    harness_mta_answers(mta, "connect");
}

static inline gboolean harness_connects(World *world, Wire *wire, const PosternAddress *address)
{
    static const WirePeer peer = {
        .received = harness_mta_received, .shut = harness_mta_shut, .closed = harness_mta_closed};
    Harness *harness = world->user_data;
    HarnessMta *mta = g_new0(HarnessMta, 1);
    mta->harness = harness;
    mta->wire = wire;
    wire->peer = &peer;
    wire->user_data = mta;
    smtp_peer_init(&mta->peer);
    g_ptr_array_add(harness->mtas, mta);
    harness->mta = mta;
    if (!harness->hold_connections)
        harness_mta_takes(mta);
    return TRUE;
}
