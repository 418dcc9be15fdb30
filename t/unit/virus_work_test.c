/*
 * The work of a scan, counted and not timed: whatever the shape of a message, twice as much of it is at most
 * about twice the work, and all of it a few times its octets.
 */
#include "checks/check.h"

#include "unit/virus_fixture.h"

static const char *const shapes[] = {
    "\r",
    "\n",
    "\r\n",
    "\r\r\n",
    "Content-Type: multipart/signed; boundary=x\r",
    "Content-Type: (\r\n",
    "Content-Type: (\r\n ",
    "Content-Type\r",
    "begin 644 x\r\n",
    "begin 644 x\r\n#86)C\r\n",
    "--x\r\n",
    "-",
    "=?=?",
    "*=",
    "From \r\n",
    "a",
};

static GString *repeated(const char *text, gsize octets)
{
    GString *out = g_string_new(NULL);
    while (out->len < octets)
        g_string_append(out, text);
    return out;
}

static PosternVirusWork scan(VirusFixture *fixture, const GString *message, gsize *ret_length)
{
    g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
    postern_check_virus(fixture->engine, message->str, message->len, fixture->folder, &finding);
    *ret_length = message->len;
    return postern_virus_engine_work(fixture->engine);
}

static void assert_bounded(const char *what, PosternVirusWork work, gsize length)
{
    if (work.octets > 16 * (length + 1000))
        g_error("%s: %u scans of %" G_GUINT64_FORMAT " octets, of %" G_GSIZE_FORMAT, what, work.scans,
                work.octets, length);
}

static void test_shapes(VirusFixture *fixture, gconstpointer data)
{
    static const char *const headers[] = {
        "Subject: x\r\n\r\n", "", "Content-Type: multipart/mixed; boundary=x\r\n\r\n",
        "Content-Transfer-Encoding: base64\r\n\r\n",
        "Content-Type: a/b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(shapes) * G_N_ELEMENTS(headers); i++) {
        const char *shape = shapes[i % G_N_ELEMENTS(shapes)];
        guint64 octets[2];
        for (gsize k = 0; k < G_N_ELEMENTS(octets); k++) {
            g_autoptr(GString) message = repeated(shape, (k + 1) * 20000);
            gsize length;
            g_string_prepend(message, headers[i / G_N_ELEMENTS(shapes)]);
            PosternVirusWork work = scan(fixture, message, &length);
            assert_bounded(shape, work, length);
            octets[k] = work.octets;
        }
        if (octets[1] > octets[0] * 5 / 2 + 10000)
            g_error("%" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT " octets for %s", octets[0], octets[1],
                    shape);
    }
}

/* Messages in messages: each is scanned once, however often it is come by. */
static void test_nested(VirusFixture *fixture, gconstpointer data)
{
    static const char *const outer[] = {
        "Content-Type: message/rfc822\r\n\r\n", "X-A: b\r\nContent-Type: message/rfc822\r\n\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
        "message/rfc822\r\n\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(outer); i++) {
        g_autoptr(GString) message = repeated(outer[i], 200000);
        gsize length;
        PosternVirusWork work = scan(fixture, message, &length);
        g_assert_cmpuint(work.scans, <, 10);
        assert_bounded(outer[i], work, length);
    }
    g_autoptr(GString) inner = g_string_new("Subject: innermost\r\n\r\nText.\r\n");
    for (guint i = 0; i < 25; i++) {
        g_autofree char *text = g_base64_encode((const guchar *)inner->str, inner->len);
        g_string_assign(inner, "X-A: b\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n"
                               "Content-Transfer-Encoding: base64\r\n\r\n");
        g_string_append(inner, text);
    }
    gsize length;
    PosternVirusWork work = scan(fixture, inner, &length);
    g_assert_cmpuint(work.scans, <=, 60);
    assert_bounded("messages in base64", work, length);
    g_autoptr(GString) alike = g_string_new("Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (guint i = 0; i < 200; i++)
        g_string_append_printf(alike,
                               "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64"
                               "\r\n\r\nU3ViamVjdDogeA0KDQpUZXh0IG9mIG9uZSBtZXNzYWdlLg0K\r\n");
    work = scan(fixture, alike, &length);
    g_assert_cmpuint(work.scans, <=, 5);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(VirusFixture *fixture, gconstpointer data);
    } tests[] = {

        {"/virus-work/shapes", test_shapes},
        {"/virus-work/nested", test_nested},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, VirusFixture, NULL, virus_set_up, tests[i].run, virus_tear_down);
    return g_test_run();
}
