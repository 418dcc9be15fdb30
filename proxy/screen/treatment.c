#include <string.h>

#include "base/escape.h"
#include "base/limits.h"
#include "proxy/screen/screen_private.h"

/* Below so many octets a second they are read in small pieces. */
#define LITTLE_OCTETS (1024 * 1024)

/* In which a reply leaves, however bad its client is: who hears nothing gives up too soon. */
#define TIMES_MIN 4

/* Those that others share are looked at again: who waits for them is not forgotten. */
#define LOOK_AGAIN_MS 5000

/* The options that messages are read slowly for. */
static const char *const throttles[] = {
    [POSTERN_THROTTLE_CONNECTION] = "data_rate",
    [POSTERN_THROTTLE_CLIENT] = "client_data_rate",
    [POSTERN_THROTTLE_CLASS] = "class_data_rate",
    [POSTERN_THROTTLE_TOTAL] = "total_data_rate",
};

gboolean postern_screen_is_slowed(const PosternScreen *screen)
{
    return postern_screen_is_suspect(screen) && !postern_screen_observes(screen) && !screen->spoken_for;
}

/* What a client is made to wait, it does not have to wait for us. */
static guint at_most(const PosternScreen *screen, guint milliseconds)
{
    return MIN(milliseconds, postern_screen_rules_of(screen)->configuration->proxy.client_timeout_ms / 2);
}

guint postern_screen_greeting_pause(const PosternScreen *screen)
{
    const PosternConfiguration *configuration = postern_screen_rules_of(screen)->configuration;
    gboolean unknown = postern_screen_is_watched(screen) && !screen->good &&
                       !postern_screen_observes(screen) && !screen->spoken_for;
    gboolean waits = configuration->screen.pause == POSTERN_PAUSE_UNKNOWN ? unknown
                     : configuration->screen.pause == POSTERN_PAUSE_SUSPECTS
                         ? postern_screen_is_slowed(screen)
                         : FALSE;
    return waits ? at_most(screen, configuration->screen.greeting_pause_ms) : 0;
}

/* How many times as bad as a client that is slowed just so. */
static guint severity(const PosternScreen *screen)
{
    return MAX(1, screen->points / postern_screen_rules_of(screen)->configuration->screen.slow_from);
}

PosternTrickle postern_screen_trickle(const PosternScreen *screen, gsize length)
{
    const PosternConfiguration *configuration = postern_screen_rules_of(screen)->configuration;
    const guint reply_ms = at_most(screen, configuration->screen.reply_ms);
    const guint interval_ms =
        (guint)MIN((guint64)configuration->screen.trickle_ms * severity(screen), reply_ms / TIMES_MIN);
    if (length == 0 || interval_ms == 0 || !postern_screen_is_slowed(screen))
        return (PosternTrickle){0};
    const gsize times = reply_ms / interval_ms;
    return (PosternTrickle){interval_ms, (guint16)MIN((length + times - 1) / times, G_MAXUINT16)};
}

/* Of one connection; 0: any. */
static guint64 connection_rate(const PosternScreen *screen)
{
    const PosternConfiguration *configuration = postern_screen_rules_of(screen)->configuration;
    const guint64 all = screen->class->options->connection_data_rate;
    if (configuration->screen.data_rate == 0 || !postern_screen_is_slowed(screen))
        return all;
    /* Not so slowly that its message is given up for that. */
    const guint64 suspect =
        MAX(configuration->screen.data_rate / severity(screen), 2 * configuration->proxy.min_data_rate);
    return all > 0 ? MIN(all, suspect) : suspect;
}

gboolean postern_screen_reads_little(const PosternScreen *screen)
{
    const PosternClassOptions *class = screen->class->options;
    if (class == NULL || screen->spoken_for)
        return FALSE;
    const guint64 rates[] = {connection_rate(screen), class->client_data_rate, class->class_data_rate,
                             postern_screen_rules_of(screen)->configuration->screen.total_data_rate};
    for (guint i = 0; i < G_N_ELEMENTS(rates); i++)
        if (rates[i] > 0 && rates[i] < LITTLE_OCTETS)
            return TRUE;
    return FALSE;
}

gint64 postern_screen_read(PosternScreen *screen, gsize octets, gint64 now, gboolean *ret_shared)
{
    const PosternClassOptions *class = screen->class->options;
    *ret_shared = FALSE;
    if (class == NULL || screen->spoken_for || postern_screen_observes(screen))
        return 0;
    PosternClientTable *table = postern_screen_table_of(screen);
    const guint64 rate = connection_rate(screen);
    const gint64 waits[] = {
        [POSTERN_THROTTLE_CONNECTION] = rate > 0 ? (gint64)(octets * 1000 / rate) : 0,
        [POSTERN_THROTTLE_CLIENT] =
            postern_client_table_take(table, &screen->client, octets, class->client_data_rate, now),
        [POSTERN_THROTTLE_CLASS] =
            postern_bucket_take(screen->class->bucket, octets, class->class_data_rate, now),
        [POSTERN_THROTTLE_TOTAL] = postern_client_table_take(
            table, NULL, octets, postern_screen_rules_of(screen)->configuration->screen.total_data_rate, now),
    };
    gint64 wait = waits[POSTERN_THROTTLE_CONNECTION];
    for (guint i = 0; i < G_N_ELEMENTS(waits); i++) {
        if (waits[i] > 0)
            screen->throttled |= (guint8)(1U << i);
        if (i == POSTERN_THROTTLE_CONNECTION || waits[i] == 0)
            continue;
        *ret_shared = TRUE;
        wait = MAX(wait, MIN(waits[i], LOOK_AGAIN_MS));
    }
    return wait;
}

guint64 postern_screen_window(const PosternScreen *screen)
{
    return postern_screen_is_slowed(screen)
               ? postern_screen_rules_of(screen)->configuration->screen.receive_window
               : 0;
}

char *postern_screen_throttled(const PosternScreen *screen)
{
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(throttles); i++)
        if ((screen->throttled & 1U << i) != 0)
            g_string_append_printf(names, "%s%s", names->len > 0 ? "," : "", throttles[i]);
    return names->len > 0 ? g_string_free(g_steal_pointer(&names), FALSE) : NULL;
}

/* Its class is that which it is in once its name is known, if it has one. */
static void explain_class(const PosternScreen *screen, const char *name, GString *out)
{
    const PosternClasses *classes = postern_screen_rules_of(screen)->classes;
    const char *class = screen->class->name;
    g_autofree char *shown =
        name != NULL ? postern_escape(name, strlen(name), POSTERN_DOMAIN_NAME_MAX_OCTETS) : NULL;
    gboolean by_name = screen->class != postern_classes_find(classes, &screen->client, NULL);
    if (name != NULL && g_str_equal(name, "-"))
        g_string_append(out, "  it has no verified name\n");
    else if (name != NULL)
        g_string_append_printf(out, "  its verified name is %s\n", shown);
    g_string_append_printf(out, "  it is of [class%s%s]%s%s\n", class[0] != '\0' ? " " : "", class,
                           by_name ? ", by its name" : "",
                           postern_screen_is_watched(screen) ? "" : ", and never a suspect");
    if (name == NULL && postern_classes_have_names(classes))
        g_string_append(out, "  its name was not looked up: it may be of a class by its name\n");
}

void postern_screen_explain(const PosternScreenRules *rules, const PosternAddress *client, const char *name,
                            const PosternClientStanding *standing, GString *out)
{
    const PosternConfiguration *configuration = rules->configuration;
    const PosternScreen screen = {
        .class = postern_classes_find(rules->classes, client, g_strcmp0(name, "-") != 0 ? name : NULL),
        .client = *client,
        .points = (guint16)standing->points,
        .good = standing->good,
        .allowed = standing->order.kind == POSTERN_ORDER_RELEASE,
    };
    const char *observed = postern_screen_observes(&screen) ? " (observed only)" : "";
    const guint refuse_from = configuration->screen.refuse_from;
    explain_class(&screen, name, out);
    if (standing->order.kind == POSTERN_ORDER_BLOCK)
        g_string_append_printf(out, "  it is blocked, and turned away%s\n", observed);
    else if (standing->order.kind == POSTERN_ORDER_RELEASE)
        g_string_append(out, "  it was released, and is no suspect for that time\n");
    else if (postern_screen_is_watched(&screen) && refuse_from > 0 && screen.points >= refuse_from)
        g_string_append_printf(out, "  it has %u points, and is let go with 421 from %u on%s\n",
                               standing->points, refuse_from, observed);
    else if (postern_screen_is_suspect(&screen))
        g_string_append_printf(out, "  it has %u points, and is slowed from %u on%s\n", standing->points,
                               configuration->screen.slow_from, observed);
    else
        g_string_append_printf(out, "  it is not slowed: that begins at %u points\n",
                               configuration->screen.slow_from);
    const PosternClassOptions *class = screen.class->options;
    const struct {
        const char *what;
        guint64 rate;
    } rates[] = {
        [POSTERN_THROTTLE_CONNECTION] = {"a message of it is", connection_rate(&screen)},
        [POSTERN_THROTTLE_CLIENT] = {"all its messages are", class->client_data_rate},
        [POSTERN_THROTTLE_CLASS] = {"those of its class are", class->class_data_rate},
        [POSTERN_THROTTLE_TOTAL] = {"those of all clients are", configuration->screen.total_data_rate},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rates); i++)
        if (rates[i].rate > 0)
            g_string_append_printf(out, "  %s read at %" G_GUINT64_FORMAT " octets a second (%s)\n",
                                   rates[i].what, rates[i].rate, throttles[i]);
    if (postern_screen_is_slowed(&screen))
        g_string_append_printf(out, "  its replies leave slowly, an octet or some every %u ms\n",
                               postern_screen_trickle(&screen, 1).interval_ms);
    if (postern_screen_window(&screen) > 0)
        g_string_append_printf(out, "  its receive window is %" G_GUINT64_FORMAT " octets\n",
                               postern_screen_window(&screen));
    if (postern_screen_greeting_pause(&screen) > 0)
        g_string_append_printf(out, "  its greeting waits %u ms\n", postern_screen_greeting_pause(&screen));
}
