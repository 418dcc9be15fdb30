#include "checks/dmarc/record.h"

#include <string.h>

#include "base/limits.h"
#include "base/span.h"

#define VERSION "DMARC1"

/* What became of a tag, if it is not the place of its value among the allowed ones. */
enum { ABSENT = -1, WRONG = -2 };

typedef enum { TAG_P, TAG_SP, TAG_NP, TAG_PSD, TAG_T, TAG_ADKIM, TAG_ASPF, TAGS } Tag;

/* Values in the order of their enumeration; the first is the default. */
static const struct {
    const char *name;
    const char *values[4];
} tags[TAGS] = {
    [TAG_P] = {"p", {"none", "quarantine", "reject"}},
    [TAG_SP] = {"sp", {"none", "quarantine", "reject"}},
    [TAG_NP] = {"np", {"none", "quarantine", "reject"}},
    [TAG_PSD] = {"psd", {"u", "y", "n"}},
    [TAG_T] = {"t", {"n", "y"}},
    [TAG_ADKIM] = {"adkim", {"r", "s"}},
    [TAG_ASPF] = {"aspf", {"r", "s"}},
};

typedef struct {
    int values[TAGS];
    gboolean reporting; /* rua= has an address */
    GHashTable *names;  /* of GBytes *, those that were read, as a set */
} Tags;

static gboolean equals_ignoring_case(PosternSpan span, const char *text)
{
    return span.length == strlen(text) && g_ascii_strncasecmp(span.text, text, span.length) == 0;
}

/* The obsolete `!10m` at the end of an address is passed over (4.8, obs-dmarc-report-size). */
static PosternSpan without_size(PosternSpan uri)
{
    const char *mark = memchr(uri.text, '!', uri.length);
    PosternSpan size = {mark, mark != NULL ? (gsize)(uri.text + uri.length - mark) : 0};

    if (size.length > 2 && strchr("kmgtKMGT", size.text[size.length - 1]) != NULL)
        size.length--;
    for (gsize i = 1; i < size.length; i++)
        if (!g_ascii_isdigit(size.text[i]))
            return uri;
    return size.length > 1 ? (PosternSpan){uri.text, (gsize)(mark - uri.text)} : uri;
}

/* RFC 3986, a scheme and something behind it; no comma and no '!' (4.8). */
static gboolean is_uri(PosternSpan uri)
{
    static const char allowed[] = "-._~:/?#[]@$&'()*+;=%";
    const char *colon = memchr(uri.text, ':', uri.length);

    if (colon == NULL || colon == uri.text + uri.length - 1)
        return FALSE;
    for (gsize i = 0; i < uri.length; i++)
        if (uri.text[i] == '\0' || (!g_ascii_isalnum(uri.text[i]) && strchr(allowed, uri.text[i]) == NULL))
            return FALSE;
    g_autofree char *text = g_strndup(uri.text, uri.length);

    return g_uri_is_valid(text, G_URI_FLAGS_NONE, NULL);
}

static gboolean has_uri(PosternSpan list)
{
    while (list.length > 0)
        if (is_uri(without_size(postern_span_trim(postern_span_cut(&list, ',')))))
            return TRUE;
    return FALSE;
}

static int find_value(Tag tag, PosternSpan value)
{
    for (int i = 0; i < (int)G_N_ELEMENTS(tags[tag].values) && tags[tag].values[i] != NULL; i++)
        if (equals_ignoring_case(value, tags[tag].values[i]))
            return i;
    return WRONG;
}

/* FALSE: it is there already. */
static gboolean read_tag(Tags *found, PosternSpan name, PosternSpan value)
{
    if (postern_span_equals(name, "rua"))
        found->reporting = has_uri(value);
    for (Tag tag = 0; tag < TAGS; tag++)
        if (postern_span_equals(name, tags[tag].name))
            found->values[tag] = find_value(tag, value);
    return g_hash_table_add(found->names, g_bytes_new(name.text, name.length));
}

/* Splits `name = value`; FALSE: there is no '='. */
static gboolean split(PosternSpan specification, PosternSpan *ret_name, PosternSpan *ret_value)
{
    const char *sign = memchr(specification.text, '=', specification.length);

    if (sign == NULL)
        return FALSE;
    gsize before = (gsize)(sign - specification.text);

    *ret_name = postern_span_trim((PosternSpan){specification.text, before});
    *ret_value = postern_span_trim((PosternSpan){sign + 1, specification.length - before - 1});
    return TRUE;
}

/* The first tag; no blank may stand before it. */
static gboolean is_version(PosternSpan specification)
{
    PosternSpan name, value;

    return specification.length > 0 && !postern_is_blank(specification.text[0]) &&
           split(specification, &name, &value) && equals_ignoring_case(name, "v") &&
           postern_span_equals(value, VERSION);
}

static int value_or(const Tags *found, Tag tag, int otherwise)
{
    return found->values[tag] >= 0 ? found->values[tag] : otherwise;
}

static void fill(const Tags *found, PosternDmarcRecord *record)
{
    gboolean policies_valid =
        found->values[TAG_P] >= 0 && found->values[TAG_SP] != WRONG && found->values[TAG_NP] != WRONG;

    *record = (PosternDmarcRecord){.usable = policies_valid || found->reporting};
    if (policies_valid) {
        int policy = found->values[TAG_P];
        int subdomain_policy = value_or(found, TAG_SP, policy);

        record->policy = (PosternDmarcPolicy)policy;
        record->subdomain_policy = (PosternDmarcPolicy)subdomain_policy;
        record->nonexistent_policy = (PosternDmarcPolicy)value_or(found, TAG_NP, subdomain_policy);
    }
    record->psd = (PosternDmarcPsd)value_or(found, TAG_PSD, POSTERN_DMARC_PSD_UNKNOWN);
    record->testing = value_or(found, TAG_T, 0) == 1;
    record->strict_dkim = value_or(found, TAG_ADKIM, 0) == 1;
    record->strict_spf = value_or(found, TAG_ASPF, 0) == 1;
}

static void bytes_free(gpointer bytes)
{
    g_bytes_unref(bytes);
}

gboolean postern_dmarc_record_parse(const char *octets, gsize length, PosternDmarcRecord *ret_record)
{
    PosternSpan rest = {octets, length};
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, bytes_free, NULL);
    Tags found = {.names = names};

    if (length > POSTERN_DMARC_RECORD_MAX_OCTETS || !is_version(postern_span_cut(&rest, ';')))
        return FALSE;
    g_hash_table_add(names, g_bytes_new_static("v", 1));
    for (Tag tag = 0; tag < TAGS; tag++)
        found.values[tag] = ABSENT;
    while (rest.length > 0) {
        PosternSpan name, value;

        if (split(postern_span_cut(&rest, ';'), &name, &value) && name.length > 0 &&
            !read_tag(&found, name, value))
            return FALSE;
    }
    fill(&found, ret_record);
    return TRUE;
}

char *postern_dmarc_record_value(const char *record, const char *name)
{
    PosternSpan rest = {record, strlen(record)};

    while (rest.length > 0) {
        PosternSpan tag, value;

        if (split(postern_span_cut(&rest, ';'), &tag, &value) && postern_span_equals(tag, name))
            return g_strndup(value.text, value.length);
    }
    return NULL;
}

gboolean postern_dmarc_record_select(const PosternAnswer *answer, PosternDmarcRecord *ret_record,
                                     GBytes **ret_text, guint *ret_count)
{
    PosternDmarcRecord record;

    *ret_count = 0;
    for (guint i = 0; i < answer->records->len; i++) {
        GBytes *text = g_ptr_array_index(answer->records, i);
        gsize length;
        const char *octets = g_bytes_get_data(text, &length);

        if (!postern_dmarc_record_parse(octets, length, &record))
            continue;
        if ((*ret_count)++ == 0) {
            *ret_record = record;
            *ret_text = text;
        }
    }
    return *ret_count == 1;
}
