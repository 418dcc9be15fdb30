#include "wire/manners.h"

#include <string.h>

#include "base/limits.h"
#include "wire/command.h"
#include "wire/path_liberal.h"

static gboolean has_only(const char *text, const char *others)
{
    for (; *text != '\0'; text++)
        if (!g_ascii_isalnum(*text) && strchr(others, *text) == NULL)
            return FALSE;
    return TRUE;
}

static gboolean is_literal(const char *text)
{
    gsize length = strlen(text);
    g_autofree char *address = length > 2 ? g_strndup(text + 1, length - 2) : NULL;
    return postern_path_is_domain(text, length, FALSE) ||
           (address != NULL && text[length - 1] == ']' && g_hostname_is_ip_address(address));
}

static gboolean is_name_to_exim(const char *text)
{
    static const char ipv4_tag[] = "[IPv4:";
    g_autofree char *untagged = NULL;
    if (g_ascii_strncasecmp(text, ipv4_tag, strlen(ipv4_tag)) == 0)
        untagged = g_strconcat("[", text + strlen(ipv4_tag), NULL);
    if (text[0] == '[')
        return is_literal(untagged != NULL ? untagged : text);
    return text[0] != '\0' && has_only(text, ".-");
}

static gboolean is_name_to_sendmail(const char *text)
{
    return text[0] != '\0' && strlen(text) <= POSTERN_HELO_NAME_MAX_OCTETS / 2 && has_only(text, "[].-_#:");
}

static gboolean is_name_to_opensmtpd(const char *text)
{
    gsize length = strlen(text);
    if (text[0] == '[')
        return is_literal(text);
    if (length == 0 || length > POSTERN_DOMAIN_NAME_MAX_OCTETS || text[0] == '-' || text[length - 1] == '.')
        return FALSE;
    g_auto(GStrv) labels = g_strsplit(text, ".", -1);
    for (guint i = 0; labels[i] != NULL; i++)
        if (labels[i][0] == '\0' || strlen(labels[i]) > POSTERN_DOMAIN_LABEL_MAX_OCTETS ||
            !has_only(labels[i], "-_"))
            return FALSE;
    return TRUE;
}

static gboolean is_any_name(const char *text)
{
    return text[0] != '\0';
}

#define VERB(name) (1U << POSTERN_COMMAND_##name)

static const PosternManners all[] = {
    [POSTERN_MAIL_SERVER_OTHER] =
        {
            .takes_name = postern_helo_name_is_acceptable,
            .manners = POSTERN_MANNER_ENDS_FOREIGN,
            .mistakes_max = POSTERN_ERRORS_MAX,
            .idle_talk_max = POSTERN_COMMANDS_WITHOUT_MAIL_MAX,
        },
    [POSTERN_MAIL_SERVER_POSTFIX] =
        {
            .takes_name = is_any_name,
            .manners = POSTERN_MANNER_ENDS_FOREIGN | POSTERN_MANNER_ENDS_FEW | POSTERN_MANNER_FAREWELL |
                       POSTERN_MANNER_LEADING_BLANKS | POSTERN_MANNER_TAKES_ANY_AUTH |
                       POSTERN_MANNER_WANTS_UTF8,
            .syntax = POSTERN_PATH_TAKEN | POSTERN_PATH_SINGLE,
            .without_hello = VERB(MAIL) | VERB(AUTH),
            .without_argument = VERB(RSET),
            .mistakes_max = POSTERN_ERRORS_MAX,                 /* smtpd_hard_error_limit */
            .idle_talk_max = POSTERN_COMMANDS_WITHOUT_MAIL_MAX, /* smtpd_junk_command_limit */
        },
    [POSTERN_MAIL_SERVER_EXIM] =
        {
            .takes_name = is_name_to_exim,
            .manners = POSTERN_MANNER_ENDS_AT_MISTAKE | POSTERN_MANNER_VRFY_FOR_ALL |
                       POSTERN_MANNER_ETRN_LATER | POSTERN_MANNER_PARAMETERS_NEED_EHLO |
                       POSTERN_MANNER_TAKES_ANY_SIZE | POSTERN_MANNER_TAKES_ANY_RET |
                       POSTERN_MANNER_TAKES_PRDR,
            .syntax = POSTERN_PATH_ONE_SPACE | POSTERN_PATH_QUALIFIED,
            .without_hello = VERB(ETRN),
            .after_ehlo = VERB(STARTTLS) | VERB(BDAT),
            .without_argument = VERB(RSET) | VERB(QUIT),
            .mistakes_max = 4,   /* smtp_max_synprot_errors, and one more */
            .idle_talk_max = 10, /* smtp_accept_max_nonmail */
            .spared = VERB(RSET) | VERB(EHLO) | VERB(HELO) | VERB(STARTTLS) | VERB(AUTH),
        },
    [POSTERN_MAIL_SERVER_SENDMAIL] =
        {
            .takes_name = is_name_to_sendmail,
            .manners = POSTERN_MANNER_VRFY_FOR_ALL | POSTERN_MANNER_EXPN_FOR_ALL |
                       POSTERN_MANNER_ENDS_AT_NEWLINE | POSTERN_MANNER_TAKES_ANY_SIZE |
                       POSTERN_MANNER_LEADING_BLANKS | POSTERN_MANNER_VALUES_ONLY |
                       POSTERN_MANNER_ENDS_AT_LONG_LINE | POSTERN_MANNER_LONG_LINE_421,
            .syntax = POSTERN_PATH_TAKEN | POSTERN_PATH_COLON_APART,
            .without_hello = VERB(MAIL) | VERB(AUTH),
            .between_mails = VERB(STARTTLS),
            .last = VERB(EHLO) | VERB(HELO) | VERB(DATA),
            .turns = {{VERB(EHLO) | VERB(HELO), 5}, {VERB(AUTH), 7}, {VERB(VRFY) | VERB(EXPN), 11}},
            .mistakes_max = 26, /* its MAXBADCOMMANDS, and one more */
            .idle_talk_max = POSTERN_COMMANDS_WITHOUT_MAIL_MAX,
        },
    [POSTERN_MAIL_SERVER_OPENSMTPD] =
        {
            .takes_name = is_name_to_opensmtpd,
            .manners = POSTERN_MANNER_NO_VRFY | POSTERN_MANNER_BLANKS_ARE_ARGUMENTS |
                       POSTERN_MANNER_TAKES_ANY_SIZE | POSTERN_MANNER_TAKES_ANY_RET |
                       POSTERN_MANNER_TAKES_ANY_NOTIFY | POSTERN_MANNER_TAKES_ANY_AUTH |
                       POSTERN_MANNER_TAKES_AUTH_UNOFFERED | POSTERN_MANNER_VALUES_ONLY |
                       POSTERN_MANNER_ENDS_AT_LONG_LINE,
            .syntax = POSTERN_PATH_ONE_SPACE | POSTERN_PATH_PLAIN,
            .once = VERB(EHLO) | VERB(HELO),
            .after_hello = VERB(RSET),
            .without_argument = VERB(RSET) | VERB(NOOP) | VERB(QUIT) | VERB(HELP),
            .mistakes_max = POSTERN_COMMANDS_WITHOUT_MAIL_MAX, /* it knows no limit of them */
            .idle_talk_max = POSTERN_COMMANDS_WITHOUT_MAIL_MAX,
        },
};

PosternMailServer postern_mail_server_of(const char *greeting)
{
    static const struct {
        const char *word;
        PosternMailServer server;
    } words[] = {
        {"Postfix", POSTERN_MAIL_SERVER_POSTFIX},
        {"Exim", POSTERN_MAIL_SERVER_EXIM},
        {"Sendmail", POSTERN_MAIL_SERVER_SENDMAIL},
        {"OpenSMTPD", POSTERN_MAIL_SERVER_OPENSMTPD},
    };
    g_auto(GStrv) parts = g_strsplit_set(greeting, " /;()", -1);
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_strv_contains((const char *const *)parts, words[i].word))
            return words[i].server;
    return POSTERN_MAIL_SERVER_OTHER;
}

const PosternManners *postern_manners_of(PosternMailServer server)
{
    return &all[server];
}
