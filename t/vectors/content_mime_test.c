/*
 * The content check over published MIME messages: against the part trees that come with them, and against
 * GMime's own parser, which reads the same messages another way.
 */
#include "checks/check.h"

#include <gmime/gmime.h>
#include <string.h>

#include "support/content.h"
#include "vectors/shared_data.h"

static PosternFindings *check(PosternContentEngine *engine, const GString *message)
{
    PosternFindings *findings = postern_findings_new();
    content_check(engine, message->str, message->len, findings);
    g_assert_null(findings->content.problem);
    return findings;
}

static char *describe(const char *type, const char *name, gint64 size)
{
    return g_strdup_printf("%s\t%s\t%" G_GINT64_FORMAT, type, name != NULL ? name : "", size);
}

/* The attachments as lines like those of the other side; sizes only where wanted. */
static GPtrArray *ours(const PosternFindings *findings)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < findings->content.attachments->len; i++) {
        const PosternAttachment *attachment = g_ptr_array_index(findings->content.attachments, i);
        g_ptr_array_add(lines, describe(attachment->type, attachment->name, (gint64)attachment->size));
    }
    return lines;
}

static gboolean has_line(GPtrArray *lines, const char *type, const char *name, gint64 size)
{
    for (guint i = 0; i < lines->len; i++) {
        g_auto(GStrv) words = g_strsplit(g_ptr_array_index(lines, i), "\t", 3);
        if (strcmp(words[0], type) == 0 && strcmp(words[1], name) == 0 &&
            (size < 0 || g_ascii_strtoll(words[2], NULL, 10) == size))
            return TRUE;
    }
    return FALSE;
}

static char *eml_path(const char *folder, guint number, const char *suffix)
{
    g_autofree char *name = g_strdup_printf("%03u%s", number, suffix);
    return g_build_filename(folder, name, NULL);
}

static void test_trees(void)
{
    g_autoptr(PosternContentEngine) engine = postern_content_engine_new();
    g_autofree char *folder = shared_data_path("mail/mime");
    guint compared = 0;
    for (guint number = 0; number < 10; number++) {
        g_autofree char *path = eml_path(folder, number, ".eml");
        g_autofree char *tree = eml_path(folder, number, ".crlf.json");
        GString *message = shared_data_message(path);
        g_autoptr(PosternFindings) findings = check(engine, message);
        g_autoptr(GPtrArray) lines = ours(findings);
        g_auto(GStrv) expected = shared_data_convert("shared_json.py", "attachments", tree);
        for (guint i = 0; expected[i] != NULL && *expected[i] != '\0'; i++) {
            g_auto(GStrv) words = g_strsplit(expected[i], "\t", 3);
            if (!has_line(lines, words[0], words[1], g_ascii_strtoll(words[2], NULL, 10)))
                g_error("%s: no %s", path, expected[i]);
            compared++;
        }
        g_string_free(message, TRUE);
    }
    g_test_message("%u attachments compared", compared);
    g_assert_cmpuint(compared, ==, 5);
}

static gint64 part_size(GMimePart *part)
{
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    GMimeStream *out = g_mime_stream_null_new();
    gint64 size = content != NULL ? g_mime_data_wrapper_write_to_stream(content, out) : 0;
    size = content != NULL ? GMIME_STREAM_NULL(out)->written : 0;
    g_object_unref(out);
    return size;
}

typedef struct {
    GPtrArray *lines;
} Gathered;

/* GMime's view of what is an attachment by the check's contract; enclosed messages are compared by what is in
 * them. */
static void gather(GMimeObject *parent, GMimeObject *object, gpointer data)
{
    Gathered *gathered = data;
    if (!GMIME_IS_PART(object))
        return;
    GMimePart *part = GMIME_PART(object);
    g_autofree char *type = g_mime_content_type_get_mime_type(g_mime_object_get_content_type(object));
    g_autofree char *lower = g_ascii_strdown(type, -1);
    const char *name = g_mime_part_get_filename(part);
    gboolean text = strcmp(lower, "text/plain") == 0 || strcmp(lower, "text/html") == 0;
    if (strcmp(lower, "message/rfc822") != 0 && (name != NULL || g_mime_part_is_attachment(part) || !text))
        g_ptr_array_add(gathered->lines, describe(lower, name, part_size(part)));
}

static void gather_deep(GMimeObject *parent, GMimeObject *object, gpointer data)
{
    if (GMIME_IS_MULTIPART(object)) {
        for (int i = 0; i < g_mime_multipart_get_count(GMIME_MULTIPART(object)); i++)
            gather_deep(object, g_mime_multipart_get_part(GMIME_MULTIPART(object), i), data);
    } else if (GMIME_IS_MESSAGE_PART(object)) {
        GMimeMessage *message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
        if (message != NULL)
            gather_deep(object, g_mime_message_get_mime_part(message), data);
    } else if (object != NULL) {
        gather(parent, object, data);
    }
}

static GPtrArray *theirs(const GString *message)
{
    Gathered gathered = {g_ptr_array_new_with_free_func(g_free)};
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(message->str, message->len);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *parsed = g_mime_parser_construct_message(parser, NULL);
    g_assert_nonnull(parsed);
    gather_deep(NULL, g_mime_message_get_mime_part(parsed), &gathered);
    g_object_unref(parsed);
    g_object_unref(parser);
    g_object_unref(stream);
    return gathered.lines;
}

/* Base64 that breaks off inside of a group of four counts for up to two octets more here. */
static gboolean alike(const char *here, const char *there)
{
    const char *here_size = strrchr(here, '\t');
    const char *there_size = strrchr(there, '\t');
    if (here_size == NULL || there_size == NULL || here_size - here != there_size - there ||
        strncmp(here, there, (gsize)(here_size - here)) != 0)
        return FALSE;
    gint64 more = g_ascii_strtoll(here_size, NULL, 10) - g_ascii_strtoll(there_size, NULL, 10);
    return more >= 0 && more <= 2;
}

static guint compare_folder(PosternContentEngine *engine, const char *folder, guint *ret_attachments)
{
    g_autoptr(GDir) list = g_dir_open(folder, 0, NULL);
    const char *name;
    guint messages = 0;
    while ((name = g_dir_read_name(list)) != NULL) {
        if (g_str_has_suffix(name, ".json") || g_str_has_suffix(name, ".txt"))
            continue;
        g_autofree char *path = g_build_filename(folder, name, NULL);
        GString *message = shared_data_message(path);
        g_autoptr(PosternFindings) findings = check(engine, message);
        g_autoptr(GPtrArray) mine = ours(findings);
        g_autoptr(GPtrArray) other = theirs(message);
        for (guint i = 0, k = 0; i < mine->len || k < other->len; i++) {
            if (i < mine->len && g_str_has_prefix(g_ptr_array_index(mine, i), "message/rfc822\t"))
                continue;
            const char *here = i < mine->len ? g_ptr_array_index(mine, i) : "none";
            const char *there = k < other->len ? g_ptr_array_index(other, k) : "none";
            k++;
            if (!alike(here, there))
                g_error("%s: '%s', GMime has '%s'", path, here, there);
            *ret_attachments += 1;
        }
        messages++;
        g_string_free(message, TRUE);
    }
    return messages;
}

static void test_gmime(void)
{
    g_autoptr(PosternContentEngine) engine = postern_content_engine_new();
    g_autofree char *ham = shared_data_path("mail/ham");
    g_autofree char *mime = shared_data_path("mail/mime");
    guint attachments = 0;
    guint messages = compare_folder(engine, ham, &attachments) + compare_folder(engine, mime, &attachments);
    g_test_message("%u messages, %u attachments", messages, attachments);
    g_assert_cmpuint(messages, >=, 310);
    g_assert_cmpuint(attachments, >, 20);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *ham = shared_data_path("mail/ham");
    g_autofree char *mime = shared_data_path("mail/mime");
    if (ham == NULL || mime == NULL)
        return shared_data_skip("mail");
    g_test_add_func("/content-mime/trees", test_trees);
    g_test_add_func("/content-mime/gmime", test_gmime);
    return g_test_run();
}
