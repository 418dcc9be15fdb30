#include "milter/reply.h"

#include <string.h>

#define QUARANTINE_FIELD "Postern-Quarantine"

static gboolean is_code(const char *text)
{
    return strlen(text) == 3 && (text[0] == '4' || text[0] == '5') && g_ascii_isdigit(text[1]) &&
           g_ascii_isdigit(text[2]);
}

static char *double_percent(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "%", -1);
    return g_strjoinv("%%", parts);
}

PosternMilterReply *postern_milter_reply_new(const char *reply, const char *session)
{
    g_auto(GStrv) words = g_strsplit(reply, " ", 3);
    if (g_strv_length(words) != 3 || !is_code(words[0]) || words[1][0] != words[0][0])
        return NULL;
    g_autofree char *text = g_strdup_printf("%s [%s]", words[2], session);
    PosternMilterReply *result = g_new0(PosternMilterReply, 1);
    result->code = g_strdup(words[0]);
    result->enhanced = g_strdup(words[1]);
    result->text = double_percent(text);
    return result;
}

void postern_milter_reply_free(PosternMilterReply *reply)
{
    if (reply == NULL)
        return;
    g_free(reply->code);
    g_free(reply->enhanced);
    g_free(reply->text);
    g_free(reply);
}

static int compare_occurrences(gconstpointer a, gconstpointer b)
{
    const PosternEdit *first = *(const PosternEdit *const *)a;
    const PosternEdit *second = *(const PosternEdit *const *)b;
    return (second->occurrence > first->occurrence) - (second->occurrence < first->occurrence);
}

GPtrArray *postern_milter_edits_in_order(const PosternEdits *edits)
{
    GPtrArray *order = g_ptr_array_new();
    for (guint i = 0; i < edits->list->len; i++) {
        PosternEdit *edit = g_ptr_array_index(edits->list, i);
        if (edit->kind != POSTERN_EDIT_INSERT)
            g_ptr_array_add(order, edit);
    }
    g_ptr_array_sort(order, compare_occurrences);
    for (guint i = 0; i < edits->list->len; i++) {
        PosternEdit *edit = g_ptr_array_index(edits->list, i);
        if (edit->kind == POSTERN_EDIT_INSERT)
            g_ptr_array_add(order, edit);
    }
    return order;
}

char *postern_milter_edit_value(const PosternEdit *edit, gboolean leading_space)
{
    g_auto(GStrv) lines = g_strsplit(edit->value, "\r\n", -1);
    g_autofree char *value = g_strjoinv("\n", lines);
    return g_strconcat(leading_space ? " " : "", value, NULL);
}

char *postern_milter_quarantine_reason(const PosternEdits *edits, const char *check, const char *session)
{
    const char *reason = check != NULL ? check : "policy";
    for (guint i = 0; i < edits->list->len; i++) {
        const PosternEdit *edit = g_ptr_array_index(edits->list, i);
        if (edit->kind == POSTERN_EDIT_INSERT && g_str_equal(edit->name, QUARANTINE_FIELD))
            reason = edit->value;
    }
    g_autofree char *text = g_strdup_printf("postern: %s [%s]", reason, session);
    return double_percent(text);
}
