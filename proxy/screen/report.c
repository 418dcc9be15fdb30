#include "proxy/screen/report.h"

#include <string.h>

#define CLIENTS_SHOWN 20
#define ORDER_SECONDS_MAX (365 * 24 * 3600)

/* In the order of PosternClientCount. */
static const char *const names[POSTERN_COUNTS] = {
    [POSTERN_COUNT_CONNECTIONS] = "connections", [POSTERN_COUNT_MESSAGES] = "messages",
    [POSTERN_COUNT_RECIPIENTS] = "recipients",   [POSTERN_COUNT_REFUSED_RECIPIENTS] = "refused_recipients",
    [POSTERN_COUNT_ERRORS] = "errors",           [POSTERN_COUNT_AUTH_FAILURES] = "auth_failures",
    [POSTERN_COUNT_UNSCANNABLE] = "unscannable", [POSTERN_COUNT_TIMEOUTS] = "timeouts",
    [POSTERN_COUNT_KIBIBYTES] = "kibibytes",
};

typedef struct {
    guint64 client; /* its number */
    PosternClientStanding standing;
} Row;

/* Those with an order stand above all others; behind them the suspects, then those with many connections. */
static guint64 weight_of(const PosternClientStanding *standing)
{
    guint64 weight = ((guint64)standing->points << 32) + standing->connections;
    return standing->order.kind != POSTERN_ORDER_NONE ? weight | G_GUINT64_CONSTANT(1) << 63 : weight;
}

static gint compare_rows(gconstpointer a, gconstpointer b)
{
    guint64 one = weight_of(&((const Row *)a)->standing), other = weight_of(&((const Row *)b)->standing);
    return (one < other) - (one > other);
}

/* Only those at the top are kept, however many there are. */
static void collect(guint64 client, const PosternClientStanding *standing, gpointer user_data)
{
    GArray *rows = user_data;
    const Row row = {client, *standing};
    g_array_append_val(rows, row);
    if (rows->len < 2 * CLIENTS_SHOWN)
        return;
    g_array_sort(rows, compare_rows);
    g_array_set_size(rows, CLIENTS_SHOWN);
}

/* Clients that are not known may have one. */
static void add_orders(PosternClientTable *table, gint64 now, GArray *rows)
{
    g_autoptr(GArray) orders = postern_client_table_orders(table, now);
    for (guint i = 0; i < orders->len; i++) {
        const PosternOrder *order = &g_array_index(orders, PosternOrder, i);
        const PosternClientStanding standing = {.order = *order};
        gboolean is_there = FALSE;
        for (guint j = 0; j < rows->len && !is_there; j++)
            is_there = g_array_index(rows, Row, j).client == order->client;
        if (!is_there)
            collect(order->client, &standing, rows);
    }
}

static void tell(const char *client, const PosternClientStanding *standing, gint64 now, GString *out)
{
    g_autofree char *reasons = postern_suspicion_names(standing->reasons);
    g_string_append_printf(out, "%s points=%u reasons=%s good=%s connected=%u", client, standing->points,
                           reasons[0] != '\0' ? reasons : "none", standing->good ? "yes" : "no",
                           standing->connections);
    if (standing->order.kind != POSTERN_ORDER_NONE)
        g_string_append_printf(out, " %s=%" G_GINT64_FORMAT "s",
                               standing->order.kind == POSTERN_ORDER_BLOCK ? "blocked" : "released",
                               (standing->order.until - now + 999) / 1000);
    for (guint i = 0; i < POSTERN_COUNTS; i++)
        if (standing->counts[i] > 0)
            g_string_append_printf(out, " %s=%u", names[i], standing->counts[i]);
    g_string_append_c(out, '\n');
}

void postern_report_each(PosternClientTable *table, gint64 now, PosternClientTold told, gpointer user_data)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(Row));
    postern_client_table_each(table, now, collect, rows);
    add_orders(table, now, rows);
    g_array_sort(rows, compare_rows);
    for (guint i = 0; i < MIN(rows->len, (guint)CLIENTS_SHOWN); i++)
        told(g_array_index(rows, Row, i).client, &g_array_index(rows, Row, i).standing, user_data);
}

typedef struct {
    gint64 now;
    GString *out;
} Report;

static void tell_row(guint64 number, const PosternClientStanding *standing, gpointer user_data)
{
    const Report *report = user_data;
    g_autofree char *client = postern_client_number_to_string(number);
    tell(client, standing, report->now, report->out);
}

static gboolean status(PosternClientTable *table, gint64 now, GString *out)
{
    Report report = {now, out};
    g_string_append_printf(out, "%u connections, %u of them slowed; %u clients and networks known\n",
                           postern_client_table_total(table), postern_client_table_slowed(table, 0),
                           postern_client_table_size(table));
    postern_report_each(table, now, tell_row, &report);
    return TRUE;
}

static gboolean explain(PosternClientTable *table, const PosternScreenRules *rules,
                        const PosternAddress *client, const char *text, const char *name, gint64 now,
                        GString *out)
{
    PosternClientStanding standing;
    if (!postern_client_table_standing(table, client, now, &standing))
        g_string_append(out, "not known: ");
    tell(text, &standing, now, out);
    for (guint i = 0; i < POSTERN_REASONS; i++)
        if ((standing.reasons & 1U << i) != 0)
            g_string_append_printf(out, "  it %s (%s)\n", postern_suspicions[i].text,
                                   postern_suspicions[i].name);
    postern_screen_explain(rules, client, name, &standing, out);
    return TRUE;
}

gboolean postern_report(PosternClientTable *table, const PosternScreenRules *rules, const char *request,
                        gint64 now, GString *out)
{
    static const struct {
        const char *word;
        PosternOrderKind order;
    } orders[] = {{"block", POSTERN_ORDER_BLOCK}, {"release", POSTERN_ORDER_RELEASE}};
    g_auto(GStrv) words = g_strsplit(request, " ", 4);
    guint count = g_strv_length(words);
    PosternAddress client;
    guint64 seconds = 0;
    if (count == 1 && g_str_equal(words[0], "status"))
        return status(table, now, out);
    if (count < 2 || !postern_address_parse(&client, words[1])) {
        g_string_append(out, "an IP address is expected\n");
        return FALSE;
    }
    if (count <= 3 && g_str_equal(words[0], "explain"))
        return explain(table, rules, &client, words[1], words[2], now, out);
    for (guint i = 0; i < G_N_ELEMENTS(orders); i++) {
        if (!g_str_equal(words[0], orders[i].word) || count != 3 ||
            !g_ascii_string_to_unsigned(words[2], 10, 0, ORDER_SECONDS_MAX, &seconds, NULL))
            continue;
        PosternOrderKind order = seconds > 0 ? orders[i].order : POSTERN_ORDER_NONE;
        if (postern_client_table_order(table, &client, order, now + (gint64)seconds * 1000, now))
            return explain(table, rules, &client, words[1], NULL, now, out);
        g_string_append_printf(out, "no more than %u clients can be blocked or released at once\n",
                               POSTERN_ORDERS_MAX);
        return FALSE;
    }
    g_string_append(out, "no such request\n");
    return FALSE;
}
