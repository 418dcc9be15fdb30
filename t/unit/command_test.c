#include "wire/command.h"

#include <string.h>

#include <glib.h>

#include "base/limits.h"
#include "trickle.h"
#include "wire/line.h"

static void show(const char *text)
{
    g_autofree char *escaped = g_strescape(text, NULL);

    g_test_message("%s", escaped);
}

typedef struct {
    PosternCommand *command;
    PosternLineReader reader;
    gboolean utf8;
} Parsing;

static gboolean feed_line(const char *piece, gsize length, gpointer user)
{
    Parsing *parsing = user;
    PosternLineStatus status;
    const char *line;
    gsize line_length, consumed;

    if (postern_line_reader_next(&parsing->reader, piece, length, &consumed, &line, &line_length, &status) ==
        1) {
        g_autofree char *copy = trickle_copy(line, line_length);

        parsing->command = postern_command_parse(copy, line_length, parsing->utf8);
    }
    return parsing->command == NULL;
}

/* The command of text, as it comes from the wire in pieces. */
static PosternCommand *parse_pieces(const char *text, gsize length, gboolean utf8, gsize piece)
{
    g_autoptr(GString) wire = g_string_new_len(text, (gssize)length);
    Parsing parsing = {.utf8 = utf8};

    g_string_append(wire, "\r\n");
    postern_line_reader_init(&parsing.reader, POSTERN_AUTH_LINE_MAX_OCTETS);
    trickle(wire->str, wire->len, piece, feed_line, &parsing);
    postern_line_reader_clear(&parsing.reader);
    g_assert_nonnull(parsing.command);
    return parsing.command;
}

static PosternCommand *parse(const char *text, gboolean utf8)
{
    return parse_pieces(text, strlen(text), utf8, G_MAXSSIZE);
}

static void test_verbs(void)
{
    static const struct {
        const char *line;
        PosternCommandVerb verb;
        const char *argument;
    } rows[] = {
        {"HELO mx.example.org", POSTERN_COMMAND_HELO, "mx.example.org"},
        {"ehlo [192.0.2.1]", POSTERN_COMMAND_EHLO, "[192.0.2.1]"},
        {"EHLO", POSTERN_COMMAND_EHLO, ""},
        {"EHLO   two words  ", POSTERN_COMMAND_EHLO, "two words"},
        {"EHLO\tname", POSTERN_COMMAND_EHLO, "name"},
        {"DATA", POSTERN_COMMAND_DATA, ""},
        {"data ", POSTERN_COMMAND_DATA, ""},
        {"DATA now", POSTERN_COMMAND_DATA, "now"},
        {"BDAT 100 LAST", POSTERN_COMMAND_BDAT, "100 LAST"},
        {"etrn example.org", POSTERN_COMMAND_ETRN, "example.org"},
        {"RSET", POSTERN_COMMAND_RSET, ""},
        {"NoOp anything at all", POSTERN_COMMAND_NOOP, "anything at all"},
        {"QUIT", POSTERN_COMMAND_QUIT, ""},
        {"VRFY user", POSTERN_COMMAND_VRFY, "user"},
        {"EXPN list", POSTERN_COMMAND_EXPN, "list"},
        {"HELP", POSTERN_COMMAND_HELP, ""},
        {"STARTTLS", POSTERN_COMMAND_STARTTLS, ""},
        {"AUTH PLAIN AGEAYg==", POSTERN_COMMAND_AUTH, "PLAIN AGEAYg=="},
        {"XCLIENT ADDR=192.0.2.1", POSTERN_COMMAND_XCLIENT, "ADDR=192.0.2.1"},
        {"XFORWARD NAME=a", POSTERN_COMMAND_XFORWARD, "NAME=a"},
        {"", POSTERN_COMMAND_UNKNOWN, ""},
        {" EHLO name", POSTERN_COMMAND_UNKNOWN, "EHLO name"},
        {"DATAX", POSTERN_COMMAND_UNKNOWN, ""},
        {"DAT", POSTERN_COMMAND_UNKNOWN, ""},
        {"MAILFROM:<a@example.org>", POSTERN_COMMAND_UNKNOWN, ""},
        {"GET / HTTP/1.1", POSTERN_COMMAND_UNKNOWN, "/ HTTP/1.1"},
        {"EHLO a\001b", POSTERN_COMMAND_UNKNOWN, ""},
        {"EHLO a\tb", POSTERN_COMMAND_UNKNOWN, ""},
        {"NOOP \177", POSTERN_COMMAND_UNKNOWN, ""},
        {"MAIL FROM:<a@example.org>\b", POSTERN_COMMAND_UNKNOWN, ""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(trickle_pieces); j++) {
            g_autoptr(PosternCommand) command =
                parse_pieces(rows[i].line, strlen(rows[i].line), FALSE, trickle_pieces[j]);

            g_assert_cmpint(command->verb, ==, rows[i].verb);
            g_assert_cmpstr(command->argument, ==, rows[i].argument);
            g_assert_null(command->path);
            g_assert_null(command->parameters);
            g_assert_cmpint(command->problem != NULL, ==,
                            rows[i].verb == POSTERN_COMMAND_UNKNOWN &&
                                strpbrk(rows[i].line, "\001\t\177\b") != NULL);
        }
}

static void test_names(void)
{
    g_assert_cmpstr(postern_command_name(POSTERN_COMMAND_UNKNOWN), ==, "?");
    for (int verb = POSTERN_COMMAND_UNKNOWN + 1; verb <= POSTERN_COMMAND_XFORWARD; verb++) {
        const char *name = postern_command_name((PosternCommandVerb)verb);
        g_autoptr(PosternCommand) command = parse(name, FALSE);

        g_assert_cmpint(command->verb, ==, verb);
    }
}

#define LABEL_63 "a123456789b123456789c123456789d123456789e123456789f123456789g12"

static const struct {
    const char *line;
    const char *path; /* NULL: refused */
} path_cases[] = {
    {"MAIL FROM:<>", ""},
    {"mail from:<a@example.org>", "a@example.org"},
    {"MAIL FROM: <a@example.org>", "a@example.org"},
    {"MAIL FROM:\t<a@example.org>", "a@example.org"},
    {"MAIL\tFROM:<a@example.org>", "a@example.org"},
    {"MAIL  FROM:<a@example.org>  ", "a@example.org"},
    {"RCPT TO:<Postmaster>", "Postmaster"},
    {"RCPT TO:<postmaster@example.org>", "postmaster@example.org"},
    {"RCPT TO:<a.b+c=d/e@example.org>", "a.b+c=d/e@example.org"},
    {"RCPT TO:<!#$%&'*+-/=?^_`{|}~@example.org>", "!#$%&'*+-/=?^_`{|}~@example.org"},
    {"RCPT TO:<\"a b\"@example.org>", "\"a b\"@example.org"},
    {"RCPT TO:<\"a>b@c\\\"\\\\\"@example.org>", "\"a>b@c\\\"\\\\\"@example.org"},
    {"RCPT TO:<\"\"@example.org>", "\"\"@example.org"},
    {"RCPT TO:<a@[192.0.2.1]>", "a@[192.0.2.1]"},
    {"RCPT TO:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"},
    {"RCPT TO:<a@[ipv6:::ffff:192.0.2.1]>", "a@[ipv6:::ffff:192.0.2.1]"},
    {"RCPT TO:<@x.example,@y.example:a@example.org>", "a@example.org"},
    {"RCPT TO:<a@b>", "a@b"},
    {"RCPT TO:<a@sub_domain.example.org>", "a@sub_domain.example.org"},
    {"RCPT TO:<a@xn--bcher-kva.example>", "a@xn--bcher-kva.example"},
    {"RCPT TO:<a@" LABEL_63 ".example>", "a@" LABEL_63 ".example"},

    {"MAIL", NULL},
    {"MAIL FROM", NULL},
    {"MAIL FROM:", NULL},
    {"MAIL FROM :<a@example.org>", NULL},
    {"MAIL TO:<a@example.org>", NULL},
    {"RCPT FROM:<a@example.org>", NULL},
    {"MAIL FROM:a@example.org", NULL},
    {"MAIL FROM:<a@example.org", NULL},
    {"MAIL FROM:<a@example.org>x", NULL},
    {"MAIL FROM:<a@example.org>SIZE=1", NULL},
    {"MAIL FROM:<<a@example.org>>", NULL},
    {"MAIL FROM:< a@example.org>", NULL},
    {"MAIL FROM:<a@example.org >", NULL},
    {"MAIL FROM:<a b@example.org>", NULL},
    {"MAIL FROM:Name <a@example.org>", NULL},
    {"MAIL FROM:<postmaster>", NULL},
    {"MAIL FROM:<a>", NULL},
    {"MAIL FROM:<@example.org>", NULL},
    {"MAIL FROM:<@example.org:>", NULL},
    {"MAIL FROM:<a@>", NULL},
    {"RCPT TO:<>", NULL},
    {"RCPT TO:<\"postmaster\">", NULL},
    {"RCPT TO:<@x.example:postmaster>", NULL},
    {"RCPT TO:<@x.example a@example.org>", NULL},
    {"RCPT TO:<@x.example,:a@example.org>", NULL},
    {"RCPT TO:<a@example.org.>", NULL},
    {"RCPT TO:<a@.example.org>", NULL},
    {"RCPT TO:<a@example..org>", NULL},
    {"RCPT TO:<a@-example.org>", NULL},
    {"RCPT TO:<a@example-.org>", NULL},
    {"RCPT TO:<a@exam!ple.org>", NULL},
    {"RCPT TO:<a@h" LABEL_63 ".example>", NULL},
    {"RCPT TO:<a@" LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 ">", NULL},
    {"RCPT TO:<.a@example.org>", NULL},
    {"RCPT TO:<a.@example.org>", NULL},
    {"RCPT TO:<a..b@example.org>", NULL},
    {"RCPT TO:<a@b@example.org>", NULL},
    {"RCPT TO:<a(b)@example.org>", NULL},
    {"RCPT TO:<\"a@example.org>", NULL},
    {"RCPT TO:<\"a\\\"@example.org>", NULL},
    {"RCPT TO:<\"a\tb\"@example.org>", NULL},
    {"RCPT TO:<\"a\"b@example.org>", NULL},
    {"RCPT TO:<a@[192.0.2.256]>", NULL},
    {"RCPT TO:<a@[192.0.2]>", NULL},
    {"RCPT TO:<a@[192.0.2.1>", NULL},
    {"RCPT TO:<a@[]>", NULL},
    {"RCPT TO:<a@[IPv6:192.0.2.1]>", NULL},
    {"RCPT TO:<a@[2001:db8::1]>", NULL},
    {"RCPT TO:<a@[x400:anything]>", NULL},
    {"RCPT TO:<a@[192.0.2.1].example>", NULL},
    {"RCPT TO:<\303\244@example.org>", NULL},
};

static void test_paths(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(path_cases); i++) {
        show(path_cases[i].line);
        for (gsize j = 0; j < G_N_ELEMENTS(trickle_pieces); j++) {
            g_autoptr(PosternCommand) command =
                parse_pieces(path_cases[i].line, strlen(path_cases[i].line), FALSE, trickle_pieces[j]);

            g_assert_true(command->verb == POSTERN_COMMAND_MAIL || command->verb == POSTERN_COMMAND_RCPT);
            g_assert_nonnull(command->parameters);
            g_assert_cmpstr(command->parameter_text, ==, "");
            g_assert_cmpint(command->problem == NULL, ==, path_cases[i].path != NULL);
            if (path_cases[i].path != NULL)
                g_assert_cmpstr(command->path, ==, path_cases[i].path);
        }
    }
}

static void test_utf8_paths(void)
{
    static const struct {
        const char *line;
        const char *path;
    } rows[] = {
        {"MAIL FROM:<\303\244@\303\266.example>", "\303\244@\303\266.example"},
        {"MAIL FROM:<\"\303\244 b\"@example.org>", "\"\303\244 b\"@example.org"},
        {"MAIL FROM:<a@example.org> ENVID=\303\244", "a@example.org"},
        {"MAIL FROM:<\303@example.org>", NULL},
        {"MAIL FROM:<a@\300\200.example>", NULL},
        {"MAIL FROM:<a@example.org> ENVID=\377", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(PosternCommand) with = parse(rows[i].line, TRUE);
        g_autoptr(PosternCommand) without = parse(rows[i].line, FALSE);

        g_assert_nonnull(without->problem);
        g_assert_cmpint(with->problem == NULL, ==, rows[i].path != NULL);
        if (rows[i].path != NULL)
            g_assert_cmpstr(with->path, ==, rows[i].path);
    }
}

static void test_path_length(void)
{
    static const struct {
        gsize local; /* octets */
        gboolean accepted;
    } rows[] = {
        {64, TRUE},
        {POSTERN_PATH_MAX_OCTETS - 4, TRUE},
        {POSTERN_PATH_MAX_OCTETS - 4 + 1, FALSE},
        {POSTERN_PATH_MAX_OCTETS, FALSE},
        {4 * POSTERN_PATH_MAX_OCTETS, FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *local = g_strnfill(rows[i].local, 'a');
        g_autofree char *line = g_strdup_printf("MAIL FROM:<%s@b> SIZE=1", local);
        g_autoptr(PosternCommand) command = parse(line, FALSE);

        g_assert_cmpstr(command->problem, ==, rows[i].accepted ? NULL : "Address too long");
    }
}

/* The parameters in one string, apart by '|'. */
static char *join_parameters(const PosternCommand *command)
{
    g_autoptr(GString) joined = g_string_new(NULL);

    for (guint i = 0; i < command->parameters->len; i++) {
        const PosternParameter *parameter = g_ptr_array_index(command->parameters, i);

        g_string_append_printf(joined, "%s%s%s%s", i > 0 ? "|" : "", parameter->keyword,
                               parameter->value != NULL ? "=" : "",
                               parameter->value != NULL ? parameter->value : "");
    }
    return g_string_free(g_steal_pointer(&joined), FALSE);
}

static void test_parameters(void)
{
    static const struct {
        const char *text;
        const char *joined; /* NULL: refused */
    } rows[] = {
        {"", ""},
        {"SIZE=100", "SIZE=100"},
        {"size=100 BODY=8BITMIME", "size=100|BODY=8BITMIME"},
        {"SMTPUTF8", "SMTPUTF8"},
        {"A  B=c   D", "A|B=c|D"},
        {"AUTH=<>", "AUTH=<>"},
        {"AUTH=a+2Bb@example.org RET=HDRS ENVID=QQ314159", "AUTH=a+2Bb@example.org|RET=HDRS|ENVID=QQ314159"},
        {"NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+3Db@example.org",
         "NOTIFY=SUCCESS,FAILURE|ORCPT=rfc822;a+3Db@example.org"},
        {"X-9=1", "X-9=1"},
        {"9X=1", "9X=1"},
        {"SIZE=", NULL},
        {"=1", NULL},
        {"-A=1", NULL},
        {"A_B=1", NULL},
        {"A=b=c", NULL},
        {"A=\303\244", NULL},
        {"SIZE=1 size=2", NULL},
        {"<b@example.org>", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *line = g_strdup_printf("MAIL FROM:<a@example.org> %s", rows[i].text);
        g_autoptr(PosternCommand) command = parse(line, FALSE);

        show(line);
        g_assert_cmpint(command->problem == NULL, ==, rows[i].joined != NULL);
        g_assert_cmpstr(command->path, ==, "a@example.org");
        g_assert_cmpstr(command->parameter_text, ==, rows[i].text);
        if (rows[i].joined != NULL) {
            g_autofree char *joined = join_parameters(command);

            g_assert_cmpstr(joined, ==, rows[i].joined);
        }
    }
}

/* A tab parts words too, as it does for the mail servers; what is handed on has spaces. */
static void test_tabs(void)
{
    g_autoptr(PosternCommand) command = parse("MAIL FROM:<a@example.org>\tA=b\t \tC\t", FALSE);
    g_autofree char *joined = join_parameters(command);

    g_assert_null(command->problem);
    g_assert_cmpstr(command->path, ==, "a@example.org");
    g_assert_cmpstr(command->parameter_text, ==, "A=b   C");
    g_assert_cmpstr(joined, ==, "A=b|C");
}

/* What is wrong with a parameter is not said of the address (RFC 3463 3.6). */
static void test_problem_codes(void)
{
    static const struct {
        const char *line;
        const char *code;
    } rows[] = {
        {"MAIL FROM:<a@example.org>", NULL},
        {"MAIL", "5.5.4"},
        {"MAIL FROM:", "5.5.4"},
        {"RCPT FROM:<a@example.org>", "5.5.4"},
        {"MAIL FROM:<a@>", "5.1.7"},
        {"RCPT TO:<a@>", "5.1.3"},
        {"RCPT TO:<>", "5.1.3"},
        {"MAIL FROM:<a@example.org>x", "5.1.7"},
        {"MAIL FROM:<a@example.org> =", "5.5.4"},
        {"RCPT TO:<a@example.org> A=1 a=2", "5.5.4"},
        {"NOOP \001", "5.5.2"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(PosternCommand) command = parse(rows[i].line, FALSE);

        show(rows[i].line);
        g_assert_cmpstr(command->problem_code, ==, rows[i].code);
        g_assert_cmpint(command->problem == NULL, ==, rows[i].code == NULL);
    }
}

static void test_parameter_lookup(void)
{
    g_autoptr(PosternCommand) command = parse("MAIL FROM:<> Size=7 SMTPUTF8", FALSE);
    g_autoptr(PosternCommand) other = parse("NOOP", FALSE);

    g_assert_cmpstr(postern_command_parameter(command, "SIZE")->value, ==, "7");
    g_assert_null(postern_command_parameter(command, "smtputf8")->value);
    g_assert_null(postern_command_parameter(command, "BODY"));
    g_assert_null(postern_command_parameter(other, "SIZE"));
}

static void test_parameter_count(void)
{
    for (guint count = POSTERN_PARAMETERS_MAX; count <= POSTERN_PARAMETERS_MAX + 1; count++) {
        g_autoptr(GString) line = g_string_new("RCPT TO:<a@example.org>");
        g_autoptr(PosternCommand) command = NULL;

        for (guint i = 0; i < count; i++)
            g_string_append_printf(line, " X%u=1", i);
        command = parse(line->str, FALSE);
        g_assert_cmpint(command->problem == NULL, ==, count <= POSTERN_PARAMETERS_MAX);
        g_assert_cmpuint(command->parameters->len, ==, POSTERN_PARAMETERS_MAX);
    }
}

/* What ends a line or a string for other programs is no part of a command, whoever says it. */
static void test_ends_of_lines(void)
{
    static const char ends[] = {'\0', '\r', '\n'};
    static const char *const lines[] = {
        "MAIL FROM:<a?b@example.org>",
        "RCPT TO:<\"a?b\"@example.org>",
        "RCPT TO:<a@example.org?>",
        "RCPT TO:<a@example.org>?",
        "MAIL FROM:<a@example.org> SIZE=1?",
        "RCPT TO:<a(?)@example.org>",
        "NOOP a?b",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(ends); j++)
            for (guint syntax = 0; syntax < 2 * POSTERN_PATH_COLON_APART; syntax++) {
                g_autofree char *line = g_strdup(lines[i]);
                gsize length = strlen(line);
                *strchr(line, '?') = ends[j];
                g_autoptr(PosternCommand) command = postern_command_parse(line, length, syntax);

                g_assert_cmpint(command->verb, ==, POSTERN_COMMAND_UNKNOWN);
                g_assert_cmpstr(command->argument, ==, "");
                g_assert_cmpstr(command->problem_code, ==, "5.5.2");
            }
}

static void test_helo_names(void)
{
    g_autofree char *longest = g_strnfill(POSTERN_HELO_NAME_MAX_OCTETS, 'a');
    g_autofree char *longer = g_strnfill(POSTERN_HELO_NAME_MAX_OCTETS + 1, 'a');

    g_assert_true(postern_helo_name_is_acceptable("mx.example.org"));
    g_assert_true(postern_helo_name_is_acceptable("[IPv6:2001:db8::1]"));
    g_assert_true(postern_helo_name_is_acceptable("not_a_name!"));
    g_assert_true(postern_helo_name_is_acceptable(longest));
    g_assert_false(postern_helo_name_is_acceptable(longer));
    g_assert_false(postern_helo_name_is_acceptable(""));
    g_assert_false(postern_helo_name_is_acceptable("two words"));
    g_assert_false(postern_helo_name_is_acceptable("a\tb"));
    g_assert_false(postern_helo_name_is_acceptable("a\177"));
    g_assert_false(postern_helo_name_is_acceptable("\303\244.example"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/command/verbs", test_verbs);
    g_test_add_func("/wire/command/names", test_names);
    g_test_add_func("/wire/command/paths", test_paths);
    g_test_add_func("/wire/command/utf8-paths", test_utf8_paths);
    g_test_add_func("/wire/command/path-length", test_path_length);
    g_test_add_func("/wire/command/parameters", test_parameters);
    g_test_add_func("/wire/command/tabs", test_tabs);
    g_test_add_func("/wire/command/problem-codes", test_problem_codes);
    g_test_add_func("/wire/command/parameter-lookup", test_parameter_lookup);
    g_test_add_func("/wire/command/parameter-count", test_parameter_count);
    g_test_add_func("/wire/command/ends-of-lines", test_ends_of_lines);
    g_test_add_func("/wire/command/helo-names", test_helo_names);
    return g_test_run();
}
