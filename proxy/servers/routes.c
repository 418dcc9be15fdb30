#include "proxy/servers/routes.h"

#include <string.h>

#include "base/configuration/check.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/suggestion.h"
#include "base/table_file.h"
#include "mail/envelope.h"

#define EVERYBODY "*"
#define NONE G_MAXUINT
#define SENDER_MARK "\n" /* between recipient and sender: no line or path has one */

typedef enum {
    ANY_LISTENER,
    MAIL,
    SUBMISSION,
} Listener;

typedef struct {
    const char *class; /* of the chunk; NULL: any */
    Listener listener;
} Conditions;

typedef struct {
    guint group;
    guint next;       /* 1 + place of the next line for the same recipient and sender, or 0 */
    guint last;       /* in the first of these: 1 + place of the last */
    guint conditions; /* or NONE */
} Row;

typedef enum {
    LED_TO = 1 << 0,
    ALL_LED_TO = 1 << 1,
} Led;

struct PosternRoutes {
    GStringChunk *texts;
    /* Recipient, or recipient, SENDER_MARK and sender, of texts -> 1 + place in rows of the first line that
     * has both; 0 for a recipient of which there are lines with a sender alone. */
    GHashTable *first;
    GArray *rows;
    GArray *conditions;
    GArray *led;                /* of Led, by group */
    const char *const *groups;  /* while it is read */
    const char *const *classes; /* likewise */
    GHashTable *places;         /* likewise: name of a group -> 1 + place */
};

/* A mailbox, a domain, or a dot and a domain, as it is looked up; NULL and error. */
static char *normal_key(const char *text, GError **error)
{
    const char *at = strrchr(text, '@');
    const char *domain = at != NULL ? at + 1 : text + (text[0] == '.');
    g_autofree char *path = at != NULL ? g_strdup(text) : g_strconcat("@", domain, NULL);
    g_autofree char *local_part = NULL;
    g_autofree char *normal = NULL;
    postern_path_mailbox(path, &local_part, &normal);
    if ((at != NULL && !postern_configuration_check_local_part(local_part, error)) ||
        !postern_configuration_check_domain(normal, error))
        return NULL;
    return g_strconcat(local_part, at != NULL ? "@" : text[0] == '.' ? "." : "", normal, NULL);
}

/* kind: of group of options; name is none of names. */
static gboolean refuse_name(const char *kind, const char *name, const char *const *names, GError **error)
{
    const char *nearest = postern_suggestion_for_name(name, names);
    return nearest != NULL
               ? postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                   "there is no group [%s %s] (did you mean '%s'?)", kind, name, nearest)
               : postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "there is no group [%s %s]", kind,
                                   name);
}

static gboolean take_group(const PosternRoutes *routes, const char *name, guint *ret_group, GError **error)
{
    guint place = GPOINTER_TO_UINT(g_hash_table_lookup(routes->places, name));
    *ret_group = place - 1;
    return place > 0 || refuse_name("servers", name, routes->groups, error);
}

static gboolean take_class(PosternRoutes *routes, Conditions *conditions, const char *name, GError **error)
{
    if (!g_strv_contains(routes->classes, name))
        return refuse_name("class", name, routes->classes, error);
    conditions->class = g_string_chunk_insert_const(routes->texts, name);
    return TRUE;
}

static gboolean take_sender(char **ret_sender, const char *value, GError **error)
{
    g_free(*ret_sender);
    *ret_sender = g_str_equal(value, "<>") ? g_strdup("") : normal_key(value, error);
    return *ret_sender != NULL;
}

static gboolean take_condition(PosternRoutes *routes, Conditions *conditions, const char *word,
                               GError **error)
{
    if (g_str_has_prefix(word, "class=") && word[strlen("class=")] != '\0')
        return take_class(routes, conditions, word + strlen("class="), error);
    if (g_str_equal(word, "listener=mail"))
        conditions->listener = MAIL;
    else if (g_str_equal(word, "listener=submission"))
        conditions->listener = SUBMISSION;
    else
        return postern_error_set(
            error, POSTERN_ERROR_CONFIGURATION,
            "'%s' is none of sender=…, class=NAME, listener=mail and listener=submission, which may "
            "follow the group",
            word);
    return TRUE;
}

static Row *row_at(const PosternRoutes *routes, guint at)
{
    return &g_array_index(routes->rows, Row, at - 1);
}

/* 1 + place of the first line that has key, or 0. */
static guint first_of(const PosternRoutes *routes, const char *key)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(routes->first, key));
}

static gboolean ends_with_any(const PosternRoutes *routes, const char *key)
{
    guint first = first_of(routes, key);
    return first > 0 && row_at(routes, row_at(routes, first)->last)->conditions == NONE;
}

static void set_first(PosternRoutes *routes, const char *key, guint at)
{
    g_hash_table_insert(routes->first, g_string_chunk_insert(routes->texts, key), GUINT_TO_POINTER(at));
}

/* Behind those that have the same key; one without conditions is the last that could hold. sender: NULL: any.
 */
static gboolean add_row(PosternRoutes *routes, const char *recipient, const char *sender, const Row *row,
                        GError **error)
{
    guint at = routes->rows->len + 1;
    g_autofree char *key = g_strconcat(recipient, sender != NULL ? SENDER_MARK : NULL, sender, NULL);
    guint first = first_of(routes, key);
    if (at > POSTERN_ROUTES_MAX)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "is one too many: there may be %d routes", POSTERN_ROUTES_MAX);
    if (ends_with_any(routes, recipient) || ends_with_any(routes, key))
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "'%s' stands there already, without other conditions", recipient);
    g_array_append_vals(routes->rows, row, 1);
    if (first > 0)
        row_at(routes, row_at(routes, first)->last)->next = at;
    else
        set_first(routes, key, first = at);
    row_at(routes, first)->last = at;
    if (!g_hash_table_contains(routes->first, recipient))
        set_first(routes, recipient, 0);
    g_array_index(routes->led, Led, row->group) |=
        LED_TO | (g_str_equal(recipient, EVERYBODY) ? ALL_LED_TO : 0);
    return TRUE;
}

static gboolean take_line(char *line, gpointer user_data, GError **error)
{
    PosternRoutes *routes = user_data;
    Row row = {.conditions = NONE};
    Conditions conditions = {0};
    g_autofree char *sender = NULL;
    const char *pattern = postern_table_word(&line);
    const char *group = postern_table_word(&line);
    if (group[0] == '\0' || group[0] == '#')
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "write DOMAIN GROUP, .DOMAIN GROUP, USER@DOMAIN GROUP or * GROUP");
    g_autofree char *key = g_str_equal(pattern, EVERYBODY) ? g_strdup(EVERYBODY) : normal_key(pattern, error);
    if (key == NULL || !take_group(routes, group, &row.group, error))
        return FALSE;
    while (line[0] != '\0' && line[0] != '#') {
        const char *word = postern_table_word(&line);
        gboolean of_sender = g_str_has_prefix(word, "sender=");
        if (of_sender ? !take_sender(&sender, word + strlen("sender="), error)
                      : !take_condition(routes, &conditions, word, error))
            return FALSE;
        if (!of_sender)
            row.conditions = routes->conditions->len;
    }
    if (row.conditions != NONE)
        g_array_append_val(routes->conditions, conditions);
    return add_row(routes, key, sender, &row, error);
}

static PosternRoutes *routes_new(const char *const *groups, const char *const *classes)
{
    PosternRoutes *routes = g_new0(PosternRoutes, 1);
    routes->texts = g_string_chunk_new(64 * 1024);
    routes->first = g_hash_table_new(g_str_hash, g_str_equal);
    routes->rows = g_array_new(FALSE, FALSE, sizeof(Row));
    routes->conditions = g_array_new(FALSE, FALSE, sizeof(Conditions));
    routes->led = g_array_new(FALSE, TRUE, sizeof(Led));
    routes->groups = groups;
    routes->classes = classes;
    routes->places = g_hash_table_new(g_str_hash, g_str_equal);
    guint count = 0;
    for (; groups[count] != NULL; count++)
        g_hash_table_insert(routes->places, (gpointer)(guintptr)groups[count], GUINT_TO_POINTER(count + 1));
    g_array_set_size(routes->led, count);
    return routes;
}

void postern_routes_free(PosternRoutes *routes)
{
    if (routes == NULL)
        return;
    g_clear_pointer(&routes->places, g_hash_table_unref);
    g_hash_table_unref(routes->first);
    g_array_unref(routes->rows);
    g_array_unref(routes->conditions);
    g_array_unref(routes->led);
    g_string_chunk_free(routes->texts);
    g_free(routes);
}

/* Nothing of the caller's is kept. */
static PosternRoutes *finish(PosternRoutes *routes, gboolean ok)
{
    g_clear_pointer(&routes->places, g_hash_table_unref);
    routes->groups = routes->classes = NULL;
    if (ok)
        return routes;
    postern_routes_free(routes);
    return NULL;
}

PosternRoutes *postern_routes_load(const char *path, const char *const *groups, const char *const *classes,
                                   GError **error)
{
    PosternRoutes *routes = routes_new(groups, classes);
    return finish(routes, postern_table_file_read(path, "[proxy] routes", POSTERN_ROUTES_FILE_MAX_OCTETS,
                                                  take_line, routes, error));
}

PosternRoutes *postern_routes_parse(char *text, gsize length, const char *name, const char *const *groups,
                                    const char *const *classes, GError **error)
{
    PosternRoutes *routes = routes_new(groups, classes);
    return finish(routes, postern_table_parse(text, length, name, take_line, routes, error));
}

static gboolean holds(const Conditions *conditions, const PosternRouteSubject *subject)
{
    return (conditions->listener == ANY_LISTENER ||
            (conditions->listener == SUBMISSION) == !!subject->submission) &&
           (conditions->class == NULL || g_strcmp0(conditions->class, subject->class) == 0);
}

/* 1 + place of the first line with that key that holds, or 0. */
static guint first_that_holds(const PosternRoutes *routes, const char *key,
                              const PosternRouteSubject *subject)
{
    for (guint at = first_of(routes, key); at > 0; at = row_at(routes, at)->next) {
        guint conditions = row_at(routes, at)->conditions;
        if (conditions == NONE || holds(&g_array_index(routes->conditions, Conditions, conditions), subject))
            return at;
    }
    return 0;
}

/* What a line's sender may be if it is the sender of subject. A domain is in .example.org if it is below it.
 */
static GPtrArray *names_of_sender(const PosternRouteSubject *subject)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *local_part = NULL;
    g_autofree char *domain = NULL;
    postern_path_mailbox(subject->sender, &local_part, &domain);
    g_ptr_array_add(names,
                    subject->sender[0] == '\0' ? g_strdup("") : g_strconcat(local_part, "@", domain, NULL));
    if (domain[0] != '\0')
        g_ptr_array_add(names, g_strdup(domain));
    for (const char *dot = strchr(domain, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
        g_ptr_array_add(names, g_strdup(dot));
    return names;
}

/* -1: none of the lines for that recipient holds. */
static int look_up(const PosternRoutes *routes, const char *recipient, const PosternRouteSubject *subject)
{
    if (!g_hash_table_contains(routes->first, recipient))
        return -1;
    g_autoptr(GPtrArray) senders = names_of_sender(subject);
    guint first = first_that_holds(routes, recipient, subject);
    for (guint i = 0; i < senders->len; i++) {
        g_autofree char *key =
            g_strconcat(recipient, SENDER_MARK, (const char *)g_ptr_array_index(senders, i), NULL);
        guint at = first_that_holds(routes, key, subject);
        if (at > 0 && (first == 0 || at < first))
            first = at;
    }
    return first > 0 ? (int)row_at(routes, first)->group : -1;
}

static int look_up_mailbox(const PosternRoutes *routes, const char *local_part, const char *domain,
                           const PosternRouteSubject *subject)
{
    gsize user = strcspn(local_part, "+");
    g_autofree char *whole = g_strconcat(local_part, "@", domain, NULL);
    int group = look_up(routes, whole, subject);
    if (group >= 0 || user == 0 || local_part[user] == '\0')
        return group;
    g_autofree char *plain = g_strdup_printf("%.*s@%s", (int)user, local_part, domain);
    return look_up(routes, plain, subject);
}

int postern_routes_find(const PosternRoutes *routes, const PosternRouteSubject *subject)
{
    g_autofree char *local_part = NULL;
    g_autofree char *domain = NULL;
    postern_path_mailbox(subject->recipient, &local_part, &domain);
    int group = -1;
    if (domain[0] != '\0') {
        group = look_up_mailbox(routes, local_part, domain, subject);
        if (group < 0)
            group = look_up(routes, domain, subject);
        for (const char *dot = strchr(domain, '.'); group < 0 && dot != NULL; dot = strchr(dot + 1, '.'))
            group = look_up(routes, dot, subject);
    }
    return group >= 0 ? group : look_up(routes, EVERYBODY, subject);
}

static gboolean is_led(const PosternRoutes *routes, guint group, Led led)
{
    return group < routes->led->len && (g_array_index(routes->led, Led, group) & led) != 0;
}

gboolean postern_routes_lead_to(const PosternRoutes *routes, guint group)
{
    return is_led(routes, group, LED_TO);
}

gboolean postern_routes_lead_all_to(const PosternRoutes *routes, guint group)
{
    return is_led(routes, group, ALL_LED_TO);
}
