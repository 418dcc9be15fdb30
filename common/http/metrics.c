#include "http/metrics.h"

#include <string.h>

#include "base/build.h"

/* What is known of a counter by its name; label: what its label says, where it has one. Two labels are one
 * with a colon between them. */
typedef struct {
    const char *name, *label, *second_label, *help;
    gboolean is_gauge; /* it shrinks, too: sums are modulo 2^64 */
} Family;

static const Family families[] = {
    {"actions", "action", NULL, "Messages by what was done with them."},
    {"checks", "check", NULL, "Messages by the rule that decided."},
    {"classes", "class", NULL, "Messages by the class of their client."},
    {"client_tls", "version", NULL, "Messages by the TLS version of their client, or none."},
    {"commands", NULL, NULL, "SMTP commands of clients, counted when their session ends."},
    {"connections_refused", "limit", NULL, "Connections that were turned away, by the limit or reason."},
    {"crashes", "role", NULL, "Inspector workers that died of a message."},
    {"deliveries", "delivery", NULL, "Messages by what became of them at the mail server."},
    {"dns_answers", "result", NULL, "DNS questions by their result."},
    {"early_data", NULL, NULL, "Messages that clients began before they were bidden to."},
    {"early_greeting", NULL, NULL, "Clients that spoke before they were greeted."},
    {"errors", NULL, NULL, "Mistakes of clients in SMTP commands."},
    {"inspections", "result", NULL, "Requests to the inspector by their result."},
    {"inspector_restarts", NULL, NULL, "Times that the program's own inspector had to be started again."},
    {"logins_failed", NULL, NULL, "SMTP AUTH that was refused."},
    {"messages", NULL, NULL, "Messages (SMTP transactions with a recipient) that ended."},
    {"observed", "action", NULL, "Messages that would have met this action if mode were enforce."},
    {"octets", NULL, NULL, "Octets of messages."},
    {"recipients", NULL, NULL, "Recipients asked for."},
    {"recipients_accepted", NULL, NULL, "Recipients accepted."},
    {"recipients_refused", "by", NULL, "Recipients refused, by who refused them."},
    {"senders_refused", "by", NULL, "MAIL commands refused, by who refused them."},
    {"server_tls", "version", NULL, "Messages by the TLS version of the connection to their mail server."},
    {"session_states", "state", NULL, "Sessions with a client, by the state that they are in.", TRUE},
    {"sessions", "ended", NULL, "Sessions that ended, by what ended them."},
    {"suspects", NULL, NULL, "Clients that were slowed down."},
    {"verdicts", "check", "result", "What checks found in messages."},
    {"worker_time_outs", "role", NULL, "Inspector workers that were killed because a message took too long."},
};

static const struct {
    const char *name, *help;
} latencies[POSTERN_LATENCIES] = {
    [POSTERN_LATENCY_CONNECT] = {"connect", "Connecting to a mail server, until its greeting."},
    [POSTERN_LATENCY_FIRST_REPLY] = {"first_reply", "From a client's connection to what it hears first."},
    [POSTERN_LATENCY_POOL_WAIT] = {"pool_wait", "Waiting for a connection to a mail server."},
    [POSTERN_LATENCY_VERDICT] = {"verdict", "From the end of a message to its verdict."},
    [POSTERN_LATENCY_SERVER] = {"server", "From the verdict to the mail server's reply to the message."},
    [POSTERN_LATENCY_MESSAGE] = {"message", "From MAIL to the reply to the message."},
    [POSTERN_LATENCY_DNS] = {"dns", "DNS questions that went out."},
};

typedef struct {
    GString *out;
    const char *last; /* the family that was written last */
    gboolean seen[G_N_ELEMENTS(families)];
} Writer;

static const Family *find_family(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(families); i++)
        if (g_str_equal(families[i].name, name))
            return &families[i];
    return NULL;
}

static void add_head(GString *out, const char *name, const char *suffix, const char *type, const char *help)
{
    g_string_append_printf(out, "# HELP postern_%s%s %s\n# TYPE postern_%s%s %s\n", name, suffix, help, name,
                           suffix, type);
}

static void add_label(GString *out, const char *label, const char *value, gsize length)
{
    g_string_append_printf(out, "%s%s=\"", out->str[out->len - 1] == '"' ? "," : "{", label);
    for (gsize i = 0; i < length; i++) {
        if (value[i] == '"' || value[i] == '\\')
            g_string_append_c(out, '\\');
        if (value[i] == '\n')
            g_string_append(out, "\\n");
        else
            g_string_append_c(out, value[i]);
    }
    g_string_append_c(out, '"');
}

static void add_number(GString *out, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    g_string_append_printf(out, " %s\n", g_ascii_formatd(text, sizeof text, "%.15g", value));
}

static void add_counter(const char *name, const char *label, guint64 sum, gpointer user_data)
{
    Writer *writer = user_data;
    const Family *family = find_family(name);
    gboolean is_gauge = family != NULL && family->is_gauge;
    const char *suffix = is_gauge ? "" : "_total";
    if (writer->last == NULL || !g_str_equal(writer->last, name))
        add_head(writer->out, name, suffix, is_gauge ? "gauge" : "counter",
                 family != NULL ? family->help : "Counted since the program began.");
    writer->last = name;
    if (family != NULL)
        writer->seen[family - families] = TRUE;
    g_string_append_printf(writer->out, "postern_%s%s", name, suffix);
    if (label[0] != '\0') {
        const char *colon = family != NULL && family->second_label != NULL ? strchr(label, ':') : NULL;
        gsize length = colon != NULL ? (gsize)(colon - label) : strlen(label);
        add_label(writer->out, family != NULL && family->label != NULL ? family->label : "label", label,
                  length);
        if (colon != NULL)
            add_label(writer->out, family->second_label, colon + 1, strlen(colon + 1));
        g_string_append_c(writer->out, '}');
    }
    add_number(writer->out, is_gauge ? (double)(gint64)sum : (double)sum);
}

/* What has not been counted yet is 0, or no sample of a family that is there. */
static void add_unseen(const Writer *writer)
{
    for (gsize i = 0; i < G_N_ELEMENTS(families); i++) {
        const Family *family = &families[i];
        const char *suffix = family->is_gauge ? "" : "_total";
        if (writer->seen[i])
            continue;
        add_head(writer->out, family->name, suffix, family->is_gauge ? "gauge" : "counter", family->help);
        if (family->label == NULL)
            g_string_append_printf(writer->out, "postern_%s%s 0\n", family->name, suffix);
    }
}

static void add_latency(GString *out, const PosternCounters *counters, PosternLatency latency)
{
    const char *name = latencies[latency].name;
    PosternLatencySum sum;
    guint64 count = 0;
    postern_counters_latency(counters, latency, &sum);
    add_head(out, name, "_seconds", "histogram", latencies[latency].help);
    for (guint i = 0; i <= POSTERN_LATENCY_BUCKETS; i++) {
        char bound[G_ASCII_DTOSTR_BUF_SIZE] = "+Inf";
        count += sum.buckets[i];
        if (i < POSTERN_LATENCY_BUCKETS)
            g_ascii_formatd(bound, sizeof bound, "%g", postern_latency_bounds_ms[i] / 1000.0);
        g_string_append_printf(out, "postern_%s_seconds_bucket{le=\"%s\"} %" G_GUINT64_FORMAT "\n", name,
                               bound, count);
    }
    g_string_append_printf(out, "postern_%s_seconds_sum", name);
    add_number(out, (double)sum.milliseconds / 1000);
    g_string_append_printf(out, "postern_%s_seconds_count %" G_GUINT64_FORMAT "\n", name, count);
}

static void add_gauges(GString *out, const GArray *gauges)
{
    const char *last = "";
    for (guint i = 0; i < gauges->len; i++) {
        const PosternGauge *gauge = &g_array_index(gauges, PosternGauge, i);
        if (!g_str_equal(last, gauge->metric))
            add_head(out, gauge->metric, "", "gauge", gauge->help);
        last = gauge->metric;
        g_string_append_printf(out, "postern_%s", gauge->metric);
        if (gauge->label != NULL) {
            add_label(out, gauge->label, gauge->value_of_label, strlen(gauge->value_of_label));
            g_string_append_c(out, '}');
        }
        add_number(out, gauge->value);
    }
}

static double value_of_up(const PosternStatusServer *server)
{
    return !server->drained && g_str_equal(server->health, "up");
}

static double value_of_drained(const PosternStatusServer *server)
{
    return server->drained;
}

static double value_of_used(const PosternStatusServer *server)
{
    return server->used;
}

static double value_of_limit(const PosternStatusServer *server)
{
    return server->limit;
}

static void add_servers(GString *out, const GPtrArray *servers)
{
    static const struct {
        const char *name, *help;
        double (*value)(const PosternStatusServer *server);
    } of_server[] = {
        {"server_up", "1 if the mail server may be used.", value_of_up},
        {"server_drained", "1 if the mail server is drained: it gets nobody new.", value_of_drained},
        {"server_connections", "Connections that the mail server has from us.", value_of_used},
        {"server_connections_limit", "Connections that it may have.", value_of_limit},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(of_server) && servers->len > 0; i++) {
        add_head(out, of_server[i].name, "", "gauge", of_server[i].help);
        for (guint j = 0; j < servers->len; j++) {
            const PosternStatusServer *server = g_ptr_array_index(servers, j);
            g_string_append_printf(out, "postern_%s", of_server[i].name);
            add_label(out, "group", server->group, strlen(server->group));
            add_label(out, "server", server->name, strlen(server->name));
            g_string_append_c(out, '}');
            add_number(out, of_server[i].value(server));
        }
    }
}

char *postern_metrics(const char *program, const PosternCounters *counters, const PosternStatus *status)
{
    GString *out = g_string_new(NULL);
    Writer writer = {.out = out};
    add_head(out, "info", "", "gauge", "1, with the program and its version.");
    g_string_append_printf(out, "postern_info{program=\"%s\",version=\"%s\"} 1\n", program, POSTERN_VERSION);
    postern_counters_each(counters, add_counter, &writer);
    add_unseen(&writer);
    for (guint i = 0; i < POSTERN_LATENCIES; i++)
        add_latency(out, counters, i);
    add_gauges(out, status->gauges);
    add_servers(out, status->servers);
    return g_string_free(out, FALSE);
}
