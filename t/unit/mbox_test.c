#include "mail/mbox.h"

#include "trickle.h"

typedef struct {
    const char *text;
    const char *messages; /* each ended by '|' */
} Case;

static const Case cases[] = {
    {"", ""},
    {"From a\n", "|"},
    {"From a", "|"},
    {"From ", "|"},
    {"From", ""},
    {"From a\nA: b\n\nbody\n", "A: b\n\nbody\n|"},
    {"From a\nA: b\n\nbody\n\n", "A: b\n\nbody\n|"},
    {"From a\nA: b\n\nbody\n\n\n", "A: b\n\nbody\n\n|"},
    {"From a\nA: b\n\nbody", "A: b\n\nbody|"},
    {"From a\nA: b\n\n1\n\nFrom c\nD: e\n\n2\n\n", "A: b\n\n1\n|D: e\n\n2\n|"},
    {"From a\r\nA: b\r\n\r\n1\r\n\r\nFrom c\r\nD: e\r\n\r\n2\r\n\r\n",
     "A: b\r\n\r\n1\r\n|D: e\r\n\r\n2\r\n|"},
    {"From a\r\nA: b\n\r\n1\r\n\nFrom c\nD: e\n", "A: b\n\r\n1\r\n|D: e\n|"},
    /* not behind an empty line: text of the message */
    {"From a\nA: b\n\n1\nFrom c\n2\n", "A: b\n\n1\nFrom c\n2\n|"},
    {"From a\nFrom b\nC: d\n", "From b\nC: d\n|"},
    /* quoted */
    {"From a\n\n>From b\n>>From c\n>>>From d\n", "\nFrom b\n>From c\n>>From d\n|"},
    {"From a\n\n>From\n>from b\n>\n>>\n> From x\n>Fro", "\n>From\n>from b\n>\n>>\n> From x\n>Fro|"},
    {"From a\n\n\n>From b\n\n>>From c\n", "\n\nFrom b\n\n>From c\n|"},
    /* nearly */
    {"From a\n\nx\n\nFro\n\nFrom\n\nFrom:x\n\nfrom y\n", "\nx\n\nFro\n\nFrom\n\nFrom:x\n\nfrom y\n|"},
    {"From a\n\nx\n \nFrom b\n", "\nx\n \nFrom b\n|"},
    {"From a\n\nx\n\rFrom b\n\r\r\nFrom c\n\r", "\nx\n\rFrom b\n\r\r\nFrom c\n\r|"},
    {"From a\n\nx\n\n From b\n", "\nx\n\n From b\n|"},
    /* empty messages, and what stands before the first one */
    {"From a\n\nFrom b\n\nFrom c\n", "||"
                                     "|"},
    {"\n\r\nFrom a\nB: c\n", "B: c\n|"},
    {"rubbish\n>From x\n\nFrom a\nB: c\n", "B: c\n|"},
    {"rubbish\n", ""},
    /* Content-Length would lead elsewhere */
    {"From a\nContent-Length: 1000\n\n1\n\nFrom b\nC: d\n", "Content-Length: 1000\n\n1\n|C: d\n|"},
};

typedef struct {
    PosternMbox mbox;
    GString *messages;
} Reader;

static void on_octets(const char *octets, gsize length, gpointer user_data)
{
    Reader *reader = user_data;

    g_assert_cmpuint(length, >, 0);
    g_string_append_len(reader->messages, octets, (gssize)length);
}

static gboolean feed(const char *piece, gsize length, gpointer user)
{
    Reader *reader = user;

    for (gsize at = 0; at < length;) {
        gboolean ended = FALSE;
        gsize taken = postern_mbox_feed(&reader->mbox, piece + at, length - at, on_octets, reader, &ended);

        g_assert_cmpuint(taken, >, 0);
        g_assert_true(ended || taken == length - at);
        at += taken;
        if (ended)
            g_string_append_c(reader->messages, '|');
    }
    return TRUE;
}

static void test_feed(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        for (gsize k = 0; k < G_N_ELEMENTS(trickle_pieces); k++) {
            Reader reader = {.messages = g_string_new(NULL)};

            postern_mbox_init(&reader.mbox);
            trickle(cases[i].text, strlen(cases[i].text), trickle_pieces[k], feed, &reader);
            if (postern_mbox_finish(&reader.mbox, on_octets, &reader))
                g_string_append_c(reader.messages, '|');
            g_test_message("%s", cases[i].text);
            g_assert_cmpstr(reader.messages->str, ==, cases[i].messages);
            g_string_free(reader.messages, TRUE);
        }
}

/* Octets that end no line, and NUL among them, pass as they are. */
static void test_any_octets(void)
{
    static const char text[] = "From a\nB: \0c\xff\n\n\0From x\n\n\0\n";
    static const char message[] = "B: \0c\xff\n\n\0From x\n\n\0\n";
    Reader reader = {.messages = g_string_new(NULL)};

    postern_mbox_init(&reader.mbox);
    feed(text, sizeof text - 1, &reader);
    g_assert_true(postern_mbox_finish(&reader.mbox, on_octets, &reader));
    g_assert_cmpmem(reader.messages->str, reader.messages->len, message, sizeof message - 1);
    g_string_free(reader.messages, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mbox/feed", test_feed);
    g_test_add_func("/mbox/any_octets", test_any_octets);
    return g_test_run();
}
