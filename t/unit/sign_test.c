/*
 * Our own signatures: whose key signs what, and that each is found right by the verifier, whatever the
 * message looks like.
 */
#include "checks/check.h"

#include "mail/edits.h"
#include "sign_fixture.h"
#include "wire/tag_list.h"

#define MESSAGES 100
#define PLAIN                                                                                                \
    "From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: hello  there\r\n"                    \
    "Date: today\r\n\r\nHello.\r\n"

static SignFixture fixture;
static PosternSignEngine *engine;
static PosternDkimEngine *dkim;

static PosternFindings *sign(const char *message)
{
    return sign_octets(engine, message, strlen(message));
}

/* A tag of a signature, without white space. */
static char *tag(const PosternFindings *findings, guint index, const char *name)
{
    const char *problem = NULL;
    g_assert_cmpuint(findings->sign.fields->len, >, index);
    const char *field = g_ptr_array_index(findings->sign.fields, index);
    g_autoptr(PosternTagList) tags = postern_tag_list_parse(field, strlen(field), &problem);
    g_assert_null(problem);
    const char *value = postern_tag_list_get(tags, name);
    if (value == NULL)
        return NULL;
    GString *out = g_string_new(NULL);
    for (; *value != '\0'; value++)
        if (!g_ascii_isspace(*value))
            g_string_append_c(out, *value);
    return g_string_free(out, FALSE);
}

static void expect_tag(const PosternFindings *findings, guint index, const char *name, const char *wanted)
{
    g_autofree char *value = tag(findings, index, name);
    g_assert_cmpstr(value, ==, wanted);
}

static void expect_unsigned(const char *message, const char *step)
{
    g_autoptr(PosternFindings) findings = sign(message);
    g_assert_cmpuint(findings->sign.fields->len, ==, 0);
    g_assert_null(findings->sign.problem);
    g_assert_null(findings->sign.domain);
    g_assert_cmpuint(findings->steps->len, ==, 1);
    const PosternStep *said = g_ptr_array_index(findings->steps, 0);
    g_assert_cmpuint(said->check, ==, POSTERN_CHECK_SIGN);
    if (strstr(said->text, step) == NULL)
        g_error("'%s', wanted '%s', for:\n%s", said->text, step, message);
}

static void test_tags(void)
{
    g_autoptr(PosternFindings) findings = sign(PLAIN);
    g_assert_cmpuint(findings->sign.fields->len, ==, 2);
    g_assert_cmpstr(findings->sign.domain, ==, "example.org");
    g_assert_null(findings->sign.problem);
    expect_tag(findings, 0, "a", "rsa-sha256");
    expect_tag(findings, 0, "s", "r1");
    expect_tag(findings, 1, "a", "ed25519-sha256");
    expect_tag(findings, 1, "s", "e1");
    for (guint i = 0; i < 2; i++) {
        expect_tag(findings, i, "v", "1");
        expect_tag(findings, i, "c", "relaxed/relaxed");
        expect_tag(findings, i, "d", "example.org");
        expect_tag(findings, i, "t", "1750000000");
        expect_tag(findings, i, "h", "From:To:Subject:Date:from:subject");
        expect_tag(findings, i, "l", NULL);
        expect_tag(findings, i, "x", NULL);
        expect_tag(findings, i, "z", NULL);
        expect_tag(findings, i, "i", NULL);
    }
    g_assert_cmpuint(findings->steps->len, ==, 2);
}

static void test_whose_key(void)
{
    static const struct {
        const char *from, *domain;
    } cases[] = {
        {"a@example.org", "example.org"},
        {"A@EXAMPLE.ORG", "example.org"},
        {"a@mail.example.org", "example.org"},
        {"a@x.y.mail.example.org", "example.org"},
        {"a@sub.example.com", "sub.example.com"},
        {"a@x.sub.example.com", "sub.example.com"},
        {"a@b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example"},
        {"Alice <a@example.org>", "example.org"},
        {"\"b@example.net\" <a@example.org>, c@example.org", "example.org"},
        {"a@example.org, c@example.org", "example.org"},
        {"a@notexample.org", NULL},
        {"a@example.com", NULL},
        {"a@org", NULL},
        {"a@example.org.", NULL},
        {"a@example.org, b@example.net", NULL},
        {"undisclosed:;", NULL},
        {"a@[192.0.2.1]", NULL},
        {"", NULL},
        {"<>", NULL},
        {"a@example.org <b@example.net>", NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *message = g_strdup_printf("From: %s\r\n\r\nHello.\r\n", cases[i].from);
        g_autoptr(PosternFindings) findings = sign(message);
        if (g_strcmp0(findings->sign.domain, cases[i].domain) != 0)
            g_error("From: %s is signed for %s, wanted %s", cases[i].from, findings->sign.domain,
                    cases[i].domain);
        g_assert_true((cases[i].domain != NULL) == (findings->sign.fields->len > 0));
        g_assert_null(findings->sign.problem);
        g_assert_cmpuint(findings->steps->len, >, 0);
    }
}

static void test_what_cannot_be_signed(void)
{
    g_autoptr(GString) many = g_string_new("From: a@example.org\r\n");
    for (guint i = 0; i < POSTERN_SIGN_HEADER_FIELDS_MAX; i++)
        g_string_append(many, "To: a@example.net\r\n");
    g_autofree char *filling = g_strnfill(POSTERN_SIGN_HEADER_FIELD_MAX_OCTETS, 'x');
    g_autofree char *long_field = g_strdup_printf("From: a@example.org\r\nSubject: %s\r\n\r\n", filling);
    expect_unsigned("", "no From field");
    expect_unsigned("Subject: x\r\n\r\nFrom: a@example.org\r\n", "no From field");
    expect_unsigned("From: a@example.org\r\nFROM: a@example.org\r\n\r\n", "several From fields");
    expect_unsigned("From: a@example.org\r\nno field\r\n\r\n", "would read the header alike");
    expect_unsigned("From: a@example.org\r\nSubject: a\rb\r\n\r\n", "would read the header alike");
    expect_unsigned("From: a@example.org\r\nSubject: a\n b\r\n\r\n", "CR or LF");
    expect_unsigned("From: a@example.org\r\n\r\nbody\n", "no line end");
    expect_unsigned("From: a@example.org\r\n\r\n\n", "no line end");
    expect_unsigned("From: a@example.org\r\n\r\na\nb\r\n", "no line end");
    expect_unsigned("From: a@example.org\r\n\r\na\rb\r\n", "no line end");
    expect_unsigned("From: a@example.org\r\n\r\na\r\r\n", "no line end");
    expect_unsigned("From: a@example.org\r\nSubject\t: a\r\n\r\n", "would read the header alike");
    expect_unsigned(long_field, "too long");
    expect_unsigned(many->str, "too many fields");
    static const char nul[] = "From: a@example.org\r\nX-Other: a\0b\r\n\r\n";
    g_autoptr(PosternFindings) findings = sign_octets(engine, nul, sizeof nul - 1);
    g_assert_cmpuint(findings->sign.fields->len, ==, 0);
    static const char body_nul[] = "From: a@example.org\r\n\r\na\0b\r\n";
    g_autoptr(PosternFindings) body = sign_octets(engine, body_nul, sizeof body_nul - 1);
    g_assert_cmpstr(body->sign.unsigned_reason, ==, "the body has a NUL octet");
}

/* RFC 6376 5.3: lines that a mail server breaks are folded, or the message is not signed, and it is said. */
static void test_long_lines(void)
{
    g_autofree char *word = g_strnfill(POSTERN_SIGN_BODY_LINE_MAX_OCTETS + 1, 'w');
    const char *fits = word + 1;
    g_autoptr(GString) words = g_string_new(NULL);
    for (guint i = 0; i < 300; i++)
        g_string_append_printf(words, "<%u@example.org> ", i);
    g_autofree char *longest = g_strdup_printf("From: a@example.org\r\n\r\n%s\r\n%s", fits, fits);
    g_autofree char *body = g_strdup_printf("From: a@example.org\r\n\r\n%s\r\n", word);
    g_autofree char *cut = g_strdup_printf("From: a@example.org\r\n\r\n%s", word);
    g_autofree char *subject = g_strdup_printf("From: a@example.org\r\nSubject: %s\r\n\r\n", word);
    g_autofree char *other = g_strdup_printf("From: a@example.org\r\nX-Other: %s\r\n\r\n", word);
    g_autofree char *foldable = g_strdup_printf("From: a@example.org\r\nReferences: %s\r\n\r\n", words->str);
    g_autofree char *elsewhere = g_strdup_printf("From: a@example.biz\r\n\r\n%s\r\n", word);
    expect_unsigned(body, "longer than 998 octets");
    expect_unsigned(cut, "longer than 998 octets");
    expect_unsigned(subject, "a word longer than a line");
    const char *const good[] = {longest, other, foldable};
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(PosternFindings) findings = sign(good[i]);
        g_assert_cmpuint(findings->sign.fields->len, ==, 2);
        g_assert_null(findings->sign.unsigned_reason);
    }
    g_autoptr(PosternFindings) said = sign(body);
    g_assert_nonnull(strstr(said->sign.unsigned_reason, "longer than 998 octets"));
    g_autoptr(PosternFindings) keyless = sign(elsewhere);
    g_assert_null(keyless->sign.unsigned_reason);
}

/* Whoever adds a second From or Subject breaks the signature; other additions do not. */
static void test_oversigning(void)
{
    static const struct {
        const char *field;
        guint right;
    } cases[] = {
        {"", 2},
        {"Received: from x by y; today\r\n", 2},
        {"X-Spam: no\r\n", 2},
        {"Reply-To: b@example.org\r\n", 2},
        {"From: b@example.net\r\n", 0},
        {"Subject: another\r\n", 0},
    };
    g_autoptr(PosternFindings) findings = sign(PLAIN);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *message = g_strconcat(cases[i].field, PLAIN, NULL);
        g_autoptr(GString) joined = sign_join(findings, message, strlen(message));
        g_assert_cmpuint(sign_count_right(&fixture, dkim, joined->str, joined->len), ==, cases[i].right);
    }
    g_autoptr(PosternFindings) bare = sign("From: a@example.org\r\n\r\nHello.\r\n");
    expect_tag(bare, 0, "h", "From:from:subject");
    g_autoptr(GString) added = sign_join(bare, "From: a@example.org\r\nSubject: new\r\n\r\nHello.\r\n",
                                         strlen("From: a@example.org\r\nSubject: new\r\n\r\nHello.\r\n"));
    g_assert_cmpuint(sign_count_right(&fixture, dkim, added->str, added->len), ==, 0);
}

static void append_words(GRand *random, GString *out, guint words)
{
    static const char *const pieces[] = {"word",   "  ",  "\t",           "\xc3\xa9", "\xff\xfe", ".",
                                         "\x01",   "=3D", "longer words", " ",        "-- ",      "From x",
                                         "a:b;c=", "\\",  "\"quoted\"",   "."};
    for (guint i = 0; i < words; i++)
        g_string_append(out, pieces[g_rand_int_range(random, 0, G_N_ELEMENTS(pieces))]);
}

static void append_fields(GRand *random, GString *out, guint number)
{
    static const char *const names[] = {"To",           "cc",       "Subject",   "Date",     "MESSAGE-ID",
                                        "MIME-Version", "X-Other",  "Received",  "List-Id",  "Resent-To",
                                        "References",   "Reply-To", "Resent-To", "X-Mailer", "Content-Type"};
    guint count = (guint)g_rand_int_range(random, 0, 20);
    for (guint i = 0; i < count; i++) {
        const char *name = names[g_rand_int_range(random, 0, G_N_ELEMENTS(names))];
        g_autofree char *begin = g_strdup_printf("%s:", name);
        /* Two that disagree are not signed. */
        g_string_append(out, strstr(out->str, begin) == NULL ? begin : "X-More:");
        append_words(random, out, (guint)g_rand_int_range(random, 0, 12));
        for (gint folds = g_rand_int_range(random, 0, 3); folds > 0; folds--) {
            g_string_append(out, g_rand_boolean(random) ? "\r\n " : "\r\n\t \t");
            append_words(random, out, 5);
        }
        g_string_append(out, "\r\n");
        if (i == 2)
            g_string_append_printf(out, "from:  \"Number %u\"\r\n <a@mail.example.org>\r\n", number);
    }
    if (count < 3)
        g_string_append(out, "From:a@example.org\r\n");
}

static void append_body(GRand *random, GString *out, guint number)
{
    guint lines = number % 10 == 0 ? 0 : (guint)g_rand_int_range(random, 1, 30);
    for (guint i = 0; i < lines; i++) {
        append_words(random, out, (guint)g_rand_int_range(random, 0, number % 7 == 0 ? 60 : 12));
        g_string_append(out, g_rand_int_range(random, 0, 4) == 0 ? "  \t\r\n" : "\r\n");
    }
    for (guint i = 0; i < number % 4; i++)
        g_string_append(out, "\r\n");
    if (number % 5 == 1)
        append_words(random, out, 3);
}

static void test_round_trip(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(6376);
    guint empty = 0;
    for (guint i = 0; i < MESSAGES; i++) {
        g_autoptr(GString) message = g_string_new(NULL);
        append_fields(random, message, i);
        gsize header = message->len;
        if (i % 20 != 10)
            g_string_append(message, "\r\n");
        append_body(random, message, i);
        empty += message->len <= header + 2;
        g_autoptr(PosternFindings) findings = sign_octets(engine, message->str, message->len);
        g_assert_cmpuint(findings->sign.fields->len, ==, 2);
        g_autoptr(GString) joined = sign_join(findings, message->str, message->len);
        if (sign_count_right(&fixture, dkim, joined->str, joined->len) != 2)
            g_error("message %u is not found right:\n%s", i, joined->str);
        /* What is not white space counts. */
        g_string_append(joined, "x");
        g_assert_cmpuint(sign_count_right(&fixture, dkim, joined->str, joined->len), ==, 0);
    }
    g_assert_cmpuint(empty, >, 0);
}

static void test_large_messages(void)
{
    g_autofree char *line = g_strnfill(POSTERN_SIGN_BODY_LINE_MAX_OCTETS, 'x');
    g_autoptr(GString) subject = g_string_new(NULL);
    while (subject->len < 60000)
        g_string_append(subject, "subject ");
    g_autoptr(GString) message = g_string_new("From: a@example.org\r\n");
    for (guint i = 0; i < POSTERN_SIGN_HEADER_FIELDS_MAX - 2; i++)
        g_string_append(message, "Content-Transfer-Encoding: 8bit\r\n");
    g_string_append_printf(message, "Subject: %s\r\n\r\n", subject->str);
    for (guint i = 0; i < 10000; i++)
        g_string_append_printf(message, "%s\r\n\r\n", line);
    g_autoptr(PosternFindings) findings = sign_octets(engine, message->str, message->len);
    g_assert_cmpuint(findings->sign.fields->len, ==, 2);
    g_autoptr(GString) joined = sign_join(findings, message->str, message->len);
    g_assert_cmpuint(sign_count_right(&fixture, dkim, joined->str, joined->len), ==, 2);
}

/* The fields are what a verdict can insert. */
static void test_fields_can_be_inserted(void)
{
    g_autoptr(PosternFindings) findings = sign(PLAIN);
    g_autoptr(PosternEdits) edits = postern_edits_new();
    for (guint i = 0; i < findings->sign.fields->len; i++) {
        const char *field = g_ptr_array_index(findings->sign.fields, i);
        g_auto(GStrv) lines = g_strsplit(field, "\r\n", -1);
        g_assert_true(postern_edits_insert(edits, "DKIM-Signature", field));
        for (guint j = 0; lines[j] != NULL; j++)
            g_assert_cmpuint(strlen(lines[j]), <=, 100);
    }
}

static void test_proof(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpuint(postern_sign_engine_count(engine), ==, 4);
    __lsan_disable();
    g_assert_true(postern_sign_engine_self_test(engine, dkim, TRUE, &error));
    g_assert_true(postern_sign_engine_self_test(engine, dkim, FALSE, &error));
    __lsan_enable();
    g_assert_no_error(error);
}

static void test_records(void)
{
    g_autofree char *records = postern_sign_engine_records(engine);
    g_auto(GStrv) lines = g_strsplit(records, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 5);
    g_assert_true(g_str_has_prefix(lines[0], "r1._domainkey.example.org. IN TXT \"v=DKIM1; k=rsa; p=MII"));
    g_assert_true(g_str_has_prefix(lines[1], "e1._domainkey.example.org. IN TXT \"v=DKIM1; k=ed25519; p="));
    g_auto(GStrv) strings = g_strsplit(lines[0], "\"", -1);
    g_assert_cmpuint(g_strv_length(strings), ==, 5);
    g_assert_cmpuint(strlen(strings[1]), ==, 255);
}

/* A bad table names its line, or the line of the bad key. */
static void test_bad_tables(void)
{
    SignFixture bad;
    g_autoptr(GError) error = NULL;
    sign_set_up(&bad);
    sign_add_key(&bad, "example.org", "s", dkim_signer_ed25519());
    g_string_append(bad.table, "example.net s /nowhere/key.pem\n");
    g_assert_null(sign_load(&bad, &error));
    g_assert_nonnull(strstr(error->message, "table:4: "));
    g_assert_nonnull(strstr(error->message, "/nowhere/key.pem"));
    g_assert_nonnull(strstr(error->message, "No such file"));
    g_clear_error(&error);
    g_string_append(bad.table, "what is this\n");
    g_assert_null(sign_load(&bad, &error));
    g_assert_nonnull(strstr(error->message, "table:5: 'what' is no domain"));
    g_clear_error(&error);
    g_assert_null(postern_sign_engine_new("/nowhere/table", NULL, &error));
    g_assert_nonnull(strstr(error->message, "/nowhere/table"));
    sign_tear_down(&bad);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_test_init(&argc, &argv, NULL);
    sign_set_up(&fixture);
    sign_add_key(&fixture, "example.org", "r1", dkim_signer_rsa(2048));
    sign_add_key(&fixture, "example.org", "e1", dkim_signer_ed25519());
    sign_add_key(&fixture, "sub.example.com", "s", dkim_signer_ed25519());
    sign_add_key(&fixture, "xn--bcher-kva.example", "s", dkim_signer_rsa(1024));
    engine = sign_load(&fixture, &error);
    g_assert_no_error(error);
    dkim = postern_dkim_engine_new(FALSE);
    g_test_add_func("/sign/tags", test_tags);
    g_test_add_func("/sign/whose_key", test_whose_key);
    g_test_add_func("/sign/what_cannot_be_signed", test_what_cannot_be_signed);
    g_test_add_func("/sign/long_lines", test_long_lines);
    g_test_add_func("/sign/oversigning", test_oversigning);
    g_test_add_func("/sign/round_trip", test_round_trip);
    g_test_add_func("/sign/large_messages", test_large_messages);
    g_test_add_func("/sign/fields_can_be_inserted", test_fields_can_be_inserted);
    g_test_add_func("/sign/proof", test_proof);
    g_test_add_func("/sign/records", test_records);
    g_test_add_func("/sign/bad_tables", test_bad_tables);
    int status = g_test_run();
    postern_dkim_engine_free(dkim);
    postern_sign_engine_free(engine);
    sign_tear_down(&fixture);
    return status;
}
