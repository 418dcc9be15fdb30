#include "checks/check.h"

#include <string.h>

#include "base/limits.h"
#include "checks/content/item.h"
#include "support/content.h"

typedef struct {
    PosternContentEngine *engine;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->engine = postern_content_engine_new();
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    postern_content_engine_free(fixture->engine);
}

static PosternFindings *check(Fixture *fixture, const char *octets, gsize length)
{
    PosternFindings *findings = postern_findings_new();
    g_autofree char *copy = g_memdup2(octets, MAX(length, 1));
    content_check(fixture->engine, copy, length, findings);
    g_assert_cmpuint(findings->content.attachments->len, <=, POSTERN_ATTACHMENTS_REPORTED_MAX);
    g_assert_cmpuint(findings->content.attachments->len, <=, findings->content.count);
    return findings;
}

/* "TYPE NAME SIZE; …" */
static char *list(const PosternFindings *findings)
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < findings->content.attachments->len; i++) {
        const PosternAttachment *attachment = g_ptr_array_index(findings->content.attachments, i);
        g_string_append_printf(out, "%s%s %s %" G_GUINT64_FORMAT, i > 0 ? "; " : "", attachment->type,
                               attachment->name != NULL ? attachment->name : "-", attachment->size);
    }
    return g_string_free(out, FALSE);
}

#define MIXED "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b b\"\r\n\r\npreamble\r\n"

static const struct {
    const char *message;
    const char *attachments;
} cases[] = {
    {"", ""},
    {"Subject: x\r\n\r\nText.\r\n", ""},
    {"Content-Type: text/html\r\n\r\n<p>\r\n", ""},
    {"Content-Type: application/pdf\r\n\r\n12345\r\n", "application/pdf - 7"},
    {"Content-Type: application/pdf", "application/pdf - 0"},
    {"content-TYPE : Application/PDF ; NAME = \"a b.pdf\"\r\ncontent-transfer-encoding: "
     "BASE64\r\n\r\nMTIz\r\nNA==\r\n",
     "application/pdf a b.pdf 4"},
    {"Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/csv\r\n\r\na=3Db=\r\nc  \r\nd\r\n",
     "text/csv - 9"},
    {MIXED "--b b\r\n\r\nText.\r\n--b b\r\nContent-Type: image/png\r\n\r\n1234\r\n--b b--\r\nepilogue\r\n",
     "image/png - 4"},
    {MIXED "--b b  \r\nContent-Disposition: attachment\r\n\r\n1\r\n2\r\n--b b\t\r\n", "text/plain - 4"},
    {MIXED "--b b\r\nContent-Type: text/plain; name=n.txt\r\n\r\n123", "text/plain n.txt 3"},
    {MIXED
     "--b b\r\nContent-Type: image/gif; name=n\r\nContent-Disposition: inline; filename=f\r\n--b b--\r\n",
     "image/gif f 0"},
    {MIXED "--b b\r\nContent-Type: multipart/alternative; "
           "boundary=c\r\n\r\n--c\r\n\r\nText\r\n--c\r\nContent-Type: "
           "text/calendar\r\n\r\n12\r\n--b b\r\nContent-Type: a/b\r\n\r\n1\r\n--c\r\n--b b--",
     "text/calendar - 2; a/b - 6"},
    {MIXED "--b b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\nContent-Type: a/b; "
           "name=in\r\n\r\n123\r\n--b b--\r\n",
     "message/rfc822 - 45; a/b in 3"},
    {MIXED "--b b\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: "
           "y\r\n\r\nz\r\n--d--\r\n--b b--\r\n",
     "message/rfc822 - 15"},
    {MIXED "--b b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: "
           "base64\r\n\r\nQTogYg==\r\n--b b--\r\n",
     "message/rfc822 - 4"},
    {MIXED "--b b\r\nContent-Type: a/b;\r\n name*0*=utf-8''%C3%A9;\r\n name*1=\"t.x\"\r\n\r\n--b b--\r\n",
     "a/b \xc3\xa9t.x 0"},
    {MIXED "--b b\r\nContent-Type: a/b; name=\"=?iso-8859-1?Q?=E9t=E9?=\"\r\n\r\n--b b--\r\n",
     "a/b \xc3\xa9t\xc3\xa9 0"},
    {MIXED "--b b\r\nContent-Type: a/b; name=\"=?x-unheard-of?Q?ab?=\"\r\n\r\n--b b--\r\n", "a/b ab 0"},
    {MIXED "--b b\r\nContent-Disposition: attachment; filename*=x-none'en'a%62\r\n\r\n--b b--\r\n",
     "text/plain ab 0"},
    {MIXED "--b b\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n--b b--\r\n", "a/b - 0"},
    {MIXED "--b b\r\nContent-Type: nonsense\r\n\r\n1\r\n--b b--\r\n", "application/octet-stream - 1"},
    {"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: "
     "a/b\n\n1\n2\n--x--\n",
     "a/b - 3"},
    {"Content-Type: multipart/mixed\r\n\r\n--\r\nContent-Type: a/b\r\n\r\n1\r\n", ""},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\nContent-Type: a/b\r\n\r\n--x\r\n\r\n", ""},
};

static void test_cases(Fixture *fixture, gconstpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternFindings) findings = check(fixture, cases[i].message, strlen(cases[i].message));
        g_autofree char *found = list(findings);
        if (strcmp(found, cases[i].attachments) != 0)
            g_error("case %" G_GSIZE_FORMAT ": '%s', wanted '%s', for:\n%s", i, found, cases[i].attachments,
                    cases[i].message);
        g_assert_null(findings->content.problem);
    }
}

/* Takes "KIND OCTETS" of each first reading, apart by '|'; the kind by its first letter. */
static gboolean take_item(const PosternItem *item, gpointer data)
{
    GString *out = data;
    gsize length = 0;
    const char *octets = g_bytes_get_data(item->octets, &length);
    g_assert_nonnull(item->types[0]);
    g_assert_nonnull(item->decoding);
    g_assert_cmpuint(item->depth, ==, item->parent != NULL ? item->parent->depth + 1 : 0);
    if (item->reading == 0 && length > 0)
        g_string_append_printf(out, "%s%c %.*s", out->len > 0 ? "|" : "", "tfmp"[item->kind], (int)length,
                               octets);
    return TRUE;
}

static void take_note(PosternVirusKind kind, const char *text, gpointer data)
{
    g_string_append_printf(data, "!%s", text);
}

static char *list_items(Fixture *fixture, const char *message)
{
    GString *out = g_string_new(NULL);
    const PosternItemVisitor visitor = {take_item, take_note, out};
    PosternItemBudget budget = postern_item_budget(strlen(message));
    postern_items_walk(fixture->engine, message, strlen(message), &budget, &visitor);
    return g_string_free(out, FALSE);
}

static void test_items(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *message, *leaves;
    } messages[] = {
        {"", ""},
        {"Subject: x\r\n", ""},
        {"Subject: x\r\n\r\nText.\r\n", "t Text.\r\n"},
        {"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD", "f ABC"},
        {"Content-Disposition: attachment\r\n\r\nx", "f x"},
        {MIXED "--b b\r\n\r\nText.\r\n--b b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: "
               "quoted-printable\r\n\r\na=\r\n\r\n--b b--\r\nepilogue\r\n",
         "t Text.|f a"},
        {MIXED "--b b\r\n\r\n\r\n--b b\r\n\r\n--b b--\r\n", ""},
        {MIXED "--b b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\nContent-Type: a/b\r\n\r\n1\r\n"
               "--b b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==\r\n"
               "--b b\r\nContent-Type: message/partial; id=1\r\n\r\nSubject: z\r\n--b b--\r\n",
         "m Subject: y\r\nContent-Type: a/b\r\n\r\n1|f 1|m A|p Subject: z"},
        {"Content-Type: multipart/mixed\r\n\r\nno boundary\r\n", "f no boundary\r\n"},
        {MIXED "--b b\r\nContent-Type: a/b\r\n\r\nopen end", "f open end"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
        g_autofree char *found = list_items(fixture, messages[i].message);
        g_assert_cmpstr(found, ==, messages[i].leaves);
    }
}

/* Cut at every octet, and with every octet changed. */
static void test_every_octet(Fixture *fixture, gconstpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize length = strlen(cases[i].message);
        for (gsize k = 0; k < length; k++) {
            g_autofree char *changed = g_memdup2(cases[i].message, length);
            changed[k] = (char)(k % 3 == 0 ? '\0' : k % 3 == 1 ? 0xff : '\n');
            postern_findings_free(check(fixture, cases[i].message, k));
            postern_findings_free(check(fixture, changed, length));
        }
    }
}

static PosternFindings *check_repeated(Fixture *fixture, const char *begin, const char *format, guint count)
{
    GString *message = g_string_new(begin);
    for (guint i = 0; i < count; i++) {
        for (const char *place = format; *place != '\0'; place++)
            if (*place == '@')
                g_string_append_printf(message, "%u", i);
            else
                g_string_append_c(message, *place);
    }
    PosternFindings *findings = check(fixture, message->str, message->len);
    g_string_free(message, TRUE);
    return findings;
}

static void test_depth(Fixture *fixture, gconstpointer data)
{
    static const char *const formats[] = {
        "Content-Type: multipart/mixed; boundary=b@\r\n\r\n--b@\r\n",
        "Content-Type: message/rfc822\r\n\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autoptr(PosternFindings) shallow = check_repeated(fixture, "", formats[i], 30);
        g_assert_null(shallow->content.problem);
        g_autoptr(PosternFindings) deep = check_repeated(fixture, "", formats[i], 100000);
        g_assert_true(g_str_has_prefix(deep->content.problem, "more "));
    }
}

static void test_parts(Fixture *fixture, gconstpointer data)
{
    const char *begin = "Content-Type: multipart/mixed; boundary=x\r\n\r\n";
    g_autoptr(PosternFindings) some =
        check_repeated(fixture, begin, "--x\r\nContent-Type: a/b@\r\n\r\n", 150);
    g_assert_cmpuint(some->content.count, ==, 150);
    g_assert_cmpuint(some->content.attachments->len, ==, POSTERN_ATTACHMENTS_REPORTED_MAX);
    g_assert_null(some->content.problem);
    g_autoptr(PosternFindings) many = check_repeated(fixture, begin, "--x\n\n\n", 1000000);
    g_assert_cmpstr(many->content.problem, ==, "more than 10000 MIME parts");
}

/* Lines that look like boundaries under a full stack of them cost no more than others. */
static void test_boundaries_at_depth(Fixture *fixture, gconstpointer data)
{
    GString *message = g_string_new(NULL);
    for (guint i = 100; i < 198; i++)
        g_string_append_printf(message, "Content-Type: multipart/mixed; boundary=%u\r\n\r\n--%u\r\n", i, i);
    g_string_append(message, "\r\n");
    for (guint i = 0; i < 1000000; i++)
        g_string_append(message, "--abc\r\n");
    gint64 begin = g_get_monotonic_time();
    g_autoptr(PosternFindings) findings = check(fixture, message->str, message->len);
    g_assert_null(findings->content.problem);
    g_assert_cmpint(g_get_monotonic_time() - begin, <, 20 * G_USEC_PER_SEC);
    g_string_free(message, TRUE);
}

static void test_long_values(Fixture *fixture, gconstpointer data)
{
    GString *message = g_string_new("Content-Type: a/b; name=\"");
    for (guint i = 0; i < 5000; i++)
        g_string_append(message, "\xc3\xa9");
    g_string_append(message, "\"\r\n\r\n");
    g_autoptr(PosternFindings) findings = check(fixture, message->str, message->len);
    const PosternAttachment *attachment = g_ptr_array_index(findings->content.attachments, 0);
    g_assert_cmpuint(strlen(attachment->name), ==, POSTERN_ATTACHMENT_NAME_MAX_OCTETS - 1);
    g_assert_true(g_utf8_validate(attachment->name, -1, NULL));
    g_string_free(message, TRUE);
    g_autofree char *folds = g_strnfill(3000000, ' ');
    g_autofree char *folded = g_strdup_printf("Content-Type: a/b;%s\r\n name=x\r\n\r\n", folds);
    postern_findings_free(check(fixture, folded, strlen(folded)));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/content/cases", test_cases},
        {"/content/items", test_items},
        {"/content/every-octet", test_every_octet},
        {"/content/depth", test_depth},
        {"/content/parts", test_parts},
        {"/content/boundaries-at-depth", test_boundaries_at_depth},
        {"/content/long-values", test_long_values},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
