/*
 * A second opinion: libopendkim signs messages and verifies them, changed and unchanged, and the check finds
 * the same of each.
 */
#include "checks/check.h"

#include "unit/dkim_fixture.h"

#define MESSAGES 400

static DKIM_CBSTAT give_key(DKIM *dkim, DKIM_SIGINFO *info, u_char *buffer, size_t size)
{
    g_assert_cmpuint(g_strlcpy((char *)buffer, dkim_get_user_context(dkim), size), <, size);
    return DKIM_CBSTAT_CONTINUE;
}

static gboolean library_passes(DKIM_LIB *library, char *record, const char *message)
{
    DKIM_STAT status;
    const char *end = strstr(message, "\r\n\r\n");
    g_autofree char *header = g_strndup(message, (gsize)(end + 2 - message));
    g_auto(GStrv) fields = g_strsplit(header, "\r\n", -1);
    g_autofree char *body = g_strdup(end + 4);
    DKIM *dkim = dkim_verify(library, (const u_char *)"test", NULL, &status);
    g_assert_nonnull(dkim);
    dkim_set_user_context(dkim, record);
    for (guint i = 0; *fields[i] != '\0'; i++)
        g_assert_cmpint(dkim_header(dkim, (u_char *)fields[i], strlen(fields[i])), ==, DKIM_STAT_OK);
    g_assert_cmpint(dkim_eoh(dkim), ==, DKIM_STAT_OK);
    if (*body != '\0')
        g_assert_cmpint(dkim_body(dkim, (u_char *)body, strlen(body)), ==, DKIM_STAT_OK);
    status = dkim_eom(dkim, NULL);
    dkim_free(dkim);
    return status == DKIM_STAT_OK;
}

/* Words, blanks and line ends in no order, at least one line. */
static GString *random_body(GRand *chance)
{
    static const char *const pieces[] = {"\r\n", "\r\n\r\n", " ", "\t",      "  \t",
                                         "word", "=20",      ".", "\xc3\xbc"};
    GString *body = g_string_new(NULL);
    for (gint left = g_rand_int_range(chance, 0, 40); left > 0; left--)
        g_string_append(body, pieces[g_rand_int_range(chance, 0, G_N_ELEMENTS(pieces))]);
    g_string_append(body, "\r\n");
    return body;
}

/* Puts a piece anywhere into the body, or into the value of a field. */
static void change(GRand *chance, GString *message)
{
    static const char *const pieces[] = {" ", "\t", "x", "\r\n"};
    gssize body = strstr(message->str, "\r\n\r\n") + 4 - message->str;
    gssize subject = strstr(message->str, "Subject: ") + 9 - message->str;
    gboolean below = g_rand_boolean(chance);
    const char *piece = pieces[g_rand_int_range(chance, 0, (gint32)G_N_ELEMENTS(pieces) - !below)];
    gint32 start = (gint32)(below ? body : subject);
    gint32 end = below ? (gint32)message->len - 1 : start + 12;
    gint32 place = 0;
    do {
        place = g_rand_int_range(chance, start, end);
    } while (message->str[place - 1] == '\r');
    g_string_insert(message, place, piece);
}

static void test_opinions(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GRand) chance = g_rand_new_with_seed(6376);
    g_autofree char *record = dkim_signer_record(fixture->key);
    DKIM_LIB *library = dkim_init(NULL, NULL);
    uint64_t drift = NOW; /* more of it wraps t= */
    guint passed = 0;
    answer_key(fixture, fixture->key);
    g_assert_cmpint(dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_CLOCKDRIFT, &drift, sizeof drift), ==, 0);
    g_assert_cmpint(dkim_set_key_lookup(library, give_key), ==, DKIM_STAT_OK);
    for (guint i = 0; i < MESSAGES; i++) {
        DkimSigner signer = plain_signer(fixture->key);
        signer.header_form = g_rand_boolean(chance) ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED;
        signer.body_form = g_rand_boolean(chance) ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED;
        GString *body = random_body(chance);
        g_autofree char *field = dkim_signer_field(&signer, "sel", "example.com", HEADER, body->str);
        GString *message = g_string_new(field);
        g_string_append_printf(message, HEADER "\r\n%s", body->str);
        if (i % 4 != 0)
            change(chance, message);
        g_autoptr(PosternFindings) findings = check_octets(fixture, message->str, message->len, NOW);
        gboolean ours = finding(findings, 0)->result == POSTERN_DKIM_PASS;
        if (ours != library_passes(library, record, message->str))
            g_error("%s here and not by libopendkim:\n%s", ours ? "right" : "wrong", message->str);
        passed += ours ? 1 : 0;
        g_string_free(body, TRUE);
        g_string_free(message, TRUE);
    }
    g_test_message("%u of %d pass", passed, MESSAGES);
    g_assert_cmpuint(passed, >, MESSAGES / 4);
    g_assert_cmpuint(passed, <, MESSAGES * 3 / 4);
    dkim_close(library);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/dkim-libopendkim/opinions", Fixture, NULL, set_up, test_opinions, tear_down);
    return g_test_run();
}
