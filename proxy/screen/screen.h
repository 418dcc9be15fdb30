/*
 * What the proxy makes of one client: events of its session go in, and how it is to be treated comes out. A
 * state machine without sockets or clock; what it learns of the client goes to the client table, which other
 * connections of the client see.
 *
 * A client of whom too much speaks (base/suspicion.h) is a suspect: it waits for its greeting, and gets its
 * replies slowly. Who is over a limit of its class is refused for a while. Clients on this machine, of
 * [clients] own_networks and of classes with screen = no are never suspects; servers of [proxy]
 * trusted_clients are nothing but whom they name.
 */
#pragma once

#include <glib.h>

#include "base/configuration.h"
#include "base/limits.h"
#include "base/suspicion.h"
#include "checks/client/client.h"
#include "proxy/screen/classes.h"
#include "proxy/screen/client_table.h"
#include "proxy/screen/pace.h"

typedef struct PosternScreenRules PosternScreenRules;

/* What configuration says of all clients; it must outlive them. Immutable, for all threads. */
PosternScreenRules *postern_screen_rules_new(const PosternConfiguration *configuration);
/* Before any client: where all of them are counted. It must outlive them. */
void postern_screen_rules_set_table(PosternScreenRules *rules, PosternClientTable *table);
void postern_screen_rules_free(PosternScreenRules *rules);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternScreenRules, postern_screen_rules_free)

/* What octets are read slowly for. */
typedef enum {
    POSTERN_THROTTLE_CONNECTION,
    POSTERN_THROTTLE_CLIENT,
    POSTERN_THROTTLE_CLASS,
    POSTERN_THROTTLE_TOTAL,
} PosternThrottle;

/* To be embedded, and small, for there are many; only the functions below look into it. */
typedef struct {
    const PosternClass *class;
    PosternAddress client;   /* who it is that is watched: the peer, or whom it speaks for */
    guint16 points;          /* all, as of the last event */
    guint16 reasons;         /* mask of PosternReason */
    guint16 own_points : 10; /* that are not remembered */
    guint16 named : 1;       /* it is not who has connected, and is entered in the table by us */
    guint16 spoken_for : 1;  /* by a server, whom it would only hold up to be slow */
    guint16 good : 1;        /* its mail was accepted, and it gave no reason since to doubt it */
    guint16 allowed : 1;     /* a list vouches for it */
    guint16 told : 1;        /* its line is in the log */
    guint16 submits : 1;     /* see postern_screen_submits() */
    guint8 must_go;          /* why, or 0: it need not */
    guint8 limit : 4;        /* PosternClientLimit that it did not enter for */
    guint8 throttled : 4;    /* mask of PosternThrottle: it was read slowly for */
} PosternScreen;

G_STATIC_ASSERT(POSTERN_POINTS_MAX < 1U << 10);
G_STATIC_ASSERT(POSTERN_LIMIT_RATE_TOTAL < 1U << 4);

/* "CODE X.Y.Z text" in parts; limit is the option that it is for. Static. */
typedef struct {
    guint code;
    const char *enhanced;
    const char *text;
    const char *limit;
} PosternScreenRefusal;

/*
 * peer has connected. trusted: it may name others, and nothing holds for it. It is entered in table: TRUE,
 * and postern_screen_ends() must follow; or refused with *ret_refusal, unless that has code 0: [proxy]
 * max_connections is reached. now: monotonic milliseconds, here and below.
 */
gboolean postern_screen_begins(PosternScreen *screen, const PosternScreenRules *rules,
                               const PosternAddress *peer, gboolean trusted, gint64 now,
                               PosternScreenRefusal *ret_refusal);
/* peer is gone. */
void postern_screen_ends(PosternScreen *screen, const PosternAddress *peer, gint64 now);

/* A trusted peer speaks for client from here on (XCLIENT, XFORWARD, PROXY); nothing, if it did before. */
void postern_screen_name(PosternScreen *screen, const PosternAddress *client, gint64 now);
/* The share of budget of a client that was named, of at most so many octets, some of them assured
 * (base/budget.h), or budget itself; a reference, the caller's. */
PosternBudget *postern_screen_share(const PosternScreen *screen, PosternBudget *budget, guint64 maximum,
                                    guint64 assured);

/* An administrator may have given an order since it came. TRUE: it is blocked now. */
gboolean postern_screen_heeds_order(PosternScreen *screen, gint64 now);

/* Its verified name and its reverse name are known; NULL: it has none. */
void postern_screen_names(PosternScreen *screen, const char *name, const char *reverse_name, gint64 now);
/* It has said HELO or EHLO. */
void postern_screen_helo(PosternScreen *screen, const char *helo, const PosternAddress *server, gint64 now);
/* FALSE: it is never a suspect. */
gboolean postern_screen_is_watched(const PosternScreen *screen);
/* It has come to submit mail, as users do from any address and with any name: only what it does counts. */
void postern_screen_submits(PosternScreen *screen);
/* A list vouches for it, or the server behind has let it log in. */
void postern_screen_allow(PosternScreen *screen);
/* It gave reason for suspicion, so many times; of the reasons that do not last, once. Some, whatever points
 * they have, and limits of refused recipients, mistakes and failed logins that it exceeds, end its good
 * standing. */
void postern_screen_note(PosternScreen *screen, PosternReason reason, guint times, gint64 now);
/* A message of it was accepted by the server behind. */
void postern_screen_praise(PosternScreen *screen, gint64 now);

/* It wants one more of MESSAGES or RECIPIENTS: FALSE, and it is counted; or TRUE, and is to be refused. What
 * its other connections have done until now holds for this one, too. */
gboolean postern_screen_refuses(PosternScreen *screen, PosternClientCount what, gint64 now,
                                PosternScreenRefusal *ret_refusal);
/* The others have happened, number times. */
void postern_screen_count(PosternScreen *screen, PosternClientCount what, guint number, gint64 now);

/* Why the client has to go with 421 ("CODE" and enhanced code are the caller's), or NULL: it need not. */
const char *postern_screen_must_go(const PosternScreen *screen);
gboolean postern_screen_is_suspect(const PosternScreen *screen);
/* Its mail was accepted, and it gave no reason since to doubt it. */
gboolean postern_screen_is_good(const PosternScreen *screen);
/* It is one, and treated so: neither only observed nor spoken for by a server. */
gboolean postern_screen_is_slowed(const PosternScreen *screen);
/* Milliseconds that its greeting has to wait. */
guint postern_screen_greeting_pause(const PosternScreen *screen);
/* How a reply of length octets leaves: so that each time costs us one system call, and the whole of it no
 * more than [screen] reply_time. */
PosternTrickle postern_screen_trickle(const PosternScreen *screen, gsize length);
/* Octets of its message were read (0: none): milliseconds until more is. *ret_shared: not for what it has
 * done, but for what others have, or all its connections together; then it is to be asked again. */
gint64 postern_screen_read(PosternScreen *screen, gsize octets, gint64 now, gboolean *ret_shared);
/* TRUE if its messages are to be read in small pieces. */
gboolean postern_screen_reads_little(const PosternScreen *screen);
/* Octets that may be under way to us; 0: as the system says. */
guint64 postern_screen_window(const PosternScreen *screen);
/* "client_data_rate,class_data_rate": the options that it has waited for, or NULL; a new string. */
char *postern_screen_throttled(const PosternScreen *screen);
/* TRUE once, when the client has become a suspect, or has to go: the log is to say so. */
gboolean postern_screen_is_news(PosternScreen *screen);
/* What is remembered of it, for rules. */
PosternClientHistory postern_screen_history(const PosternScreen *screen);
/* Points of suspicion now. */
guint postern_screen_points(const PosternScreen *screen);
/* "early_talker,error": the reasons, or NULL; a new string. */
char *postern_screen_reasons(const PosternScreen *screen);

/* Appends lines for people: how client, of whom standing is known, would be treated. name: its verified one;
 * "-": it has none; NULL: it was not looked up. */
void postern_screen_explain(const PosternScreenRules *rules, const PosternAddress *client, const char *name,
                            const PosternClientStanding *standing, GString *out);
