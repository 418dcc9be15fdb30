#include "wire/tag_list.h"

#include <string.h>

#include "base/limits.h"
#include "base/span.h"

/* The octets of a fold at text, CRLF and one blank, or of one blank; 0 if there is neither. */
static gsize fold_octets(const char *text, gsize length)
{
    if (length >= 1 && postern_is_blank(text[0]))
        return 1;
    return length >= 3 && text[0] == '\r' && text[1] == '\n' && postern_is_blank(text[2]) ? 3 : 0;
}

static PosternSpan skip_folds(PosternSpan span)
{
    gsize octets;

    while ((octets = fold_octets(span.text, span.length)) > 0) {
        span.text += octets;
        span.length -= octets;
    }
    return span;
}

/* The last octet of folding white space is a blank; before it a CRLF may stand, and nothing else. */
static PosternSpan trim(PosternSpan span)
{
    span = skip_folds(span);
    while (span.length > 0 && postern_is_blank(span.text[span.length - 1])) {
        span.length--;
        if (span.length >= 2 && memcmp(span.text + span.length - 2, "\r\n", 2) == 0)
            span.length -= 2;
    }
    return span;
}

static gboolean is_name(PosternSpan span)
{
    if (span.length == 0 || !g_ascii_isalpha(span.text[0]))
        return FALSE;
    for (gsize i = 0; i < span.length; i++)
        if (!g_ascii_isalnum(span.text[i]) && span.text[i] != '_')
            return FALSE;
    return TRUE;
}

static gboolean is_value(PosternSpan span)
{
    gsize at = 0;

    while (at < span.length) {
        gsize fold = fold_octets(span.text + at, span.length - at);

        if (fold == 0 && ((guchar)span.text[at] <= 0x20 || span.text[at] == 0x7f))
            return FALSE;
        at += MAX(fold, 1);
    }
    return g_utf8_validate_len(span.text, span.length, NULL);
}

static const char *add_tag(PosternTagList *list, PosternSpan specification)
{
    const char *equals = memchr(specification.text, '=', specification.length);
    g_autofree char *owned = NULL;
    PosternSpan name, value;

    if (equals == NULL)
        return "a tag without '='";
    name = trim((PosternSpan){specification.text, (gsize)(equals - specification.text)});
    value = trim((PosternSpan){equals + 1, specification.length - (gsize)(equals - specification.text) - 1});
    if (!is_name(name))
        return "a bad tag name";
    if (!is_value(value))
        return "a bad tag value";
    if (list->names->len >= POSTERN_DKIM_TAGS_MAX)
        return "too many tags";
    owned = g_strndup(name.text, name.length);
    if (postern_tag_list_get(list, owned) != NULL)
        return "a tag given twice";
    g_ptr_array_add(list->names, g_steal_pointer(&owned));
    g_ptr_array_add(list->values, g_strndup(value.text, value.length));
    return NULL;
}

/* One ';' may stand at the end; between two there must be a tag. */
static const char *parse(PosternTagList *list, PosternSpan rest)
{
    const char *problem = NULL;

    do {
        const char *semicolon = rest.length > 0 ? memchr(rest.text, ';', rest.length) : NULL;
        gsize length = semicolon != NULL ? (gsize)(semicolon - rest.text) : rest.length;

        problem = add_tag(list, (PosternSpan){rest.text, length});
        length += semicolon != NULL ? 1 : 0;
        rest = skip_folds((PosternSpan){rest.text + length, rest.length - length});
    } while (problem == NULL && rest.length > 0);
    return problem;
}

PosternTagList *postern_tag_list_parse(const char *text, gsize length, const char **ret_problem)
{
    g_autoptr(PosternTagList) list = g_new0(PosternTagList, 1);

    list->names = g_ptr_array_new_with_free_func(g_free);
    list->values = g_ptr_array_new_with_free_func(g_free);
    *ret_problem = length > 0 ? parse(list, (PosternSpan){text, length}) : "no tags";
    return *ret_problem == NULL ? g_steal_pointer(&list) : NULL;
}

void postern_tag_list_free(PosternTagList *list)
{
    if (list == NULL)
        return;
    g_ptr_array_unref(list->names);
    g_ptr_array_unref(list->values);
    g_free(list);
}

const char *postern_tag_list_get(const PosternTagList *list, const char *name)
{
    for (guint i = 0; i < list->names->len; i++)
        if (strcmp(g_ptr_array_index(list->names, i), name) == 0)
            return g_ptr_array_index(list->values, i);
    return NULL;
}
