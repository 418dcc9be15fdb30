#include "tally/record.h"

#include <string.h>

#include "mail/envelope.h"

#define NAME_MAX_OCTETS 40

typedef struct {
    PosternTallyRows *rows;
    guint day;
    const char *domain;
    gboolean ok;
} Counting;

static void count(Counting *counting, const char *kind, const char *name)
{
    const char *columns[POSTERN_TALLY_COUNT_COLUMNS] = {kind, name, counting->domain};
    counting->ok =
        postern_tally_rows_add(counting->rows, POSTERN_TALLY_COUNT, counting->day, columns) && counting->ok;
}

static const char *word_of(const PosternRecord *record, const char *name)
{
    for (char *const *word = record->findings; word != NULL && *word != NULL; word += 2)
        if (g_str_equal(word[0], name))
            return word[1];
    return NULL;
}

/* dmarc is RESULT or RESULT:DOMAIN. */
static char *domain_of(const PosternRecord *record)
{
    const char *dmarc = word_of(record, "dmarc");
    const char *colon = dmarc != NULL ? strchr(dmarc, ':') : NULL;
    if (colon != NULL && colon[1] != '\0')
        return g_strdup(colon + 1);
    char *domain = record->sender != NULL ? postern_path_domain(record->sender) : NULL;
    return domain != NULL ? domain : g_strdup("");
}

static void count_result(Counting *counting, const PosternRecord *record, const char *name)
{
    const char *word = word_of(record, name);
    gsize length = word != NULL ? strspn(word, "abcdefghijklmnopqrstuvwxyz_") : 0;
    if (length == 0 || length > NAME_MAX_OCTETS)
        return;
    g_autofree char *result = g_strndup(word, length);
    if (!g_str_equal(result, "not_checked"))
        count(counting, name, result);
}

/* One signature that passes is enough. */
static void count_dkim(Counting *counting, const PosternRecord *record)
{
    const char *word = word_of(record, "dkim");
    if (word == NULL)
        return;
    gboolean passes = g_str_has_prefix(word, "pass") || strstr(word, ",pass:") != NULL;
    count(counting, "dkim", passes ? "pass" : g_str_has_prefix(word, "none") ? "none" : "fail");
}

static void count_tls(Counting *counting, const PosternRecord *record)
{
    count(counting, "tls", postern_record_tls_version(record->who.tls));
    if (record->server != NULL)
        count(counting, "server_tls", postern_record_tls_version(record->server_tls));
}

gboolean postern_tally_add_record(PosternTallyRows *rows, guint day, const PosternRecord *record)
{
    g_autofree char *domain = domain_of(record);
    Counting counting = {rows, day, domain, TRUE};
    if (record->decided)
        count(&counting, "action", postern_action_name(record->action));
    if (record->check != NULL)
        count(&counting, "check", record->check);
    if (record->would != record->action)
        count(&counting, "would", postern_action_name(record->would));
    count_result(&counting, record, "spf");
    count_dkim(&counting, record);
    count_result(&counting, record, "dmarc");
    count_result(&counting, record, "virus");
    count_tls(&counting, record);
    return counting.ok;
}

gboolean postern_tally_add_session(PosternTallyRows *rows, guint day, const PosternSessionRecord *record)
{
    Counting counting = {rows, day, "", TRUE};
    if (record->throttled != NULL)
        count(&counting, "slow", "throttled");
    if (record->reasons != NULL)
        count(&counting, "slow", "suspect");
    return counting.ok;
}
