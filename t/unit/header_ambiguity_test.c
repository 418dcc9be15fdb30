/* Which headers not all programs read alike. */
#include "mail/header.h"

#include <string.h>

#include "base/limits.h"

typedef struct {
    const char *text;
    gsize length;
    PosternHeaderAmbiguity ambiguity;
    guint line; /* 0: none */
} Case;

#define TEXT(text) text, sizeof text - 1
#define GOOD "From: a@example.com\r\n"
#define END "\r\n\r\nbody\r\n"

static const Case cases[] = {
    {TEXT(""), POSTERN_HEADER_CLEAR, 0},
    {TEXT("\r\nbody"), POSTERN_HEADER_CLEAR, 0},
    {TEXT(GOOD "Subject: x" END), POSTERN_HEADER_CLEAR, 0},
    {TEXT("From: a\nSubject: x\n y\n\nbody\nno colon\n"), POSTERN_HEADER_CLEAR, 0},
    {TEXT(GOOD "Subject:" END), POSTERN_HEADER_CLEAR, 0},
    {TEXT(GOOD "Subject:\r\n x" END), POSTERN_HEADER_CLEAR, 0},
    {TEXT(GOOD "Subject: x\r\n \t\r\n y\r\nTo: b" END), POSTERN_HEADER_CLEAR, 0},
    {TEXT(GOOD "Subject: \xe4\xf6 \x1b$B%F\x1b(B \v\f\x7f" END), POSTERN_HEADER_CLEAR, 0},
    {TEXT(GOOD "X!#$%&'*+-.^_`|~(\"@=: x" END), POSTERN_HEADER_CLEAR, 0},
    {TEXT(GOOD "-X: x\r\nX--Y: z" END), POSTERN_HEADER_CLEAR, 0},
    {TEXT(GOOD "X-Note: From me\r\n From: b\r\n" END), POSTERN_HEADER_CLEAR, 0},
    {TEXT(GOOD "Received: a\r\nReceived: b\r\nTo: c\r\nTo: d\r\nDate: e\r\nDate: f" END),
     POSTERN_HEADER_CLEAR, 0},
    {TEXT(GOOD "Subject: a  b\r\n c\r\nsubject:a b c \r\n" END), POSTERN_HEADER_CLEAR, 0},
    {TEXT(GOOD "From: b@example.com\r\n" END), POSTERN_HEADER_CLEAR, 0},
    {TEXT(GOOD "Reply-To: b\r\nReply-To: c\r\nSender: d\r\nSender: e" END), POSTERN_HEADER_CLEAR, 0},
    /* Without a single field all of it is body to everybody. */
    {TEXT("no header\r\n\r\nmore"), POSTERN_HEADER_CLEAR, 0},
    {TEXT(" Subject: x" END), POSTERN_HEADER_CLEAR, 0},

    {TEXT(" X: y\r\n" GOOD END), POSTERN_HEADER_STARTS_FOLDED, 1},
    {TEXT("\t\r\n" GOOD END), POSTERN_HEADER_STARTS_FOLDED, 1},
    {TEXT("From a@example.com Thu Jan  1 00:00:00 2026\r\n" GOOD END), POSTERN_HEADER_MAILBOX_LINE, 1},
    {TEXT(">From a@example.com Thu Jan  1 00:00:00 2026\r\n" GOOD END), POSTERN_HEADER_MAILBOX_LINE, 1},
    {TEXT(GOOD "From a@example.com Thu Jan  1\r\nTo: b" END), POSTERN_HEADER_NO_COLON, 2},
    {TEXT(GOOD "From a@example.com Thu Jan  1 00:00:00 2026\r\nTo: b" END), POSTERN_HEADER_NAME_OCTETS, 2},
    {TEXT(GOOD "pay to this account\r\nSubject: x" END), POSTERN_HEADER_NO_COLON, 2},
    {TEXT(GOOD "Subject\r\n : x\r\nTo: b" END), POSTERN_HEADER_NO_COLON, 2},
    {TEXT(GOOD "\f\r\nTo: b" END), POSTERN_HEADER_NO_COLON, 2},
    {TEXT(GOOD "To: b\r\n\r\r\n" END), POSTERN_HEADER_BARE_CR, 3},
    {TEXT(GOOD ": x\r\nTo: b" END), POSTERN_HEADER_NO_NAME, 2},
    {TEXT(GOOD "Sub ject: x" END), POSTERN_HEADER_NAME_OCTETS, 2},
    {TEXT(GOOD "S\xc3\xbc: x" END), POSTERN_HEADER_NAME_OCTETS, 2},
    {TEXT("\xef\xbb\xbfSubject: x\r\n" GOOD END), POSTERN_HEADER_NAME_OCTETS, 1},
    {TEXT(GOOD "\vSubject: x" END), POSTERN_HEADER_NAME_OCTETS, 2},
    {TEXT(GOOD "Subject\x7f: x" END), POSTERN_HEADER_NAME_OCTETS, 2},
    {TEXT(GOOD "--Subject: x" END), POSTERN_HEADER_NAME_DASHES, 2},
    {TEXT(GOOD "Subject : x" END), POSTERN_HEADER_COLON_APART, 2},
    {TEXT(GOOD "X: a\r\n b\r\nDKIM-Signature\t: x" END), POSTERN_HEADER_COLON_APART, 4},
    {TEXT("From : a@example.com\r\n" END), POSTERN_HEADER_COLON_APART, 1},
    {TEXT(GOOD "Subj\0ect: x" END), POSTERN_HEADER_NUL, 2},
    {TEXT(GOOD "Subject: x\r\n \0y" END), POSTERN_HEADER_NUL, 2},
    {TEXT(GOOD "Subject: x\rSubject: y" END), POSTERN_HEADER_BARE_CR, 2},
    {TEXT(GOOD "Subject: x\r"), POSTERN_HEADER_BARE_CR, 2},
    {TEXT(GOOD "Subject: x\r\nTo: b\r\nSUBJECT: y" END), POSTERN_HEADER_FIELDS_DISAGREE, 4},
    {TEXT("Content-Type: text/plain\r\n" GOOD "Content-Type: text/html" END), POSTERN_HEADER_FIELDS_DISAGREE,
     3},
    {TEXT(GOOD "Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding:" END),
     POSTERN_HEADER_FIELDS_DISAGREE, 3},
    /* The first is told, of those that mislead if there is one. */
    {TEXT(GOOD "X : a\r\nY : b" END), POSTERN_HEADER_COLON_APART, 2},
    {TEXT(GOOD "X : a\r\nno colon\r\n: b" END), POSTERN_HEADER_NO_COLON, 3},
    {TEXT(GOOD "Subject : a\r\nSubject: b" END), POSTERN_HEADER_FIELDS_DISAGREE, 3},
    {TEXT(GOOD "a\r\n: b\r\nSubject : c" END), POSTERN_HEADER_NO_COLON, 2},
    {TEXT("Subject: x\r\nSubject: y\r\n" GOOD "a\r\n" END), POSTERN_HEADER_FIELDS_DISAGREE, 2},
};

static void assert_case(const Case *entry)
{
    g_autofree char *copy = g_memdup2(entry->text, MAX(entry->length, 1));
    g_autoptr(PosternHeader) header = postern_header_parse(copy, entry->length);
    g_autofree char *problem = postern_header_problem(header);
    g_autofree char *line = g_strdup_printf("line %u ", entry->line);

    if (header->ambiguity != entry->ambiguity)
        g_error("%u, wanted %u, for: %s", header->ambiguity, entry->ambiguity, entry->text);
    g_assert_cmpint(problem == NULL, ==, entry->ambiguity == POSTERN_HEADER_CLEAR);
    if (!problem)
        return;
    g_assert_cmpuint(header->ambiguous_line, ==, entry->line);
    g_assert_true(g_str_has_prefix(problem, line));
    g_assert_cmpuint(strlen(problem), >, strlen(line) + 5);
    g_assert_true(header->ambiguous_offset == 0 || copy[header->ambiguous_offset - 1] == '\n');
}

static void test_ambiguity(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_case(&cases[i]);
}

/* What misleads in the lines that are there stays so when more of them are. */
static void test_growth(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        for (gsize part = 0; part <= cases[i].length; part++) {
            g_autofree char *copy = g_memdup2(cases[i].text, MAX(part, 1));
            g_autoptr(PosternHeader) header = postern_header_parse(copy, part);
            gboolean whole = part > 0 && copy[part - 1] == '\n';

            if (whole && header->fields->len > 0 && postern_header_misleads(header))
                g_assert_cmpint(header->ambiguity, ==, cases[i].ambiguity);
        }
}

static void assert_long(const char *before, gsize filling, const char *after,
                        PosternHeaderAmbiguity ambiguity)
{
    g_autofree char *middle = g_strnfill(filling, 'x');
    g_autofree char *text = g_strconcat(GOOD, before, middle, after, "\r\n\r\nbody", NULL);
    g_autoptr(PosternHeader) header = postern_header_parse(text, strlen(text));

    g_assert_cmpint(header->ambiguity, ==, ambiguity);
}

static void test_lengths(void)
{
    const gsize field = POSTERN_HEADER_SHOWN_FIELD_MAX_OCTETS - strlen("Subject:\r\n");

    assert_long("", POSTERN_HEADER_NAME_MAX_OCTETS, ": y", POSTERN_HEADER_CLEAR);
    assert_long("", POSTERN_HEADER_NAME_MAX_OCTETS + 1, ": y", POSTERN_HEADER_NAME_TOO_LONG);
    assert_long("Subject:", field, "", POSTERN_HEADER_CLEAR);
    assert_long("Subject:", field + 1, "", POSTERN_HEADER_FIELD_TOO_LONG);
    assert_long("To:", field * 3, "", POSTERN_HEADER_CLEAR);
}

static void assert_hides(const char *text, gsize length, const char *value)
{
    g_autofree char *copy = g_memdup2(text, MAX(length, 1));
    g_autoptr(PosternHeader) header = postern_header_parse(copy, length);
    const GArray *lines = header->odd_lines->len > 0 ? header->odd_lines : header->fields;
    const PosternHeaderField *line = &g_array_index(lines, PosternHeaderField, 0);
    const char *seen = NULL;
    gsize seen_length = 0;

    if (!postern_header_line_hides(line, "X-Own", &seen, &seen_length))
        seen = NULL;
    if ((seen != NULL) != (value != NULL))
        g_error("%s, wanted %s, for: %s", seen ? "hides" : "does not hide", value, text);
    if (value)
        g_assert_cmpmem(seen, seen_length, value, strlen(value));
}

static void test_line_hides(void)
{
    assert_hides(TEXT("X-Own: a\r\n"), NULL);
    assert_hides(TEXT("X-Own : a\r\n"), NULL);
    assert_hides(TEXT("X-Ow n: a\r\n"), " a");
    assert_hides(TEXT("X-Own\r\n : a\r\n b\r\n"), " a\r\n b");
    assert_hides(TEXT("X-\r\n Own: a\r\n"), " a");
    assert_hides(TEXT("\vx-own: a\r\n"), " a");
    assert_hides(TEXT("\xef\xbb\xbfX-Own: a\r\n"), " a");
    assert_hides(TEXT("X-O\0wn: a\r\n"), " a");
    assert_hides(TEXT(" X-Own: a\r\n"), " a");
    assert_hides(TEXT("Y: b\rX-Own: a\r\n"), " a");
    assert_hides(TEXT("Y: b\r X-Own: a\r\n"), NULL);
    assert_hides(TEXT("Y: b\r\n X-Own: a\r\n"), NULL);
    assert_hides(TEXT("X-Owner: a\r\n"), NULL);
    assert_hides(TEXT("X-Own a\r\n"), NULL);
    assert_hides(TEXT("X-Own a: b\r\n"), NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/header-ambiguity/kinds", test_ambiguity);
    g_test_add_func("/header-ambiguity/growth", test_growth);
    g_test_add_func("/header-ambiguity/lengths", test_lengths);
    g_test_add_func("/header-ambiguity/line-hides", test_line_hides);
    return g_test_run();
}
