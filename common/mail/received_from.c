#include "mail/received_from.h"

#include <string.h>

void postern_received_from_clear(PosternReceivedFrom *from)
{
    g_free(from->word);
    g_free(from->helo);
    g_free(from->name);
    *from = (PosternReceivedFrom){0};
}

static gboolean begins(const char *text, const char *start)
{
    return g_ascii_strncasecmp(text, start, strlen(start)) == 0;
}

/* Text between brackets at *at, which is left behind them and a port; NULL: there are none. */
static char *take_bracketed(const char **at)
{
    const char *close = **at == '[' ? strchr(*at, ']') : NULL;
    char *text;

    if (!close)
        return NULL;
    text = g_strndup(*at + 1, (gsize)(close - *at - 1));
    *at = close + 1;
    if (**at == ':' && g_ascii_isdigit((*at)[1]))
        for ((*at)++; g_ascii_isdigit(**at);)
            (*at)++;
    return text;
}

/* An address without brackets; a zone (RFC 4007 11) is the relay's own affair. */
static gboolean parse_address(const char *text, PosternAddress *ret_address)
{
    g_auto(GStrv) parts = g_strsplit(text, "%", 2);

    return parts[0] && postern_address_parse(ret_address, parts[0]);
}

gboolean postern_received_from_address(const char *word, PosternAddress *ret_address)
{
    const char *at = word;
    g_autofree char *literal = take_bracketed(&at);

    if (literal)
        return *at == '\0' && parse_address(literal, ret_address);
    return parse_address(word, ret_address);
}

static void set_address(PosternReceivedFrom *from, const PosternAddress *address)
{
    if (from->address.family == AF_UNSPEC)
        from->address = *address;
    else if (!postern_address_is_same_host(address, &from->address))
        from->contradictory = TRUE;
}

/* A name as the DNS has them; others are words such as <unknown>. */
static char *host_name(const char *text, gsize length)
{
    if (length > 0 && text[length - 1] == '.')
        length--;
    for (gsize i = 0; i < length; i++)
        if (!g_ascii_isalnum(text[i]) && text[i] != '.' && text[i] != '-' && text[i] != '_')
            return NULL;
    if (length == 0 || (length == strlen("unknown") && begins(text, "unknown")))
        return NULL;
    return g_strndup(text, length);
}

static void set_helo(PosternReceivedFrom *from, const char *text)
{
    gsize length = strcspn(text, " ");

    from->told_apart = TRUE;
    if (!from->helo && length > 0)
        from->helo = g_strndup(text, length);
}

/* Exim: "helo=NAME ident=NAME port=NUMBER", in any order; ident is the client's. */
static void read_attributes(PosternReceivedFrom *from, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);

    for (char **word = words; *word; word++)
        if (begins(*word, "helo=")) {
            set_helo(from, *word + strlen("helo="));
            from->verified_word = TRUE;
        } else if (begins(*word, "port=") || begins(*word, "ident=")) {
            from->told_apart = TRUE;
            from->verified_word = TRUE;
        }
}

/* "NAME [ADDRESS]" or "IDENT@NAME [ADDRESS]": the address ends it, whatever IDENT (RFC 1413) is. */
static void read_name_and_address(PosternReceivedFrom *from, const char *text, gboolean forged)
{
    const char *open = strrchr(text, '[');
    const char *at = open;
    g_autofree char *literal = take_bracketed(&at);
    g_autofree char *before = g_strstrip(g_strndup(text, (gsize)(open - text)));
    const char *name = strrchr(before, '@');
    PosternAddress address;

    if (!literal || *at != '\0' || strchr(before, ' ') || !parse_address(literal, &address))
        return;
    set_address(from, &address);
    name = name ? name + 1 : before;
    if (!forged && !from->name)
        from->name = host_name(name, strlen(name));
}

/* Exchange: "ADDRESS"; qmail: "IDENT@ADDRESS"; "LOGIN@ADDRESS with MECHANISM". */
static void read_address(PosternReceivedFrom *from, const char *text)
{
    gsize length = strcspn(text, " ");
    g_autofree char *word = g_strndup(text, length);
    const char *ident = strrchr(word, '@');
    gboolean login = begins(text + length, " with ");
    PosternAddress address;

    if ((text[length] != '\0' && !login) ||
        !postern_received_from_address(ident ? ident + 1 : word, &address))
        return;
    set_address(from, &address);
    from->authenticated |= login;
}

/* CommuniGate Pro: "account NAME HELO NAME". */
static void read_account(PosternReceivedFrom *from, const char *text)
{
    const char *helo = strstr(text, " HELO ");

    from->authenticated = TRUE;
    from->told_apart = TRUE;
    if (helo)
        set_helo(from, helo + strlen(" HELO "));
}

void postern_received_from_comment(PosternReceivedFrom *from, const char *text, const char *nested)
{
    g_autofree char *stripped = g_strstrip(g_strdup(text));
    const char *at = stripped;

    if (begins(at, "HELO ") || begins(at, "EHLO ")) {
        set_helo(from, at + strlen("HELO "));
    } else if (begins(at, "authenticated ") || begins(at, "AUTH: ")) {
        from->authenticated = TRUE;
    } else if (begins(at, "account ")) {
        read_account(from, at);
    } else if (begins(at, "helo=") || begins(at, "port=") || begins(at, "ident=")) {
        read_attributes(from, at);
    } else if (*at == '[') {
        g_autofree char *literal = take_bracketed(&at);
        PosternAddress address;

        if (!literal || (*at != ' ' && *at != '\0') || !parse_address(literal, &address))
            return;
        set_address(from, &address);
        read_attributes(from, at);
    } else if (strchr(at, '[')) {
        read_name_and_address(from, at, strstr(nested, "forged") != NULL);
        if (from->address.family == AF_UNSPEC)
            read_address(from, at);
    } else {
        read_address(from, at);
    }
}

void postern_received_from_word(PosternReceivedFrom *from, const char *text)
{
    PosternAddress address;

    if (!from->word)
        from->word = g_strdup(text);
    else if (*text == '[' && postern_received_from_address(text, &address))
        set_address(from, &address);
}
