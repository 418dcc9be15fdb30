#include "mail/received.h"

#include <string.h>

#include "base/limits.h"
#include "mail/received_from.h"
#include "mail/received_token.h"

typedef enum {
    KIND_SMTP,
    KIND_LMTP,    /* RFC 2033: inside one system */
    KIND_MAILBOX, /* fetched: the address is that of a mailbox's server */
    KIND_ORIGIN,  /* the mail began here */
    KIND_OTHER,
} Kind;

typedef struct {
    const char *name;
    Kind kind;
    gboolean esmtp;
    gboolean authenticated;
} Protocol;

/* RFC 3848, RFC 6531 4.3; asmtp is an old word of Exim's. */
static const Protocol protocols[] = {
    {"SMTP", KIND_SMTP, FALSE, FALSE},      {"ESMTP", KIND_SMTP, TRUE, FALSE},
    {"SMTPS", KIND_SMTP, FALSE, FALSE},     {"ESMTPS", KIND_SMTP, TRUE, FALSE},
    {"ESMTPA", KIND_SMTP, TRUE, TRUE},      {"ESMTPSA", KIND_SMTP, TRUE, TRUE},
    {"UTF8SMTP", KIND_SMTP, TRUE, FALSE},   {"UTF8SMTPS", KIND_SMTP, TRUE, FALSE},
    {"UTF8SMTPA", KIND_SMTP, TRUE, TRUE},   {"UTF8SMTPSA", KIND_SMTP, TRUE, TRUE},
    {"asmtp", KIND_SMTP, FALSE, TRUE},      {"LMTP", KIND_LMTP, TRUE, FALSE},
    {"LMTPS", KIND_LMTP, TRUE, FALSE},      {"LMTPA", KIND_LMTP, TRUE, FALSE},
    {"LMTPSA", KIND_LMTP, TRUE, FALSE},     {"UTF8LMTP", KIND_LMTP, TRUE, FALSE},
    {"UTF8LMTPS", KIND_LMTP, TRUE, FALSE},  {"UTF8LMTPA", KIND_LMTP, TRUE, FALSE},
    {"UTF8LMTPSA", KIND_LMTP, TRUE, FALSE}, {"IMAP", KIND_MAILBOX, FALSE, FALSE},
    {"IMAP4", KIND_MAILBOX, FALSE, FALSE},  {"POP3", KIND_MAILBOX, FALSE, FALSE},
    {"POP3S", KIND_MAILBOX, FALSE, FALSE},  {"HTTP", KIND_ORIGIN, FALSE, FALSE},
    {"HTTPS", KIND_ORIGIN, FALSE, FALSE},   {"HTTPREST", KIND_ORIGIN, FALSE, FALSE},
    {"mapi", KIND_ORIGIN, FALSE, FALSE},    {"local", KIND_ORIGIN, FALSE, FALSE},
};

static const Protocol other_protocol = {"", KIND_OTHER, FALSE, FALSE};

/* What the field says. */
typedef struct {
    PosternReceivedFrom from;
    const Protocol *protocol;
    gboolean has_from;
    gboolean has_by;
    gboolean qmail;   /* "(qmail 1 invoked …)": qmail's second field of the same step */
    gboolean network; /* "… from network)" */
    gboolean exim;    /* a comment behind WITH names it */
} Clauses;

void postern_received_clear(PosternReceived *received)
{
    g_free(received->helo);
    g_free(received->client_name);
    *received = (PosternReceived){0};
}

static const Protocol *find_protocol(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(protocols); i++)
        if (g_ascii_strcasecmp(protocols[i].name, name) == 0)
            return &protocols[i];
    return &other_protocol;
}

static gboolean is_word(const PosternReceivedTokens *tokens, const char *word)
{
    return g_ascii_strcasecmp(tokens->text->str, word) == 0;
}

/* A comment that the field begins with: qmail, or Sendmail if the client said no HELO. */
static void read_first_comment(Clauses *clauses, const PosternReceivedTokens *tokens)
{
    const char *text = tokens->text->str;

    if (g_str_has_prefix(text, "qmail ")) {
        clauses->qmail = TRUE;
        clauses->network = g_str_has_suffix(text, "invoked from network");
    } else if (g_str_has_prefix(text, "from ")) {
        clauses->has_from = TRUE;
        postern_received_from_comment(&clauses->from, text + strlen("from "), tokens->nested->str);
    }
}

/* Up to BY; the type of the token that ended it. */
static PosternReceivedTokenType read_from(Clauses *clauses, PosternReceivedTokens *tokens)
{
    PosternReceivedTokenType type;
    gboolean first = TRUE;

    while ((type = postern_received_tokens_next(tokens)) == POSTERN_RECEIVED_WORD ||
           type == POSTERN_RECEIVED_COMMENT) {
        if (type == POSTERN_RECEIVED_COMMENT)
            postern_received_from_comment(&clauses->from, tokens->text->str, tokens->nested->str);
        else if (!first && is_word(tokens, "by"))
            break;
        else
            postern_received_from_word(&clauses->from, tokens->text->str);
        first = FALSE;
    }
    return type;
}

/* Behind BY: what is wanted is the word behind WITH, and who the program is. */
static void read_rest(Clauses *clauses, PosternReceivedTokens *tokens)
{
    PosternReceivedTokenType type;
    gboolean with = FALSE;

    while ((type = postern_received_tokens_next(tokens)) == POSTERN_RECEIVED_WORD ||
           type == POSTERN_RECEIVED_COMMENT)
        if (type == POSTERN_RECEIVED_COMMENT)
            clauses->exim |= clauses->protocol && g_str_has_prefix(tokens->text->str, "Exim ");
        else if (with && !clauses->protocol)
            clauses->protocol = find_protocol(tokens->text->str);
        else if (is_word(tokens, "for"))
            break;
        else
            with |= is_word(tokens, "with");
}

static gboolean read_clauses(Clauses *clauses, PosternReceivedTokens *tokens)
{
    PosternReceivedTokenType type = postern_received_tokens_next(tokens);

    if (type == POSTERN_RECEIVED_COMMENT) {
        read_first_comment(clauses, tokens);
        if (clauses->qmail)
            return TRUE;
        type = postern_received_tokens_next(tokens);
    }
    if (type == POSTERN_RECEIVED_WORD && is_word(tokens, "from") && !clauses->has_from) {
        clauses->has_from = TRUE;
        type = read_from(clauses, tokens);
    }
    clauses->has_by = type == POSTERN_RECEIVED_WORD && is_word(tokens, "by");
    if (clauses->has_by)
        read_rest(clauses, tokens);
    if (!clauses->protocol)
        clauses->protocol = &other_protocol;
    return clauses->has_by && !clauses->from.contradictory;
}

/* The client that FROM names: TCP-info, else the word if the relay tells it apart from HELO. */
static PosternAddress client_of(const Clauses *clauses)
{
    const PosternReceivedFrom *from = &clauses->from;
    PosternAddress address = from->address;

    if (address.family == AF_UNSPEC && from->word && (from->told_apart || clauses->exim))
        (void)postern_received_from_address(from->word, &address);
    return address;
}

/* A name that stands behind FROM, or NULL: there is an address, or nothing. */
static const char *word_as_name(const PosternReceivedFrom *from)
{
    PosternAddress address;

    return from->word && !postern_received_from_address(from->word, &address) ? from->word : NULL;
}

/* Exim and qmail leave out a HELO that is the name of the client. */
static const char *helo_of(const Clauses *clauses)
{
    const PosternReceivedFrom *from = &clauses->from;

    if (from->helo)
        return from->helo;
    return from->told_apart || clauses->exim ? word_as_name(from) : from->word;
}

static const char *name_of(const Clauses *clauses)
{
    if (clauses->from.name)
        return clauses->from.name;
    return clauses->from.verified_word || clauses->exim ? word_as_name(&clauses->from) : NULL;
}

static void fill(const Clauses *clauses, PosternReceived *received)
{
    const PosternReceivedFrom *from = &clauses->from;
    const Protocol *protocol = clauses->protocol;

    received->client = client_of(clauses);
    received->esmtp = protocol->esmtp;
    received->authenticated = protocol->authenticated || from->authenticated;
    received->handed_on = protocol->kind == KIND_LMTP || protocol->kind == KIND_MAILBOX ||
                          (protocol->kind == KIND_SMTP && !clauses->has_from);
    if (protocol->kind == KIND_ORIGIN)
        received->client = (PosternAddress){.family = AF_UNSPEC};
    if (received->client.family == AF_UNSPEC)
        return;
    received->helo = g_strdup(helo_of(clauses));
    received->client_name = g_strdup(name_of(clauses));
}

gboolean postern_received_parse(const char *value, gsize length, PosternReceived *ret_received)
{
    Clauses clauses = {0};
    PosternReceivedTokens tokens;
    gboolean understood;

    *ret_received = (PosternReceived){0};
    postern_received_tokens_init(&tokens, value, length);
    understood = read_clauses(&clauses, &tokens);
    if (understood && clauses.qmail)
        ret_received->handed_on = clauses.network;
    else if (understood)
        fill(&clauses, ret_received);
    if ((ret_received->helo && strlen(ret_received->helo) > POSTERN_HELO_NAME_MAX_OCTETS) ||
        (ret_received->client_name && strlen(ret_received->client_name) > POSTERN_DOMAIN_NAME_MAX_OCTETS)) {
        postern_received_clear(ret_received);
        understood = FALSE;
    }
    postern_received_from_clear(&clauses.from);
    postern_received_tokens_clear(&tokens);
    return understood;
}

static void take_client(PosternReceived *received, PosternEnvelope *envelope)
{
    envelope->client = received->client;
    envelope->esmtp = received->esmtp;
    g_free(envelope->helo);
    envelope->helo = g_steal_pointer(&received->helo);
    g_free(envelope->client_name);
    envelope->client_name = g_steal_pointer(&received->client_name);
}

/* The walk of postern_received_find_client; envelope may be NULL; *ret_last is the last field looked at, or
 * NULL. */
static gboolean walk(const PosternHeader *header, PosternIsTrusted is_trusted, gconstpointer data,
                     PosternEnvelope *envelope, const PosternHeaderField **ret_last)
{
    guint count = 0;

    *ret_last = NULL;
    for (guint i = 0; i < header->fields->len && count < POSTERN_RECEIVED_FIELDS_MAX; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        PosternReceived received;
        gboolean found, go_on;

        /* Above it somebody else may see another Received. */
        if (header->ambiguity != POSTERN_HEADER_CLEAR && header->ambiguous_offset <= field->offset)
            return FALSE;
        if (!postern_header_field_is(field, "Received"))
            continue;
        count++;
        *ret_last = field;
        if (!postern_received_parse(field->value, field->value_length, &received))
            return FALSE;
        go_on =
            received.handed_on || (received.client.family != AF_UNSPEC && is_trusted(&received.client, data));
        found = !go_on && received.client.family != AF_UNSPEC && !received.authenticated;
        if (found && envelope)
            take_client(&received, envelope);
        postern_received_clear(&received);
        if (!go_on)
            return found;
    }
    return FALSE;
}

gboolean postern_received_find_client(const PosternHeader *header, PosternIsTrusted is_trusted,
                                      gconstpointer data, PosternEnvelope *envelope)
{
    const PosternHeaderField *last;

    return walk(header, is_trusted, data, envelope, &last);
}

gsize postern_received_find_entry(const PosternHeader *header, PosternIsTrusted is_trusted,
                                  gconstpointer data)
{
    const PosternHeaderField *last;

    (void)walk(header, is_trusted, data, NULL, &last);
    return last ? last->offset : G_MAXSIZE;
}
