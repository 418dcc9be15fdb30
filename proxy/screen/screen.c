#include "proxy/screen/screen.h"

#include <string.h>

#include "proxy/screen/screen_private.h"
#include "verdict/policy.h"

/* Why a client has to go; behind the last are the limits of what has happened, by PosternClientCount. */
typedef enum {
    GO_NOT,
    GO_BLOCKED,
    GO_SUSPICIOUS,
    GO_OVER_LIMIT,
} Go;

#define TRY_LATER ", try again later"
#define OF_CLIENT(text, limit)                                                                               \
    {                                                                                                        \
        0, "4.7.1", text TRY_LATER " (" limit ")", limit                                                     \
    }

/* What a client hears that is over a limit, or that is one too many of its network; the code is its class's.
 */
static const PosternScreenRefusal refusals[POSTERN_COUNTS] = {
    [POSTERN_COUNT_CONNECTIONS] = OF_CLIENT("Too many connections from you", "connection_rate"),
    [POSTERN_COUNT_MESSAGES] = OF_CLIENT("Too many messages from you", "message_rate"),
    [POSTERN_COUNT_RECIPIENTS] = OF_CLIENT("Too many recipients from you", "recipient_rate"),
    [POSTERN_COUNT_REFUSED_RECIPIENTS] =
        OF_CLIENT("Too many recipients from you that do not exist", "refused_recipient_rate"),
    [POSTERN_COUNT_ERRORS] = OF_CLIENT("Too many mistakes from you", "error_rate"),
    [POSTERN_COUNT_AUTH_FAILURES] = OF_CLIENT("Too many failed logins from you", "auth_failure_rate"),
    [POSTERN_COUNT_UNSCANNABLE] =
        OF_CLIENT("Too many messages from you that cannot be scanned", "unscannable_rate"),
    [POSTERN_COUNT_TIMEOUTS] = OF_CLIENT("Too many time-outs of yours", "timeout_rate"),
    [POSTERN_COUNT_KIBIBYTES] = OF_CLIENT("Too much from you", "octet_rate"),
};
static const PosternScreenRefusal of_networks[POSTERN_COUNTS] = {
    [POSTERN_COUNT_CONNECTIONS] = OF_CLIENT("Too many connections from your network", "network_factor"),
    [POSTERN_COUNT_MESSAGES] = OF_CLIENT("Too many messages from your network", "network_factor"),
    [POSTERN_COUNT_RECIPIENTS] = OF_CLIENT("Too many recipients from your network", "network_factor"),
};
static const PosternScreenRefusal of_all[POSTERN_COUNTS] = {
    [POSTERN_COUNT_CONNECTIONS] = OF_CLIENT("Too many connections from everybody", "total_factor"),
    [POSTERN_COUNT_MESSAGES] = OF_CLIENT("Too many messages from everybody", "total_factor"),
    [POSTERN_COUNT_RECIPIENTS] = OF_CLIENT("Too many recipients from everybody", "total_factor"),
};
static const PosternScreenRefusal too_many =
    OF_CLIENT("Too many connections at once from you", "max_connections_per_client");
static const PosternScreenRefusal blocked = OF_CLIENT("You are blocked for a while", "blocked");

PosternScreenRules *postern_screen_rules_new(const PosternConfiguration *configuration)
{
    PosternScreenRules *rules = g_new0(PosternScreenRules, 1);
    rules->configuration = configuration;
    rules->classes = postern_classes_new(configuration, rules);
    rules->nothing.user_data = rules;
    rules->own_networks = g_array_new(FALSE, FALSE, sizeof(PosternNetwork));
    postern_networks_add(rules->own_networks, configuration->clients.own_networks);
    for (guint i = 0; i < POSTERN_REASONS; i++)
        rules->points[i] = postern_suspicions[i].points;
    for (char **item = configuration->screen.points; *item != NULL; item++) {
        PosternReason reason;
        guint points;
        if (postern_suspicion_parse(*item, &reason, &points))
            rules->points[reason] = points;
    }
    return rules;
}

void postern_screen_rules_set_table(PosternScreenRules *rules, PosternClientTable *table)
{
    rules->table = table;
}

void postern_screen_rules_free(PosternScreenRules *rules)
{
    if (rules == NULL)
        return;
    postern_classes_free(rules->classes);
    g_array_unref(rules->own_networks);
    g_free(rules);
}

gboolean postern_screen_is_watched(const PosternScreen *screen)
{
    if (screen->class->options == NULL || !screen->class->options->screen || screen->allowed)
        return FALSE;
    return screen->class->name[0] != '\0' ||
           (!postern_address_is_loopback(&screen->client) &&
            !postern_networks_contain(postern_screen_rules_of(screen)->own_networks, &screen->client));
}

static void reckon(PosternScreen *screen, gint64 now)
{
    PosternClientStanding standing;
    guint refuse_from = postern_screen_rules_of(screen)->configuration->screen.refuse_from;
    if (screen->class->options == NULL)
        return;
    (void)postern_client_table_standing(postern_screen_table_of(screen), &screen->client, now, &standing);
    screen->good = standing.good;
    if (!postern_screen_is_watched(screen))
        return;
    screen->reasons |= (guint16)(standing.points > 0 ? standing.reasons : 0);
    screen->points = (guint16)MIN(standing.points + screen->own_points, POSTERN_POINTS_MAX);
    if (refuse_from > 0 && screen->points >= refuse_from && screen->must_go == GO_NOT)
        screen->must_go = GO_SUSPICIOUS;
}

static gboolean refuse(const PosternScreen *screen, const PosternScreenRefusal *refusal,
                       PosternScreenRefusal *ret_refusal)
{
    *ret_refusal = *refusal;
    ret_refusal->code = screen->class->options->over_limit == POSTERN_OVER_LIMIT_CLOSE ? 421 : 450;
    return TRUE;
}

/* Whether a limit of its class holds that is not only a reason for suspicion. */
static gboolean is_over(PosternScreen *screen, PosternClientLimit limit, gint64 now)
{
    if (limit == POSTERN_LIMIT_NONE)
        return FALSE;
    if (screen->class->options->over_limit != POSTERN_OVER_LIMIT_SLOW)
        return TRUE;
    postern_screen_note(screen, POSTERN_REASON_OVER_LIMIT, 1, now);
    return FALSE;
}

static const PosternScreenRefusal *refusal_of(PosternClientLimit limit, PosternClientCount what)
{
    switch (limit) {
    case POSTERN_LIMIT_CONNECTIONS:
        return &too_many;
    case POSTERN_LIMIT_CONNECTIONS_NETWORK:
        return &of_networks[POSTERN_COUNT_CONNECTIONS];
    case POSTERN_LIMIT_RATE_NETWORK:
        return &of_networks[what];
    case POSTERN_LIMIT_RATE_TOTAL:
        return &of_all[what];
    default:
        return &refusals[what];
    }
}

/* What all clients of its class may have, in the window; 0: any. */
static guint64 total_of(const PosternScreen *screen, PosternClientCount what)
{
    const PosternClassOptions *class = screen->class->options;
    const guint64 one =
        what == POSTERN_COUNT_KIBIBYTES ? (class->octet_rate + 1023) / 1024 : class->rates[what];
    return one * class->total_factor;
}

static guint window_of(const PosternScreen *screen)
{
    return postern_screen_rules_of(screen)->configuration->screen.rate_window_ms;
}

/* One more of all clients of its class; FALSE: they have what they may have. */
static gboolean take_of_all(const PosternScreen *screen, PosternClientCount what, gint64 now)
{
    const guint64 total = total_of(screen, what);
    return total == 0 || postern_shared_rate_take(&screen->class->done[what], total, now, window_of(screen));
}

/* That one was refused otherwise. */
static void give_back_to_all(const PosternScreen *screen, PosternClientCount what, gint64 now)
{
    if (total_of(screen, what) > 0)
        postern_shared_rate_give_back(&screen->class->done[what], now, window_of(screen));
}

static void heed(PosternScreen *screen, PosternOrderKind order)
{
    switch (order) {
    case POSTERN_ORDER_NONE:
        break;
    case POSTERN_ORDER_BLOCK:
        screen->must_go = GO_BLOCKED;
        screen->reasons |= 1U << POSTERN_REASON_BLOCKED;
        break;
    case POSTERN_ORDER_RELEASE:
        postern_screen_allow(screen);
        screen->must_go = GO_NOT;
        break;
    }
}

/* It is of client that we learn from now on. */
static PosternClientLimit enter(PosternScreen *screen, const PosternAddress *client, guint maximum_total,
                                gint64 now)
{
    const PosternConfiguration *configuration = postern_screen_rules_of(screen)->configuration;
    PosternClientStanding standing;
    screen->client = *client;
    screen->class = postern_classes_find(postern_screen_rules_of(screen)->classes, client, NULL);
    const PosternClassOptions *class = screen->class->options;
    const PosternClientAllowance allowance = {
        .class = class,
        .rate_refuses = !postern_screen_observes(screen) && class->over_limit != POSTERN_OVER_LIMIT_SLOW,
        .connections = class->connections > 0 ? class->connections
                       : maximum_total > 0    ? configuration->proxy.max_connections_per_client
                                              : G_MAXUINT, /* it is for the server in front to say */
        .connections_total = maximum_total,
    };
    gboolean over = postern_client_table_is_over(postern_screen_table_of(screen), client, class,
                                                 POSTERN_COUNT_CONNECTIONS, now);
    const gboolean room = take_of_all(screen, POSTERN_COUNT_CONNECTIONS, now);
    over |= !room;
    PosternClientLimit limit =
        !room && allowance.rate_refuses
            ? POSTERN_LIMIT_RATE_TOTAL
            : postern_client_table_enter(postern_screen_table_of(screen), client, &allowance, now);
    if (limit != POSTERN_LIMIT_NONE && room)
        give_back_to_all(screen, POSTERN_COUNT_CONNECTIONS, now);
    (void)postern_client_table_standing(postern_screen_table_of(screen), client, now, &standing);
    screen->must_go = GO_NOT;
    screen->points = screen->own_points = screen->reasons = 0;
    screen->told = screen->allowed = FALSE;
    heed(screen, standing.order.kind);
    if (limit == POSTERN_LIMIT_NONE && over && is_over(screen, POSTERN_LIMIT_RATE, now))
        screen->must_go = GO_OVER_LIMIT + POSTERN_COUNT_CONNECTIONS;
    reckon(screen, now);
    return limit;
}

gboolean postern_screen_begins(PosternScreen *screen, const PosternScreenRules *rules,
                               const PosternAddress *peer, gboolean trusted, gint64 now,
                               PosternScreenRefusal *ret_refusal)
{
    guint maximum_total = rules->configuration->proxy.max_connections;
    *screen = (PosternScreen){.class = &rules->nothing, .client = *peer};
    *ret_refusal = (PosternScreenRefusal){0};
    if (trusted) {
        const PosternClientAllowance any = {.connections = maximum_total, .connections_total = maximum_total};
        return postern_client_table_enter(rules->table, peer, &any, now) == POSTERN_LIMIT_NONE;
    }
    PosternClientLimit limit = enter(screen, peer, maximum_total, now);
    if (limit == POSTERN_LIMIT_NONE && (screen->reasons & 1U << POSTERN_REASON_BLOCKED) != 0 &&
        !postern_screen_observes(screen)) {
        postern_client_table_leave(rules->table, peer, TRUE, now);
        *ret_refusal = blocked;
    } else if (limit == POSTERN_LIMIT_NONE) {
        return TRUE;
    } else if (limit != POSTERN_LIMIT_CONNECTIONS_TOTAL) {
        *ret_refusal = *refusal_of(limit, POSTERN_COUNT_CONNECTIONS);
    }
    ret_refusal->code = ret_refusal->text != NULL ? 421 : 0;
    return FALSE;
}

static void leave_named(PosternScreen *screen, gint64 now)
{
    if (screen->named)
        postern_client_table_leave(postern_screen_table_of(screen), &screen->client, FALSE, now);
    screen->named = FALSE;
}

void postern_screen_ends(PosternScreen *screen, const PosternAddress *peer, gint64 now)
{
    leave_named(screen, now);
    postern_client_table_leave(postern_screen_table_of(screen), peer, TRUE, now);
}

void postern_screen_name(PosternScreen *screen, const PosternAddress *client, gint64 now)
{
    guint bits = client->family == AF_INET ? 32 : 128;
    if (client->family == screen->client.family &&
        (client->family == AF_UNSPEC || postern_address_in_network(client, &screen->client, bits)))
        return;
    leave_named(screen, now);
    screen->class = &postern_screen_rules_of(screen)->nothing;
    screen->spoken_for = TRUE;
    screen->client = *client;
    screen->limit = POSTERN_LIMIT_NONE;
    screen->must_go = GO_NOT;
    screen->points = screen->own_points = screen->reasons = 0;
    screen->good = FALSE;
    if (client->family == AF_UNSPEC)
        return;
    screen->limit = (guint8)enter(screen, client, 0, now);
    screen->named = screen->limit == POSTERN_LIMIT_NONE;
}

gboolean postern_screen_heeds_order(PosternScreen *screen, gint64 now)
{
    PosternClientStanding standing;
    if (screen->class->options == NULL)
        return FALSE;
    (void)postern_client_table_standing(postern_screen_table_of(screen), &screen->client, now, &standing);
    heed(screen, standing.order.kind);
    return screen->must_go == GO_BLOCKED;
}

PosternBudget *postern_screen_share(const PosternScreen *screen, PosternBudget *budget, guint64 maximum,
                                    guint64 assured)
{
    if (!screen->named)
        return postern_budget_ref(budget);
    return postern_client_table_share(postern_screen_table_of(screen), &screen->client, budget, maximum,
                                      assured);
}

void postern_screen_names(PosternScreen *screen, const char *name, const char *reverse_name, gint64 now)
{
    if (screen->class->options == NULL)
        return;
    screen->class = postern_classes_find(postern_screen_rules_of(screen)->classes, &screen->client, name);
    if (name == NULL && reverse_name == NULL)
        postern_screen_note(screen, POSTERN_REASON_NO_NAME, 1, now);
}

void postern_screen_helo(PosternScreen *screen, const char *helo, const PosternAddress *server, gint64 now)
{
    if (!postern_screen_is_watched(screen))
        return;
    const char *hostname = postern_screen_rules_of(screen)->configuration->proxy.hostname;
    PosternClientHelo flaw = postern_client_check_helo(helo, &screen->client, server, hostname);
    if (flaw == POSTERN_CLIENT_HELO_OURS)
        postern_screen_note(screen, POSTERN_REASON_HELO_OURS, 1, now);
    else if (flaw == POSTERN_CLIENT_HELO_LITERAL)
        postern_screen_note(screen, POSTERN_REASON_HELO_LITERAL, 1, now);
}

void postern_screen_submits(PosternScreen *screen)
{
    screen->submits = TRUE;
}

void postern_screen_allow(PosternScreen *screen)
{
    screen->allowed = TRUE;
    screen->points = screen->reasons = 0;
}

static void set_good(PosternScreen *screen, gboolean good, gint64 now)
{
    postern_client_table_set_good(postern_screen_table_of(screen), &screen->client, good, now);
    screen->good = good;
}

void postern_screen_note(PosternScreen *screen, PosternReason reason, guint times, gint64 now)
{
    const PosternSuspicion *suspicion = &postern_suspicions[reason];
    gboolean before = (screen->reasons & 1U << reason) != 0;
    guint points = postern_screen_rules_of(screen)->points[reason] * times;
    if (!postern_screen_is_watched(screen) || (!suspicion->lasts && (before || screen->submits)))
        return;
    if (suspicion->unworthy)
        set_good(screen, FALSE, now);
    if (points == 0)
        return;
    screen->reasons |= (guint16)(1U << reason);
    if (suspicion->lasts)
        postern_client_table_blame(postern_screen_table_of(screen), &screen->client, reason, points, now);
    else
        screen->own_points = (guint16)MIN(screen->own_points + points, POSTERN_POINTS_MAX);
    reckon(screen, now);
}

void postern_screen_praise(PosternScreen *screen, gint64 now)
{
    if (screen->class->options == NULL)
        return;
    set_good(screen, TRUE, now);
    screen->own_points = screen->reasons = 0;
    reckon(screen, now);
}

gboolean postern_screen_refuses(PosternScreen *screen, PosternClientCount what, gint64 now,
                                PosternScreenRefusal *ret_refusal)
{
    static const PosternClientCount others[] = {POSTERN_COUNT_UNSCANNABLE, POSTERN_COUNT_TIMEOUTS,
                                                POSTERN_COUNT_KIBIBYTES};
    const PosternClass *class = screen->class;
    if (class->options == NULL)
        return FALSE;
    reckon(screen, now); /* another connection of it may have made it good or bad */
    if (screen->limit != POSTERN_LIMIT_NONE)
        return refuse(screen, refusal_of(screen->limit, POSTERN_COUNT_CONNECTIONS), ret_refusal);
    for (guint i = 0; i < G_N_ELEMENTS(others) && what == POSTERN_COUNT_MESSAGES; i++)
        if (postern_client_table_is_over(postern_screen_table_of(screen), &screen->client, class->options,
                                         others[i], now) &&
            is_over(screen, POSTERN_LIMIT_RATE, now))
            return refuse(screen, &refusals[others[i]], ret_refusal);
    if (what == POSTERN_COUNT_MESSAGES && total_of(screen, POSTERN_COUNT_KIBIBYTES) > 0 &&
        postern_shared_rate_value(&class->done[POSTERN_COUNT_KIBIBYTES], now, window_of(screen)) >=
            total_of(screen, POSTERN_COUNT_KIBIBYTES) &&
        is_over(screen, POSTERN_LIMIT_RATE_TOTAL, now))
        return refuse(screen, &of_all[what], ret_refusal);
    const gboolean room = take_of_all(screen, what, now);
    PosternClientLimit limit =
        !room ? POSTERN_LIMIT_RATE_TOTAL
              : postern_client_table_count(postern_screen_table_of(screen), &screen->client, class->options,
                                           what, 1, now);
    if (limit != POSTERN_LIMIT_NONE && room)
        give_back_to_all(screen, what, now);
    return is_over(screen, limit, now) && refuse(screen, refusal_of(limit, what), ret_refusal);
}

void postern_screen_count(PosternScreen *screen, PosternClientCount what, guint number, gint64 now)
{
    if (screen->class->options == NULL)
        return;
    PosternClientLimit limit = postern_client_table_count(postern_screen_table_of(screen), &screen->client,
                                                          screen->class->options, what, number, now);
    if (what == POSTERN_COUNT_KIBIBYTES && total_of(screen, what) > 0)
        postern_shared_rate_add(&screen->class->done[what], number, now, window_of(screen));
    gboolean ends = what == POSTERN_COUNT_REFUSED_RECIPIENTS || what == POSTERN_COUNT_ERRORS ||
                    what == POSTERN_COUNT_AUTH_FAILURES;
    if (limit != POSTERN_LIMIT_NONE && ends)
        set_good(screen, FALSE, now);
    if (is_over(screen, limit, now) && ends)
        screen->must_go = (guint8)(GO_OVER_LIMIT + what);
}

const char *postern_screen_must_go(const PosternScreen *screen)
{
    switch (screen->must_go) {
    case GO_NOT:
        return NULL;
    case GO_BLOCKED:
        return blocked.text;
    case GO_SUSPICIOUS:
        return "Your behaviour is suspicious" TRY_LATER;
    default:
        return refusals[screen->must_go - GO_OVER_LIMIT].text;
    }
}

gboolean postern_screen_is_good(const PosternScreen *screen)
{
    return screen->good;
}

gboolean postern_screen_is_suspect(const PosternScreen *screen)
{
    return postern_screen_is_watched(screen) &&
           screen->points >= postern_screen_rules_of(screen)->configuration->screen.slow_from;
}

gboolean postern_screen_is_news(PosternScreen *screen)
{
    if (screen->told || (!postern_screen_is_suspect(screen) && screen->must_go == GO_NOT))
        return FALSE;
    screen->told = TRUE;
    return TRUE;
}

PosternClientHistory postern_screen_history(const PosternScreen *screen)
{
    return (PosternClientHistory){.good = screen->good, .points = screen->points};
}

guint postern_screen_points(const PosternScreen *screen)
{
    return screen->points;
}

char *postern_screen_reasons(const PosternScreen *screen)
{
    return screen->reasons != 0 ? postern_suspicion_names(screen->reasons) : NULL;
}
