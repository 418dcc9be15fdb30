#include "mail/edits.h"

#include <string.h>

#include "base/limits.h"

typedef struct {
    const char *message;
    const char *edits; /* "+Name: value", "-NameN", "=NameN: value", or "?N" for an odd line, apart by '|' */
    const char *edited;
} Case;

static const Case cases[] = {
    {"", "", ""},
    {"A: b\r\n\r\nbody\r\n", "", "A: b\r\n\r\nbody\r\n"},
    {"A: b\r\n\r\nbody\r\n", "+X: 1|+Y: 2", "Y: 2\r\nX: 1\r\nA: b\r\n\r\nbody\r\n"},
    {"A: b\r\n\r\nbody\r\n", "-A0", "\r\nbody\r\n"},
    {"A: b\r\n\r\nbody\r\n", "-A1|-B0", "A: b\r\n\r\nbody\r\n"},
    {"A: 0\r\na: 1\r\n 1\r\nB: 2\r\nA : 3\r\n\r\nA: body", "-A1", "A: 0\r\nB: 2\r\nA : 3\r\n\r\nA: body"},
    {"A: 0\r\na: 1\r\n 1\r\nB: 2\r\nA : 3\r\n\r\nA: body", "-A2|-A0|-A0|+A: 4|-A1",
     "A: 4\r\nB: 2\r\n\r\nA: body"},
    {"A: b\n\nbody\n", "-A0|+C: d", "C: d\r\n\nbody\n"},
    {"\r\nbody", "+A: b", "A: b\r\n\r\nbody"},
    {"", "+A: b", "A: b\r\n"},
    {"A: b", "-A0", ""},
    {"no header at all", "+A: b", "A: b\r\nno header at all"},
    {"A: b\r\n\r\n", "+F: 1;\r\n\t2", "F: 1;\r\n\t2\r\nA: b\r\n\r\n"},
    {"A: b\r\nsubJect :x\r\n y\r\nC: d\r\n\r\nbody", "=Subject0: 1",
     "A: b\r\nsubJect : 1\r\nC: d\r\n\r\nbody"},
    {"S: 0\r\nS: 1\r\nS: 2\r\n\r\n", "=S1: x\r\n\ty|-S0|+T: z", "T: z\r\nS: x\r\n\ty\r\nS: 2\r\n\r\n"},
    {"S: 0\n\nbody\n", "=S0: 1", "S: 1\n\nbody\n"},
    {"S:", "=S0: 1", "S: 1"},
    {"S: 0", "=S0: ", "S: "},
    {"S: 0\r\n\r\n", "=S0: 1|=S0: 2", "S: 2\r\n\r\n"},
    {"S: 0\r\n\r\n", "=S0: 1|-S0", "\r\n"},
    {"S: 0\r\n\r\n", "-S0|=S0: 1", "\r\n"},
    {"S: 0\r\n\r\nS: 1\r\n", "=S1: 2|=T0: 3", "S: 0\r\n\r\nS: 1\r\n"},
    {"A: 0\r\nS: 0\r\nB: 0\r\n\r\n", "=B0: 1|=A0: 1", "A: 1\r\nS: 0\r\nB: 1\r\n\r\n"},
    /* A first line of white space must not become a part of our field. */
    {"\tdkim=pass\r\n more\r\nA: b\r\n\r\n", "+F: 1", "\tdkim=pass\r\n more\r\nF: 1\r\nA: b\r\n\r\n"},
    {" x\r\nA: b\r\n y\r\nC: d\r\n\r\n", "+F: 1|-A0", " x\r\nF: 1\r\nC: d\r\n\r\n"},
    {"\tdkim=pass", "+F: 1", "\tdkim=pass\r\nF: 1\r\n"},
    {" \r\n\r\n body", "+F: 1", " \r\nF: 1\r\n\r\n body"},
    /* Nor must the line of a mailbox come to stand among the fields. */
    {"From a b\r\nA: b\r\n\r\n", "+F: 1", "From a b\r\nF: 1\r\nA: b\r\n\r\n"},
    {">From a b\n c\nA: b\n\n", "+F: 1", ">From a b\n c\nF: 1\r\nA: b\n\n"},
    {"From: a\r\n\r\n", "+F: 1", "F: 1\r\nFrom: a\r\n\r\n"},
    /* Lines that are no field go with their folds. */
    {"A: b\r\nno\r\n : x\r\nC: d\r\n\r\n", "?0", "A: b\r\nC: d\r\n\r\n"},
    {"one\r\nA: b\r\ntwo\r\n\r\n", "?1|-A0|+F: 1", "F: 1\r\none\r\n\r\n"},
    {"one\r\nA: b\r\ntwo\r\n\r\n", "?0|?2|=A0: c", "A: c\r\ntwo\r\n\r\n"},
    {" one\r\n two\r\nA: b\r\n\r\n", "+F: 1|?0", "F: 1\r\nA: b\r\n\r\n"},
    {"From a\r\nA: b\r\n\r\n", "?0|+F: 1|-A0", "F: 1\r\n\r\n"},
    {" one", "?0|+F: 1", "F: 1\r\n"},
};

static PosternMessage *message_of(const char *text)
{
    PosternMessage *message = postern_message_new(1000000, NULL, NULL);

    g_assert_true(postern_message_append(message, text, strlen(text), NULL));
    g_assert_true(postern_message_seal(message, NULL));
    return message;
}

static PosternEdits *edits_of(const char *text)
{
    PosternEdits *edits = postern_edits_new();
    g_auto(GStrv) items = g_strsplit(text, "|", -1);

    for (char **item = items; *item; item++) {
        char *value = strstr(*item, ": ");
        char *end = value ? value : *item + strlen(*item);

        if (value)
            *value = '\0';
        if (**item == '+') {
            g_assert_true(postern_edits_insert(edits, *item + 1, value + 2));
        } else if (**item == '?') {
            g_assert_true(postern_edits_remove_odd_line(edits, (guint)(end[-1] - '0')));
        } else {
            guint occurrence = (guint)(end[-1] - '0');

            end[-1] = '\0';
            g_assert_true(value ? postern_edits_change(edits, *item + 1, occurrence, value + 2)
                                : postern_edits_remove(edits, *item + 1, occurrence));
        }
    }
    return edits;
}

static void assert_edited(PosternMessage *message, const PosternEdits *edits, gsize maximum,
                          const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternMessageReader) reader = postern_message_reader_new(message, edits, &error);
    GString *text = g_string_new(NULL);
    const char *octets;
    gsize length;

    g_assert_no_error(error);
    while (postern_message_reader_next(reader, maximum, &octets, &length)) {
        g_assert_cmpuint(length, >, 0);
        g_assert_cmpuint(length, <=, maximum);
        g_string_append_len(text, octets, (gssize)length);
    }
    g_assert_cmpint(postern_message_reader_next(reader, maximum, &octets, &length), ==, 0);
    g_assert_cmpmem(text->str, text->len, expected, strlen(expected));
    g_string_free(text, TRUE);
}

static void test_reader(void)
{
    static const gsize maxima[] = {1, 2, 7, POSTERN_MESSAGE_CHUNK_OCTETS};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternMessage) message = message_of(cases[i].message);
        g_autoptr(PosternEdits) edits = *cases[i].edits ? edits_of(cases[i].edits) : postern_edits_new();
        g_autoptr(PosternEdits) copy = postern_edits_copy(edits);

        for (gsize m = 0; m < G_N_ELEMENTS(maxima); m++) {
            assert_edited(message, edits, maxima[m], cases[i].edited);
            assert_edited(message, copy, maxima[m], cases[i].edited);
            assert_edited(message, NULL, maxima[m], cases[i].message);
        }
    }
}

static void test_reader_keeps_message(void)
{
    PosternMessage *message = message_of("A: b\r\n\r\n");
    g_autoptr(PosternMessageReader) reader = postern_message_reader_new(message, NULL, NULL);
    const char *octets;
    gsize length;

    postern_message_unref(message);
    g_assert_cmpint(postern_message_reader_next(reader, 100, &octets, &length), ==, 1);
    g_assert_cmpmem(octets, length, "A: b\r\n\r\n", 8);
}

static void test_reader_needs_sealed_message(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternMessage) message = postern_message_new(10, NULL, NULL);

    g_assert_null(postern_message_reader_new(message, NULL, &error));
    g_assert_nonnull(error);
}

static void test_refused(void)
{
    static const struct {
        const char *name;
        const char *value;
        gboolean good;
    } inputs[] = {
        {"A", "", TRUE},          {"A", "b", TRUE},           {"A", "b\r\n c", TRUE},
        {"!~", "\r\n\tc", TRUE},  {"", "b", FALSE},           {"A:", "b", FALSE},
        {"A B", "b", FALSE},      {"A\x7f", "b", FALSE},      {"A\xc3", "b", FALSE},
        {"A\r\nB", "b", FALSE},   {"A", "b\r\n", FALSE},      {"A", "b\r\nc", FALSE},
        {"A", "b\n c", FALSE},    {"A", "b\r c", FALSE},      {"A", "b\r", FALSE},
        {"A", "b\n", FALSE},      {"A", "\r\n\r\n", FALSE},   {"A", "b\r\n \r\n c", FALSE},
        {"A", "b\r\n \t", FALSE}, {"A", "b\r\n \n c", FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(inputs); i++) {
        g_autoptr(PosternEdits) edits = postern_edits_new();

        g_assert_cmpint(postern_edits_insert(edits, inputs[i].name, inputs[i].value), ==, inputs[i].good);
        g_assert_cmpint(postern_edits_change(edits, inputs[i].name, 0, inputs[i].value), ==, inputs[i].good);
        g_assert_cmpuint(edits->list->len, ==, inputs[i].good ? 2 : 0);
    }
}

static void test_limits(void)
{
    g_autoptr(PosternEdits) edits = postern_edits_new();
    g_autofree char *large = g_strnfill(POSTERN_HEADER_EDIT_MAX_OCTETS + 1, 'x');

    g_assert_false(postern_edits_insert(edits, "A", large));
    g_assert_false(postern_edits_insert(edits, large, "a"));
    g_assert_false(postern_edits_change(edits, "A", 0, large));
    g_assert_false(postern_edits_change(edits, large, 0, "a"));
    g_assert_false(postern_edits_remove(edits, large, 0));
    g_assert_false(postern_edits_remove(edits, "", 0));
    g_assert_true(postern_edits_insert(edits, "A", large + 1));
    for (guint i = 1; i < POSTERN_HEADER_EDITS_MAX; i++)
        g_assert_true(postern_edits_remove(edits, "A", i));
    g_assert_false(postern_edits_remove(edits, "A", 0));
    g_assert_false(postern_edits_insert(edits, "A", "b"));
    g_assert_false(postern_edits_change(edits, "A", 0, "b"));
    g_assert_cmpuint(edits->list->len, ==, POSTERN_HEADER_EDITS_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/edits/reader", test_reader);
    g_test_add_func("/edits/reader-keeps-message", test_reader_keeps_message);
    g_test_add_func("/edits/reader-needs-sealed-message", test_reader_needs_sealed_message);
    g_test_add_func("/edits/refused", test_refused);
    g_test_add_func("/edits/limits", test_limits);
    return g_test_run();
}
