#include "base/log_entry.h"

#include <string.h>

#include "base/log.h"

static PosternLogEntry *parse(const char *line)
{
    return postern_log_entry_parse(line, strlen(line), 2026, 12);
}

static void test_closing_line(void)
{
    static const char *const lines[] = {
        "2026-12-01T02:43:51.123+01:00 postern-proxy[12]: info: ",
        "2026-12-01T02:43:51.123456+0100 mx postern-proxy[12]: ",
        "2026-12-01T02:43:51+01:00 mx.example.org postern-proxy[12]: postern-proxy: ",
        "Dec  1 02:43:51 mx postern-proxy[12]: ",
        "postern-proxy[12]: info: ",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *line =
            g_strconcat(lines[i], "message session=S name=\"a \\\"b\\\\\\x0a\\x00\" size=7", NULL);
        g_autoptr(PosternLogEntry) entry = parse(line);
        g_test_message("%s", line);
        g_assert_nonnull(entry);
        g_assert_cmpstr(entry->program, ==, "postern-proxy");
        g_assert_null(entry->text);
        g_assert_cmpstr(entry->fields->kind, ==, "message");
        g_assert_cmpstr(postern_log_fields_get(entry->fields, "session"), ==, "S");
        g_assert_cmpstr(postern_log_fields_get(entry->fields, "name"), ==, "a \"b\\\n\\x00");
        g_assert_null(postern_log_fields_get(entry->fields, "other"));
        if (i < 3)
            g_assert_cmpint(entry->time / G_USEC_PER_SEC, ==, 1796089431);
        g_assert_true(i == 4 ? entry->time == 0 : entry->time > 0);
    }
}

static void test_sentences(void)
{
    g_autoptr(PosternLogEntry) entry =
        parse("2026-12-01T02:43:51Z postern-milter[1]: notice: it is ready on x=y");
    g_assert_cmpstr(entry->text, ==, "it is ready on x=y");
    g_assert_null(entry->fields);
}

static void test_others(void)
{
    static const char *const lines[] = {
        "",
        "x",
        "{",
        "{}",
        "{\"a\":}",
        "{\"text\":\"x\"}",
        "{\"program\":\"sshd\",\"text\":\"x\"}",
        "Dec  1 02:43:51 mx postfix/smtpd[12]: connect",
        "{\"program\":\"postern-proxy\",\"text\":\"x\"} ",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        g_assert_null(parse(lines[i]));
}

/* What a writer of lines makes, the parser takes apart, whatever octets there are. */
static void test_round_trip(void)
{
    char octets[256];
    for (guint i = 0; i < 255; i++)
        octets[i] = (char)(i + 1);
    octets[255] = '\0';
    static const char *const values[] = {"", "a", "a b", "a=b", "\"", "\\", "\\x41", "\xc3\xa9", "12", "007"};
    g_autoptr(PosternLogLine) line = postern_log_line_new("message");
    postern_log_line_add(line, "all", octets);
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *key = g_strdup_printf("key_%u", (guint)i);
        postern_log_line_add(line, key, values[i]);
    }
    const char *text = postern_log_line_text(line);
    g_autoptr(PosternLogFields) fields = postern_log_fields_parse(text, strlen(text));
    g_assert_nonnull(fields);
    g_assert_cmpstr(postern_log_fields_get(fields, "all"), ==, octets);
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *key = g_strdup_printf("key_%u", (guint)i);
        g_assert_cmpstr(postern_log_fields_get(fields, key), ==, values[i]);
    }
}

static void test_json(void)
{
    static const char text[] = "message a=\"x \\\"\\x07\\xc3\\xa9\" size=7 id=007";
    g_autoptr(PosternLogFields) fields = postern_log_fields_parse(text, strlen(text));
    g_autoptr(GString) out =
        g_string_new("{\"time\":\"2026-12-01T02:43:51.123+01:00\",\"program\":\"postern-proxy\","
                     "\"pid\":1,\"level\":\"info\"");
    postern_log_json_append(out, fields, NULL, 100);
    g_string_append_c(out, '}');
    g_assert_nonnull(
        strstr(out->str, ",\"kind\":\"message\",\"a\":\"x \\\"\\u0007\xc3\xa9\",\"size\":7,\"id\":\"007\"}"));
    g_autoptr(PosternLogEntry) entry = parse(out->str);
    g_assert_nonnull(entry);
    g_assert_cmpstr(entry->program, ==, "postern-proxy");
    g_assert_cmpint(entry->time, ==, G_GINT64_CONSTANT(1796089431123000));
    g_assert_cmpstr(postern_log_fields_get(entry->fields, "a"), ==, "x \"\x07\xc3\xa9");
    g_assert_cmpstr(postern_log_fields_get(entry->fields, "size"), ==, "7");
    g_string_assign(out, "{\"program\":\"postern-proxy\"");
    postern_log_json_append(out, NULL, "a \xff sentence that is long", 12);
    g_string_append_c(out, '}');
    g_autoptr(PosternLogEntry) sentence = parse(out->str);
    g_assert_cmpstr(sentence->text, ==, "a \xef\xbf\xbd sentence...");
}

/* A line without an octet behind it, and keys that we do not write. */
static void test_hostile(void)
{
    static const char *const lines[] = {
        "Dec  1 02:43:51 ",
        "Dec  1 02:43:5",
        "{\"program\":\"postern-proxy\",\"kind\":\"message\",\"\\u001b]0;x\":1}",
        "{\"program\":\"postern-proxy\",\"kind\":\"message\",\"a\xff\":1}",
        "{\"program\":\"postern-proxy\",\"kind\":\"message\",\"\":1}",
        "{\"program\":\"postern-proxy\",\"kind\":\"message\",\"a",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        gsize length = strlen(lines[i]);
        g_autofree char *exact = g_memdup2(lines[i], length); /* as long as it says */
        g_assert_null(postern_log_entry_parse(exact, length, 2026, 12));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/log-entry/hostile", test_hostile);
    g_test_add_func("/log-entry/closing-line", test_closing_line);
    g_test_add_func("/log-entry/sentences", test_sentences);
    g_test_add_func("/log-entry/others", test_others);
    g_test_add_func("/log-entry/round-trip", test_round_trip);
    g_test_add_func("/log-entry/json", test_json);
    return g_test_run();
}
