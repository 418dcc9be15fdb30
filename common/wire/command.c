#include "wire/command.h"

#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/span.h"
#include "wire/path.h"

typedef struct {
    PosternCommandVerb verb;
    const char *name;
    const char *path_keyword; /* what stands before the path, or NULL if the command has none */
    const char *form;         /* the problem if it does not */
    const char *path_code;    /* RFC 3463, of a path that is wrong */
} Row;

static const Row rows[] = {
    {POSTERN_COMMAND_HELO, "HELO", NULL, NULL},
    {POSTERN_COMMAND_EHLO, "EHLO", NULL, NULL},
    {POSTERN_COMMAND_MAIL, "MAIL", "FROM:", "Syntax: MAIL FROM:<address>", "5.1.7"},
    {POSTERN_COMMAND_RCPT, "RCPT", "TO:", "Syntax: RCPT TO:<address>", "5.1.3"},
    {POSTERN_COMMAND_DATA, "DATA", NULL, NULL},
    {POSTERN_COMMAND_BDAT, "BDAT", NULL, NULL},
    {POSTERN_COMMAND_RSET, "RSET", NULL, NULL},
    {POSTERN_COMMAND_NOOP, "NOOP", NULL, NULL},
    {POSTERN_COMMAND_QUIT, "QUIT", NULL, NULL},
    {POSTERN_COMMAND_VRFY, "VRFY", NULL, NULL},
    {POSTERN_COMMAND_EXPN, "EXPN", NULL, NULL},
    {POSTERN_COMMAND_HELP, "HELP", NULL, NULL},
    {POSTERN_COMMAND_ETRN, "ETRN", NULL, NULL},
    {POSTERN_COMMAND_STARTTLS, "STARTTLS", NULL, NULL},
    {POSTERN_COMMAND_AUTH, "AUTH", NULL, NULL},
    {POSTERN_COMMAND_XCLIENT, "XCLIENT", NULL, NULL},
    {POSTERN_COMMAND_XFORWARD, "XFORWARD", NULL, NULL},
};

const char *postern_command_name(PosternCommandVerb verb)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].verb == verb)
            return rows[i].name;
    return "?";
}

static gboolean is_control(char octet)
{
    return (guchar)octet < 0x20 || octet == 0x7f;
}

/* Whether span begins with word, case ignored. */
static gboolean begins_with(PosternSpan span, const char *word)
{
    gsize length = strlen(word);

    return span.length >= length && g_ascii_strncasecmp(span.text, word, length) == 0;
}

static const Row *find_row(PosternSpan verb)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (verb.length == strlen(rows[i].name) && begins_with(verb, rows[i].name))
            return &rows[i];
    return NULL;
}

static void parameter_free(gpointer data)
{
    PosternParameter *parameter = data;

    g_free(parameter->keyword);
    g_free(parameter->value);
    g_free(parameter);
}

static gboolean is_keyword(PosternSpan span)
{
    if (span.length == 0 || span.text[0] == '-')
        return FALSE;
    for (gsize i = 0; i < span.length; i++)
        if (!g_ascii_isalnum(span.text[i]) && span.text[i] != '-')
            return FALSE;
    return TRUE;
}

static gboolean is_value(PosternSpan span, guint syntax)
{
    gboolean taken = (syntax & POSTERN_PATH_TAKEN) != 0;
    gboolean liberal = (syntax & POSTERN_PATH_LIBERAL) != 0;
    gboolean utf8 = (syntax & POSTERN_PATH_UTF8) != 0;
    gboolean wide = FALSE;

    for (gsize i = 0; i < span.length; i++) {
        if (is_control(span.text[i]) || span.text[i] == ' ' || (span.text[i] == '=' && !taken))
            return FALSE;
        wide = wide || (guchar)span.text[i] > 0x7f;
    }
    return (taken || liberal || span.length > 0) &&
           (!wide || (utf8 && g_utf8_validate_len(span.text, span.length, NULL)));
}

static void remove_parameter(PosternCommand *command, const char *keyword)
{
    const PosternParameter *before = postern_command_parameter(command, keyword);
    guint place = 0;

    if (before != NULL && g_ptr_array_find(command->parameters, before, &place))
        g_ptr_array_remove_index(command->parameters, place);
}

/* Mail servers go by the last of what is said twice. */
static const char *add_parameter(PosternCommand *command, PosternSpan span, guint syntax)
{
    const char *equals = memchr(span.text, '=', span.length);
    PosternSpan keyword = {span.text, equals != NULL ? (gsize)(equals - span.text) : span.length};
    PosternParameter *parameter;

    if (!is_keyword(keyword) ||
        (equals != NULL && !is_value(postern_span_behind(span, keyword.length + 1), syntax)))
        return "Bad parameter";
    if (command->parameters->len >= POSTERN_PARAMETERS_MAX)
        return "Too many parameters";
    parameter = g_new0(PosternParameter, 1);
    parameter->keyword = g_strndup(keyword.text, keyword.length);
    if (equals != NULL)
        parameter->value = g_strndup(equals + 1, span.length - keyword.length - 1);
    if ((syntax & (POSTERN_PATH_TAKEN | POSTERN_PATH_LIBERAL)) != 0)
        remove_parameter(command, parameter->keyword);
    if (postern_command_parameter(command, parameter->keyword) != NULL) {
        parameter_free(parameter);
        return "Parameter given twice";
    }
    g_ptr_array_add(command->parameters, parameter);
    return NULL;
}

static const char *parse_parameters(PosternCommand *command, PosternSpan rest, guint syntax)
{
    const char *problem = NULL;

    while (problem == NULL && rest.length > 0) {
        PosternSpan word = {rest.text, 0};

        while (word.length < rest.length && !postern_is_blank(rest.text[word.length]))
            word.length++;
        problem = add_parameter(command, word, syntax);
        rest = postern_span_behind(rest, word.length);
        while (rest.length > 0 && postern_is_blank(rest.text[0]))
            rest = postern_span_behind(rest, 1);
    }
    return problem;
}

/* The null path is a sender's alone (RFC 5321 4.1.1.2, 4.1.1.3), and by RFC 5321 who has no domain is a
 * postmaster and a recipient. */
static const char *check_path(const PosternCommand *command, guint syntax)
{
    gboolean strict = (syntax & (POSTERN_PATH_LIBERAL | POSTERN_PATH_TAKEN)) == 0;

    if (command->verb == POSTERN_COMMAND_RCPT && command->path[0] == '\0')
        return "Recipient address missing";
    if (strict && command->verb == POSTERN_COMMAND_MAIL && command->path[0] != '\0' &&
        strchr(command->path, '@') == NULL)
        return "Domain missing in address";
    return NULL;
}

static void set_problem(PosternCommand *command, const char *problem, const char *code)
{
    command->problem = problem;
    command->problem_code = problem != NULL ? code : NULL;
}

/* What follows keyword, if blanks stand before its colon. */
static PosternSpan behind_colon(PosternSpan span, const char *keyword)
{
    g_autofree char *word = g_strndup(keyword, strlen(keyword) - 1);
    if (!begins_with(span, word))
        return (PosternSpan){NULL, 0};
    span = postern_span_trim(postern_span_behind(span, strlen(word)));
    return begins_with(span, ":") ? postern_span_trim(postern_span_behind(span, 1)) : (PosternSpan){NULL, 0};
}

static void parse_argument(PosternCommand *command, const Row *row, PosternSpan argument, guint syntax)
{
    const char *problem = row->form;
    PosternSpan rest = {NULL, 0};
    gsize consumed = 0;

    command->parameter_text = g_strdup("");
    command->parameters = g_ptr_array_new_with_free_func(parameter_free);
    if (begins_with(argument, row->path_keyword))
        rest = postern_span_trim(postern_span_behind(argument, strlen(row->path_keyword)));
    else if ((syntax & POSTERN_PATH_COLON_APART) != 0)
        rest = behind_colon(argument, row->path_keyword);
    if (rest.length == 0) {
        set_problem(command, problem, "5.5.4");
        return;
    }
    syntax |= command->verb == POSTERN_COMMAND_RCPT ? POSTERN_PATH_RECIPIENT : 0;
    problem = postern_path_parse(rest.text, rest.length, syntax, &consumed, &command->path);
    if (problem == NULL && !postern_path_suits(rest.text, consumed, command->path,
                                               command->verb == POSTERN_COMMAND_MAIL, syntax))
        problem = "Bad address";
    if (problem == NULL)
        problem = check_path(command, syntax);
    rest = postern_span_behind(rest, consumed);
    if (problem == NULL && rest.length > 0 && !postern_is_blank(rest.text[0]))
        problem = "Junk after address";
    set_problem(command, problem, row->path_code);
    if (problem != NULL)
        return;
    rest = postern_span_trim(rest);
    g_free(command->parameter_text);
    command->parameter_text = g_strdelimit(g_strndup(rest.text, rest.length), "\t", ' ');
    set_problem(command, parse_parameters(command, rest, syntax), "5.5.4");
}

/* A tab may stand where a careless client has it for a space, and nowhere else. CR, LF and NUL, which end a
 * line or a string for others who read it, stand nowhere. */
static gboolean is_forbidden(char octet, gboolean has_path, guint syntax)
{
    if (!is_control(octet))
        return FALSE;
    if (!has_path || octet == '\0' || octet == '\r' || octet == '\n')
        return TRUE;
    return octet != '\t' && (syntax & POSTERN_PATH_TAKEN) == 0;
}

static gboolean has_forbidden(PosternSpan argument, gboolean has_path, guint syntax)
{
    for (gsize i = 0; i < argument.length; i++)
        if (is_forbidden(argument.text[i], has_path, syntax))
            return TRUE;
    return FALSE;
}

/* Whether what follows a verb is parted from it by a space; by one alone, if a path follows. */
static gboolean is_parted(const char *rest, gsize length, gboolean has_path)
{
    return length == 0 || (rest[0] == ' ' && (!has_path || length == 1 || !postern_is_blank(rest[1])));
}

PosternCommand *postern_command_parse(const char *line, gsize length, guint syntax)
{
    PosternCommand *command = postern_new_zeroed(PosternCommand);
    PosternSpan verb = {line, 0};
    PosternSpan argument;
    const Row *row;

    while (verb.length < length && !postern_is_blank(line[verb.length]))
        verb.length++;
    argument = postern_span_trim((PosternSpan){line + verb.length, length - verb.length});
    row = find_row(verb);
    command->word = g_ascii_strup(line, (gssize)verb.length);
    if (row != NULL && (syntax & POSTERN_PATH_ONE_SPACE) != 0 &&
        !is_parted(line + verb.length, length - verb.length, row->path_keyword != NULL))
        row = NULL;
    if (has_forbidden(argument, row != NULL && row->path_keyword != NULL, syntax)) {
        command->argument = g_strdup("");
        set_problem(command, "Control characters are not allowed in a command", "5.5.2");
        return command;
    }
    command->argument = g_strndup(argument.text, argument.length);
    if (row == NULL)
        return command;
    command->verb = row->verb;
    command->has_argument = verb.length < length;
    if (row->path_keyword != NULL)
        parse_argument(command, row, argument, syntax);
    return command;
}

void postern_command_free(PosternCommand *command)
{
    if (command == NULL)
        return;
    g_free(command->word);
    g_free(command->argument);
    g_free(command->path);
    g_free(command->parameter_text);
    g_clear_pointer(&command->parameters, g_ptr_array_unref);
    g_free(command);
}

const PosternParameter *postern_command_parameter(const PosternCommand *command, const char *keyword)
{
    for (guint i = 0; command->parameters != NULL && i < command->parameters->len; i++) {
        const PosternParameter *parameter = g_ptr_array_index(command->parameters, i);

        if (g_ascii_strcasecmp(parameter->keyword, keyword) == 0)
            return parameter;
    }
    return NULL;
}

int postern_command_chunk(const PosternCommand *command, guint64 *ret_octets, gboolean *ret_last)
{
    gsize digits = strspn(command->argument, "0123456789");
    g_autofree char *number = g_strndup(command->argument, digits);
    PosternSpan rest =
        postern_span_trim((PosternSpan){command->argument + digits, strlen(command->argument) - digits});

    *ret_last = rest.length == strlen("LAST") && begins_with(rest, "LAST");
    if (!g_ascii_string_to_unsigned(number, 10, 0, G_MAXINT64, ret_octets, NULL) ||
        (command->argument[digits] != '\0' && !postern_is_blank(command->argument[digits])))
        return -1;
    return *ret_last || rest.length == 0 ? 1 : 0;
}

gboolean postern_helo_name_is_acceptable(const char *text)
{
    gsize length = strnlen(text, POSTERN_HELO_NAME_MAX_OCTETS + 1);

    if (length == 0 || length > POSTERN_HELO_NAME_MAX_OCTETS)
        return FALSE;
    for (gsize i = 0; i < length; i++)
        if (text[i] < 0x21 || text[i] > 0x7e)
            return FALSE;
    return TRUE;
}

char *postern_helo_name_clean(const char *text)
{
    char *name = g_strndup(text, MIN(strcspn(text, " \t"), POSTERN_HELO_NAME_MAX_OCTETS));
    for (char *at = name; *at != '\0'; at++)
        if (*at < 0x21 || *at > 0x7e)
            *at = '?';
    return name;
}
