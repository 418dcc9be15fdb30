#include "checks/content/part.h"

#include <string.h>

static void add_name(GPtrArray *names, char *name)
{
    if (name != NULL && names->len < POSTERN_PART_NAMES_MAX &&
        !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
        g_ptr_array_add(names, name);
    else
        g_free(name);
}

/* A parameter's values as they stand, beside what GMime makes of them. */
static void add_parameter_names(PosternContentEngine *engine, const GString *value, const char *parameter,
                                PosternPart *part)
{
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
    part->cut = !postern_part_parameter(value, parameter, values) || part->cut;
    for (guint i = 0; i < values->len; i++)
        add_name(part->names, postern_content_engine_text(engine, g_ptr_array_index(values, i)));
}

/* The last piece of the path of a URL, if it has one, without what is asked for; it is cut there. */
static const char *location_name(char *location)
{
    location[strcspn(location, "?#")] = '\0';
    const char *scheme = strstr(location, "://");
    const char *slash = strrchr(scheme != NULL ? scheme + 3 : location, '/');
    return scheme != NULL && slash == NULL ? "" : slash != NULL ? slash + 1 : location;
}

static gboolean is_shown(const PosternPart *part)
{
    const char *type = g_ptr_array_index(part->types, 0);
    return part->types->len == 1 && !part->attachment &&
           (strcmp(type, "text/plain") == 0 || strcmp(type, "text/html") == 0);
}

/* Fields that some readers take a name from if there is no other. Of text and of messages, which are shown,
 * they say what it is about. */
static void add_other_names(PosternContentEngine *engine, const PosternPartHeader *header, PosternPart *part)
{
    static const PosternPartField fields[] = {POSTERN_PART_DESCRIPTION, POSTERN_PART_LOCATION};
    if (part->names->len > 0 || part->message || is_shown(part))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        for (guint k = 0; k < header->counts[fields[i]]; k++) {
            g_autofree char *value = g_strstrip(g_strdup(header->values[fields[i]][k]->str));
            const char *name = fields[i] == POSTERN_PART_LOCATION ? location_name(value) : value;
            if (strchr(name, '.') != NULL)
                add_name(part->names, postern_content_engine_text(engine, name));
        }
    }
}

static gboolean holds(const char *type, gsize length, const char *word)
{
    for (gsize i = 0; i + strlen(word) <= length; i++)
        if (g_ascii_strncasecmp(type + i, word, strlen(word)) == 0)
            return TRUE;
    return FALSE;
}

/* What a type is, from all that stands before its parameters. */
static void judge_type(const char *value, PosternPart *part)
{
    gsize length = strcspn(value, ";");
    gboolean multipart = holds(value, length, "multipart");
    gboolean message = holds(value, length, "message/rfc822") || holds(value, length, "message/global") ||
                       holds(value, length, "message/news");
    /* "message/rfc822-headers" and "message/global-delivery-status" are text. */
    message = message && !holds(value, length, "rfc822-") && !holds(value, length, "global-");
    part->multipart = part->multipart || multipart;
    part->digest = part->digest || holds(value, length, "digest");
    part->message = part->message || message;
    part->piece = part->piece || holds(value, length, "message/partial");
    part->text = part->text || holds(value, length, "text/plain");
    part->leaf = part->leaf || !(multipart || message);
}

static void read_types(PosternContentEngine *engine, const PosternPartHeader *header, PosternPart *part)
{
    for (guint i = 0; i < header->counts[POSTERN_PART_TYPE]; i++) {
        const GString *value = header->values[POSTERN_PART_TYPE][i];
        PosternContentHeader read;
        postern_content_engine_read(engine, value->str, NULL, "text/plain", &read);
        judge_type(value->str, part);
        /* A type that GMime reads otherwise than it stands. */
        if (holds(read.type, strlen(read.type), "multipart/"))
            part->multipart = TRUE;
        else
            part->leaf = part->leaf || !part->message;
        part->text = part->text || strcmp(read.type, "text/plain") == 0;
        if (read.boundary != NULL)
            g_ptr_array_add(part->boundaries, g_steal_pointer(&read.boundary));
        add_name(part->names, g_steal_pointer(&read.name));
        add_name(part->types, g_steal_pointer(&read.type));
        if (part->charset == NULL)
            part->charset = g_steal_pointer(&read.charset);
        postern_content_header_clear(&read);
    }
}

static void read_dispositions(PosternContentEngine *engine, const PosternPartHeader *header,
                              PosternPart *part)
{
    for (guint i = 0; i < header->counts[POSTERN_PART_DISPOSITION]; i++) {
        const GString *value = header->values[POSTERN_PART_DISPOSITION][i];
        PosternContentHeader read;
        postern_content_engine_read(engine, NULL, value->str, "", &read);
        part->attachment = part->attachment || read.attachment;
        add_name(part->names, g_steal_pointer(&read.name));
        postern_content_header_clear(&read);
    }
}

/* What is no token of RFC 2045 6.1, one reader takes for a token with rubbish, and another for none. */
static guint encodings_of(const char *field)
{
    static const struct {
        const char *name;
        PosternContentEncoding encoding;
    } known[] = {
        {"base64", POSTERN_CONTENT_BASE64},   {"quoted-printable", POSTERN_CONTENT_QUOTED_PRINTABLE},
        {"7bit", POSTERN_CONTENT_IDENTITY},   {"8bit", POSTERN_CONTENT_IDENTITY},
        {"binary", POSTERN_CONTENT_IDENTITY},
    };
    g_autofree char *value = g_strstrip(g_strdup(field));
    guint mask = 1 << POSTERN_CONTENT_IDENTITY;
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        if (g_ascii_strcasecmp(value, known[i].name) == 0)
            return 1U << known[i].encoding;
        if (holds(value, strlen(value), known[i].name))
            mask |= 1U << known[i].encoding;
    }
    return mask;
}

void postern_part_read(PosternContentEngine *engine, const PosternPartHeader *header,
                       gboolean default_message, PosternPart *part)
{
    *part = (PosternPart){.types = g_ptr_array_new_with_free_func(g_free),
                          .names = g_ptr_array_new_with_free_func(g_free),
                          .boundaries = g_ptr_array_new_with_free_func(g_free),
                          .cut = header->cut};
    read_dispositions(engine, header, part);
    read_types(engine, header, part);
    for (guint i = 0; i < header->counts[POSTERN_PART_DISPOSITION]; i++) {
        const GString *value = header->values[POSTERN_PART_DISPOSITION][i];
        add_parameter_names(engine, value, "filename", part);
        part->cut = !postern_part_parameter(value, "boundary", part->boundaries) || part->cut;
    }
    for (guint i = 0; i < header->counts[POSTERN_PART_TYPE]; i++) {
        const GString *value = header->values[POSTERN_PART_TYPE][i];
        add_parameter_names(engine, value, "name", part);
        part->cut = !postern_part_parameter(value, "boundary", part->boundaries) || part->cut;
    }
    for (guint i = 0; i < header->counts[POSTERN_PART_ENCODING]; i++)
        part->encodings |= encodings_of(header->values[POSTERN_PART_ENCODING][i]->str);
    if (part->encodings == 0)
        part->encodings = 1U << POSTERN_CONTENT_IDENTITY;
    if (part->types->len == 0) {
        add_name(part->types, g_strdup(default_message ? "message/rfc822" : "text/plain"));
        part->message = default_message;
        part->text = part->leaf = !default_message;
    }
    part->text = part->text && !part->attachment && part->names->len == 0 && part->types->len == 1;
    add_other_names(engine, header, part);
    g_ptr_array_add(part->types, NULL);
    g_ptr_array_add(part->names, NULL);
}

void postern_part_clear(PosternPart *part)
{
    g_ptr_array_unref(part->types);
    g_ptr_array_unref(part->names);
    g_ptr_array_unref(part->boundaries);
    g_free(part->charset);
}
