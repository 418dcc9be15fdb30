#include "proxy/status.h"

#include "base/suspicion.h"
#include "proxy/screen/report.h"

typedef struct {
    PosternStatus *status;
    const char *group; /* of servers */
    gint64 now;        /* monotonic milliseconds */
} Telling;

static char *reasons_of(const PosternClientStanding *standing)
{
    g_autoptr(GString) text = g_string_new(standing->good ? "its mail was accepted before" : NULL);
    for (guint i = 0; i < POSTERN_REASONS; i++)
        if ((standing->reasons & 1U << i) != 0)
            g_string_append_printf(text, "%s%s", text->len > 0 ? "; " : "", postern_suspicions[i].text);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void tell_client(guint64 number, const PosternClientStanding *standing, gpointer user_data)
{
    const Telling *telling = user_data;
    gboolean blocked = standing->order.kind == POSTERN_ORDER_BLOCK;
    g_autofree char *client = postern_client_number_to_string(number);
    g_autofree char *reasons = reasons_of(standing);
    postern_status_add_client(
        telling->status,
        &(PosternStatusClient){
            .client = client,
            .reasons = reasons,
            .points = standing->points,
            .connections = standing->connections,
            .messages = standing->counts[POSTERN_COUNT_MESSAGES],
            .refused = standing->counts[POSTERN_COUNT_REFUSED_RECIPIENTS],
            .blocked_seconds = blocked ? (guint)MAX(1, (standing->order.until - telling->now) / 1000) : 0,
        });
}

static void tell_server(const PosternServerSettings *settings, PosternServerHealth health, const char *reason,
                        guint used, gpointer user_data)
{
    static const char *const names[] = {
        [POSTERN_SERVER_UNKNOWN] = "unknown", [POSTERN_SERVER_UP] = "up", [POSTERN_SERVER_DOWN] = "down"};
    const Telling *telling = user_data;
    postern_status_add_server(telling->status, &(PosternStatusServer){
                                                   .group = (char *)(gsize)telling->group,
                                                   .name = settings->name,
                                                   .health = names[health],
                                                   .reason = (char *)(gsize)reason,
                                                   .drained = settings->drain,
                                                   .used = used,
                                                   .limit = settings->limit,
                                                   .weight = settings->weight,
                                               });
}

void postern_proxy_tell(const PosternProxySettings *settings, PosternClientTable *clients,
                        PosternStatus *status)
{
    const PosternConfiguration *configuration = settings->configuration;
    Telling telling = {.status = status, .now = g_get_monotonic_time() / 1000};
    guint waiting = 0;
    gint64 parked = (gint64)postern_counters_read(settings->counters, "session_states", "parked");
    for (guint i = 0; i < settings->groups->len; i++) {
        const PosternProxyGroup *group = g_ptr_array_index(settings->groups, i);
        telling.group = group->name;
        waiting += postern_server_group_waiting(group->servers);
        postern_server_group_each(group->servers, tell_server, &telling);
    }
    const PosternGauge gauges[] = {
        {"connections", "Clients that are connected.", "clients connected",
         .value = postern_client_table_total(clients)},
        {"connections_limit", "Clients that may be connected.",
         .value = configuration->proxy.max_connections},
        {"parked", "Clients that wait, of whom there is no session.", "of them parked",
         .value = (double)parked},
        {"clients_known", "Clients and networks that are remembered.", "clients and networks known",
         .value = postern_client_table_size(clients)},
        {"pool_waiting", "Sessions that wait for a connection to a mail server.", "wait for a mail server",
         .value = waiting},
        {"memory_used_octets", "Octets of messages in memory.", "of messages in memory", POSTERN_UNIT_OCTETS,
         .value = (double)postern_budget_used(settings->budget)},
        {"memory_limit_octets", "Octets of messages that may be in memory.", NULL, POSTERN_UNIT_OCTETS,
         .value = (double)configuration->proxy.message_memory},
        {"tls_enabled", "1 if clients are offered TLS.", .value = settings->tls != NULL},
    };
    status->observes = configuration->proxy.mode == POSTERN_MODE_OBSERVE;
    status->has_messages = status->has_clients = TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(gauges); i++)
        postern_status_add(status, &gauges[i]);
    postern_report_each(clients, telling.now, tell_client, &telling);
}
