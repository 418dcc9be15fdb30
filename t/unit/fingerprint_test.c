#include "mail/fingerprint.h"

#include <string.h>

#include "base/limits.h"

#define LARGE_OCTETS (4 * POSTERN_MESSAGE_HEAP_MAX_OCTETS)

typedef struct {
    const char *text;
    gsize trace;
} TraceCase;

#define RECEIVED "Received: from a.example (a.example [192.0.2.1])\r\n\tby mx.example; Mon, 1 Jan 2024\r\n"

static const TraceCase trace_cases[] = {
    {"", 0},
    {"From: a\r\n\r\n", 0},
    {RECEIVED "From: a\r\n\r\n", sizeof RECEIVED - 1},
    {RECEIVED RECEIVED "\r\nReceived: in the body\r\n", 2 * (sizeof RECEIVED - 1)},
    {"X-Greylist: delayed\r\n" RECEIVED "From: a\r\n\r\n", 21 + sizeof RECEIVED - 1},
    {"received: x\r\nRECEIVED: y\r\nTo: z\r\n\r\n", 26},
    /* not on top */
    {"From: a\r\n" RECEIVED "\r\n", 0},
    /* nobody may hide in it what decides how the rest is read */
    {"Received: x\rContent-Type: text/html\r\nFrom: a\r\n\r\n", 0},
    {"Received: x\nContent-Type: text/html\r\nFrom: a\r\n\r\n", 0},
    {"Received : x\r\nFrom: a\r\n\r\n", 0},
    {"Received: x\r\n y\n z\r\nFrom: a\r\n\r\n", 0},
    {"Received: \xc3\xa9\r\nFrom: a\r\n\r\n", 0},
    {"Received: x\x7f\r\nFrom: a\r\n\r\n", 0},
    {"Received", 0},
    {"Received:", 0},
    {"Received: x", 0},
    {"Received: x\r", 0},
    {"Received: x\r\n", 13},
    {"Received: x\r\n y", 0},
    {"Received-By: x\r\n\r\n", 0},
    {"Content-Type: text/html\r\n\r\n", 0},
    {"Return-Path: <a>\r\n\r\n", 0},
};

static void test_trace(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(trace_cases); i++) {
        const TraceCase *one = &trace_cases[i];
        g_test_message("%s", one->text);
        g_assert_cmpuint(postern_fingerprint_trace(one->text, strlen(one->text)), ==, one->trace);
    }
    g_assert_cmpuint(postern_fingerprint_trace("Received: x\0y\r\n\r\n", 17), ==, 0);
}

static void test_trace_is_bounded(void)
{
    g_autoptr(GString) many = g_string_new(NULL);
    for (guint i = 0; i < POSTERN_TRACE_FIELDS_MAX; i++)
        g_string_append(many, "Received: x\r\n");
    g_assert_cmpuint(postern_fingerprint_trace(many->str, many->len), ==, many->len);
    g_string_append(many, "Received: x\r\n");
    g_assert_cmpuint(postern_fingerprint_trace(many->str, many->len), ==, 0);
    g_autofree char *x = g_strnfill(POSTERN_TRACE_MAX_OCTETS - 12, 'x');
    g_autofree char *fits = g_strconcat("Received: ", x, "\r\nTo: a\r\n\r\n", NULL);
    g_autofree char *over = g_strconcat("Received: y", x, "\r\nTo: a\r\n\r\n", NULL);
    g_assert_cmpuint(postern_fingerprint_trace(fits, strlen(fits)), ==, POSTERN_TRACE_MAX_OCTETS);
    g_assert_cmpuint(postern_fingerprint_trace(over, strlen(over)), ==, 0);
    /* A field is not cut: its last line would be the first of another message. */
    g_autofree char *folded = g_strconcat("Received: ", x, "\r\n y\r\nTo: a\r\n\r\n", NULL);
    g_assert_cmpuint(postern_fingerprint_trace(folded, strlen(folded)), ==, 0);
}

typedef struct {
    guint8 octets[POSTERN_FINGERPRINT_OCTETS];
} Fingerprint;

/* Of text, appended in steps; then read from what another process would get. */
static Fingerprint fingerprint_of(const char *text, gsize length, gsize step, guint64 question)
{
    Fingerprint fingerprint, there;
    g_autoptr(PosternMessage) message = postern_message_new(G_MAXUINT32, NULL, NULL);
    g_autoptr(GBytes) octets = g_bytes_new_static(text, length);
    g_autoptr(PosternMessage) received = postern_message_from_octets(octets);
    for (gsize at = 0; at < length; at += step)
        g_assert_true(postern_message_append(message, text + at, MIN(step, length - at), NULL));
    g_assert_true(postern_message_seal(message, NULL));
    g_assert_true(postern_fingerprint(message, question, fingerprint.octets));
    g_assert_true(postern_fingerprint(received, question, there.octets));
    g_assert_cmpmem(&fingerprint, sizeof fingerprint, &there, sizeof there);
    return fingerprint;
}

static Fingerprint whole(const char *text)
{
    return fingerprint_of(text, strlen(text), strlen(text), 1);
}

static gboolean same(const char *text, const char *other)
{
    Fingerprint first = whole(text), second = whole(other);
    return memcmp(&first, &second, sizeof first) == 0;
}

static void test_same(void)
{
    g_assert_true(same("Received: x\r\nTo: a\r\n\r\nbody", "Received: y\r\n\tz\r\nTo: a\r\n\r\nbody"));
    g_assert_true(same("Received: x\r\nTo: a\r\n\r\nbody", "To: a\r\n\r\nbody"));
    g_assert_true(same("Received: x\r\n\r\nbody", "Received: y\r\n\r\nbody"));
    g_assert_false(same("To: a\r\n\r\nbody", "To: b\r\n\r\nbody"));
    g_assert_false(same("To: a\r\n\r\nbody", "To: a\r\n\r\nBody"));
    g_assert_false(same("To: a\r\n\r\nbody", "To: a\r\n\r\n\r\nbody"));
    /* What is body of the one is header of the other. */
    g_assert_false(same("To: a\r\n\r\nCc: b\r\n\r\n", "To: a\r\nCc: b\r\n\r\n\r\n"));
    g_assert_false(same("To: a\r\nReceived: x\r\n\r\nbody", "To: a\r\nReceived: y\r\n\r\nbody"));
    g_assert_false(same("Received: \xff\r\nTo: a\r\n\r\nbody", "Received: \xfe\r\nTo: a\r\n\r\nbody"));
}

static void test_question(void)
{
    static const char text[] = "To: a\r\n\r\nbody";
    Fingerprint first = fingerprint_of(text, strlen(text), 3, 1);
    Fingerprint second = fingerprint_of(text, strlen(text), 3, 2);
    g_assert_cmpint(memcmp(&first, &second, sizeof first), !=, 0);
}

/* One that is digested as it comes, however that is. */
static void test_large(void)
{
    g_autoptr(GString) text = g_string_new("Received: x\r\nTo: a\r\n\r\n");
    while (text->len < LARGE_OCTETS)
        g_string_append_printf(text, "line %" G_GSIZE_FORMAT "\r\n", text->len);
    Fingerprint first = fingerprint_of(text->str, text->len, 1000, 1);
    Fingerprint second = fingerprint_of(text->str, text->len, text->len, 1);
    g_assert_cmpmem(&first, sizeof first, &second, sizeof second);
    text->str[text->len - 1] = 'x';
    second = fingerprint_of(text->str, text->len, 4096, 1);
    g_assert_cmpint(memcmp(&first, &second, sizeof first), !=, 0);
}

/* A header that does not end before the message is in a memfd. */
static void test_large_header(void)
{
    g_autoptr(GString) text = g_string_new("To: a\r\n");
    while (text->len < LARGE_OCTETS)
        g_string_append_printf(text, "X-Line: %" G_GSIZE_FORMAT "\r\n", text->len);
    g_string_append(text, "\r\nbody");
    Fingerprint first = fingerprint_of(text->str, text->len, 1000, 1);
    Fingerprint second = fingerprint_of(text->str, text->len, text->len, 1);
    g_assert_cmpmem(&first, sizeof first, &second, sizeof second);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fingerprint/trace", test_trace);
    g_test_add_func("/fingerprint/trace-is-bounded", test_trace_is_bounded);
    g_test_add_func("/fingerprint/same", test_same);
    g_test_add_func("/fingerprint/question", test_question);
    g_test_add_func("/fingerprint/large", test_large);
    g_test_add_func("/fingerprint/large-header", test_large_header);
    return g_test_run();
}
