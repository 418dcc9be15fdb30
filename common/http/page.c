#include "http/page.h"

#include <string.h>

#include "base/build.h"
#include "http/page_tables.h"
#include "http/resources.h"

#define HOUR_SLOTS (3600 / POSTERN_HISTORY_SLOT_SECONDS)
#define CHART_HEIGHT 100.0
#define BAR_WIDTH 10
#define POLICY_FORM                                                                                          \
    "default-src 'none'; style-src '%s'; script-src '%s'; connect-src 'self'; img-src data:; base-uri "      \
    "'none'; "                                                                                               \
    "form-action 'none'; frame-ancestors 'none'"

static const char *const series_classes[POSTERN_SERIES] = {
    [POSTERN_SERIES_ACCEPTED] = "accepted", [POSTERN_SERIES_HELD] = "held",
    [POSTERN_SERIES_DEFERRED] = "deferred", [POSTERN_SERIES_REFUSED] = "refused",
    [POSTERN_SERIES_FAILED] = "failed",
};

static GBytes *resource(const char *path)
{
    return g_resource_lookup_data(postern_http_get_resource(), path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
}

static void append_resource(GString *out, const char *path)
{
    g_autoptr(GBytes) bytes = resource(path);
    gsize length = 0;
    const char *octets = g_bytes_get_data(bytes, &length);
    g_string_append_len(out, octets, (gssize)length);
}

static char *hash_of(const char *path)
{
    g_autoptr(GBytes) bytes = resource(path);
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize length = sizeof digest, octets = 0;
    const guchar *data = g_bytes_get_data(bytes, &octets);
    g_checksum_update(checksum, data, (gssize)octets);
    g_checksum_get_digest(checksum, digest, &length);
    g_autofree char *text = g_base64_encode(digest, length);
    return g_strconcat("sha256-", text, NULL);
}

char *postern_page_policy(void)
{
    g_autofree char *style = hash_of("/postern/page.css");
    g_autofree char *script = hash_of("/postern/page.js");
    return g_strdup_printf(POLICY_FORM, style, script);
}

static void append_state(GString *out, const PosternStatus *status)
{
    guint down = 0;
    guint drained = 0;
    for (guint i = 0; i < status->servers->len; i++) {
        const PosternStatusServer *server = g_ptr_array_index(status->servers, i);
        drained += server->drained;
        down += !server->drained && g_str_equal(server->health, "down");
    }
    g_string_append(out, "<p id=\"state\" data-fresh>");
    if (down > 0)
        g_string_append_printf(out, "<span class=\"badge bad\">%u of %u mail servers down</span> ", down,
                               status->servers->len);
    else
        g_string_append(out, "<span class=\"badge good\">serving</span> ");
    if (drained > 0)
        g_string_append_printf(out, "<span class=\"badge warn\">%u of %u mail servers drained</span> ",
                               drained, status->servers->len);
    if (status->observes)
        g_string_append(out, "<span class=\"badge warn\">observing: refuses nothing by policy</span>");
    g_string_append(out, "</p>");
}

static void append_head(GString *out, const PosternPageFacts *facts)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *time = g_date_time_format(now, "%Y-%m-%d %H:%M:%S %z");
    gint64 seconds = (g_get_real_time() - facts->started) / G_USEC_PER_SEC;
    g_string_append_printf(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title>"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        "<link rel=\"icon\" href=\"data:,\"><style>",
        facts->program);
    append_resource(out, "/postern/page.css");
    g_string_append(out, "</style></head><body><a class=\"skip\" href=\"#main\">To the content</a><header>");
    g_string_append_printf(out, "<h1>%s</h1>", facts->program);
    append_state(out, facts->status);
    g_string_append(out, "<span id=\"lost\" class=\"badge bad\" role=\"status\" hidden>no answer</span>"
                         "<button id=\"pause\" type=\"button\" hidden>Stop updating</button>");
    g_string_append_printf(out, "<p id=\"head\" data-fresh>Version %s, up ", POSTERN_VERSION);
    postern_page_append_duration(out, (double)seconds);
    g_string_append_printf(out, ", as of %s</p></header><main id=\"main\">", time);
}

/* Numbers since the start are counters, which the status has not. */
static void append_now(GString *out, const PosternPageFacts *facts)
{
    g_string_append(
        out, "<section id=\"now\" data-fresh aria-labelledby=\"now-title\"><h2 id=\"now-title\">Now</h2>"
             "<dl class=\"cards\">");
    for (guint i = 0; i < facts->status->gauges->len; i++) {
        const PosternGauge *gauge = &g_array_index(facts->status->gauges, PosternGauge, i);
        if (gauge->title == NULL)
            continue;
        g_string_append_printf(out, "<div><dt>%s</dt><dd>", gauge->title);
        postern_page_append_value(out, gauge->unit, gauge->value);
        g_string_append(out, "</dd></div>");
    }
    g_string_append(out, "</dl></section>");
}

static void append_live(GString *out)
{
    static const struct {
        const char *series, *class, *dashed, *title;
    } rows[] = {
        {"messages", "accepted", "", "messages"},
        {"refused", "refused", " dashed", "refused"},
        {"deferred", "deferred", " dashed", "deferred"},
    };
    g_string_append(
        out, "<section id=\"live\" aria-labelledby=\"live-title\" hidden><h2 id=\"live-title\">The last five "
             "minutes</h2><figure><p class=\"peak\">Top of the chart: <span data-peak>1.0 a second</span></p>"
             "<svg class=\"lines\" viewBox=\"0 0 600 100\" preserveAspectRatio=\"none\" role=\"img\" "
             "aria-label=\"Messages, refused and deferred ones, each second\">");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_string_append_printf(out, "<path class=\"%s%s\" data-series=\"%s\" d=\"\"/>", rows[i].class,
                               rows[i].dashed, rows[i].series);
    g_string_append(out,
                    "</svg><div class=\"axis\"><span>5 minutes ago</span><span>now</span></div><figcaption>"
                    "<ul class=\"legend\">");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_string_append_printf(
            out,
            "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"%s\" width=\"10\" "
            "height=\"10\" rx=\"2\"/></svg>%s <b data-series=\"%s\">0.0</b> a second</li>",
            rows[i].class, rows[i].title, rows[i].series);
    g_string_append(out, "</ul></figcaption></figure></section>");
}

static guint64 slot_total(const PosternHistory *history, guint ago)
{
    guint64 total = 0;
    for (guint i = 0; i < POSTERN_SERIES; i++)
        total += postern_history_read(history, ago, i);
    return total;
}

static void append_bar(GString *out, const PosternHistory *history, guint ago, guint64 top)
{
    double bottom = CHART_HEIGHT;
    for (guint i = 0; i < POSTERN_SERIES; i++) {
        double height = CHART_HEIGHT * (double)postern_history_read(history, ago, i) / (double)top;
        if (height <= 0)
            continue;
        bottom -= height;
        g_string_append_printf(out, "<rect class=\"%s\" x=\"%u\" y=\"%.2f\" width=\"%d\" height=\"%.2f\"/>",
                               series_classes[i], (POSTERN_HISTORY_SLOTS - 1 - ago) * BAR_WIDTH + 1, bottom,
                               BAR_WIDTH - 2, height);
    }
}

static void append_hours(GString *out, const PosternHistory *history)
{
    g_string_append(out, "<details><summary>The same as a table</summary><table "
                         "role=\"table\"><caption>Messages by the hour, the "
                         "newest first</caption><thead role=\"rowgroup\"><tr role=\"row\"><th "
                         "role=\"columnheader\" scope=\"col\">Hours ago</th>");
    for (guint i = 0; i < POSTERN_SERIES; i++)
        g_string_append_printf(out, "<th role=\"columnheader\" scope=\"col\" class=\"number\">%s</th>",
                               postern_series_names[i]);
    g_string_append(out, "</tr></thead><tbody role=\"rowgroup\">");
    for (guint hour = 0; hour < POSTERN_HISTORY_SLOTS / HOUR_SLOTS; hour++) {
        guint64 numbers[POSTERN_SERIES] = {0}, all = 0;
        for (guint slot = 0; slot < HOUR_SLOTS; slot++)
            for (guint i = 0; i < POSTERN_SERIES; i++)
                numbers[i] += postern_history_read(history, hour * HOUR_SLOTS + slot, i);
        for (guint i = 0; i < POSTERN_SERIES; i++)
            all += numbers[i];
        if (all == 0 && hour > 0)
            continue;
        g_string_append_printf(
            out, "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">%u to %u hours ago</th>", hour,
            hour + 1);
        for (guint i = 0; i < POSTERN_SERIES; i++)
            g_string_append_printf(
                out, "<td role=\"cell\" class=\"number\" data-label=\"%s\">%" G_GUINT64_FORMAT "</td>",
                postern_series_names[i], numbers[i]);
        g_string_append(out, "</tr>");
    }
    g_string_append(out, "</tbody></table></details>");
}

static void append_day(GString *out, const PosternHistory *history)
{
    guint64 top = 1, totals[POSTERN_SERIES] = {0};
    for (guint ago = 0; ago < POSTERN_HISTORY_SLOTS; ago++) {
        top = MAX(top, slot_total(history, ago));
        for (guint i = 0; i < POSTERN_SERIES; i++)
            totals[i] += postern_history_read(history, ago, i);
    }
    g_string_append_printf(
        out,
        "<section id=\"day\" class=\"rows\" data-fresh aria-labelledby=\"day-title\"><h2 "
        "id=\"day-title\">The last "
        "day</h2><figure><p class=\"peak\">Top of the chart: %" G_GUINT64_FORMAT
        " messages in a quarter of an hour</p><svg class=\"bars\" viewBox=\"0 0 %d %.0f\" "
        "preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Messages of the last day by what became "
        "of them; the numbers follow\">",
        top, POSTERN_HISTORY_SLOTS * BAR_WIDTH, CHART_HEIGHT);
    for (guint ago = 0; ago < POSTERN_HISTORY_SLOTS; ago++)
        append_bar(out, history, ago, top);
    g_string_append(
        out, "</svg><div class=\"axis\"><span>24 hours ago</span><span>12 hours ago</span><span>now</span>"
             "</div><figcaption><ul class=\"legend\">");
    for (guint i = 0; i < POSTERN_SERIES; i++)
        g_string_append_printf(
            out,
            "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"%s\" width=\"10\" "
            "height=\"10\" rx=\"2\"/></svg>%s <b>%" G_GUINT64_FORMAT "</b></li>",
            series_classes[i], postern_series_names[i], totals[i]);
    g_string_append(out, "</ul></figcaption></figure>");
    append_hours(out, history);
    g_string_append(out, "</section>");
}

static void append_messages(GString *out, const PosternPageFacts *facts)
{
    append_live(out);
    append_day(out, facts->history);
    postern_page_append_observed(out, facts);
}

char *postern_page(const PosternPageFacts *facts)
{
    GString *out = g_string_new(NULL);
    append_head(out, facts);
    append_now(out, facts);
    if (facts->status->servers->len > 0)
        postern_page_append_servers(out, facts->status->servers);
    if (facts->status->has_messages) {
        append_messages(out, facts);
        postern_page_append_refusals(out, facts->counters);
    }
    if (facts->status->has_clients)
        postern_page_append_clients(out, facts->status->clients);
    if (facts->status->has_messages) {
        g_string_append(out, "<div class=\"pair\">");
        postern_page_append_verdicts(out, facts->counters);
        postern_page_append_latencies(out, facts->counters);
        g_string_append(out, "</div>");
    }
    g_string_append(out, "</main><footer><p>Nothing can be changed here. Numbers for Prometheus: "
                         "<a href=\"/metrics\">/metrics</a></p></footer><script>");
    append_resource(out, "/postern/page.js");
    g_string_append(out, "</script></body></html>\n");
    return g_string_free(out, FALSE);
}

char *postern_page_json(const PosternPageFacts *facts)
{
    guint64 totals[POSTERN_SERIES], all = 0;
    postern_history_totals(facts->counters, totals);
    for (guint i = 0; i < POSTERN_SERIES; i++)
        all += totals[i];
    return g_strdup_printf("{\"time\":%" G_GINT64_FORMAT ",\"messages\":%" G_GUINT64_FORMAT
                           ",\"refused\":%" G_GUINT64_FORMAT ",\"deferred\":%" G_GUINT64_FORMAT "}\n",
                           g_get_real_time() / 1000, all, totals[POSTERN_SERIES_REFUSED],
                           totals[POSTERN_SERIES_DEFERRED]);
}
