#include "wire/mailbox.h"

#include <string.h>

#include "base/limits.h"
#include "wire/encoded_word.h"
#include "wire/mailbox_only.h"
#include "wire/mailbox_seen.h"

#define END (-1)

typedef struct {
    const char *at;
    const char *end;
    PosternMailboxList *list;
    const char *problem; /* the first, and nothing is read behind it */
    const char *doubt;   /* read on, but readers may differ */
    gboolean group_seen;
    gboolean liberal; /* it has what no grammar has, where readers may begin anew anywhere */
} Reader;

/* The words before an address or a '<', as they come. */
typedef struct {
    enum {
        NOTHING,
        WORD,
        DOT,
        PHRASE
    } state;           /* NOTHING, then `word.word` as far as it is that (`a..b` and `a.` too), else PHRASE */
    const char *local; /* where the first of them begins */
    PosternMailboxSeen seen;
    gboolean address_seen; /* an address stands among them */
    gboolean more_seen;    /* and behind it something else */
} Words;

static void words_clear(Words *words)
{
    postern_mailbox_seen_clear(&words->seen);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Words, words_clear)

static gboolean fail(Reader *reader, const char *problem)
{
    if (!reader->problem)
        reader->problem = problem;
    return FALSE;
}

/* problem may be NULL. */
static void doubt(Reader *reader, const char *problem)
{
    if (!reader->doubt)
        reader->doubt = problem;
}

static int peek(const Reader *reader)
{
    return reader->at < reader->end ? (guchar)*reader->at : END;
}

static gboolean is_atom_octet(int octet)
{
    return octet >= 0x80 ||
           (octet != END && (g_ascii_isalnum(octet) || strchr("!#$%&'*+-/=?^_`{|}~", octet)) &&
            octet != '\0');
}

static gboolean is_control(int octet)
{
    return (octet < 0x20 && octet != '\t') || octet == 0x7f;
}

/* The octets of a fold (its line end and one blank), or of one blank; 0: neither. */
static gsize blank_octets(const Reader *reader)
{
    const char *at = reader->at;
    gsize length = (gsize)(reader->end - at);

    if (length >= 1 && (at[0] == ' ' || at[0] == '\t'))
        return 1;
    gsize line_end = length >= 2 && at[0] == '\r' && at[1] == '\n' ? 2 : length >= 1 && at[0] == '\n' ? 1 : 0;

    return line_end > 0 && length > line_end && (at[line_end] == ' ' || at[line_end] == '\t') ? line_end + 1
                                                                                              : 0;
}

/* Takes one octet of a comment, quoted string or literal: a blank, a fold, a quoted pair or plain. */
static gboolean take_inner(Reader *reader)
{
    gsize blank = blank_octets(reader);

    if (blank > 0) {
        reader->at += blank;
        return TRUE;
    }
    if (*reader->at == '\\' && reader->end - reader->at >= 2)
        reader->at++;
    if (is_control((guchar)*reader->at))
        return fail(reader, "a control character");
    reader->at++;
    return TRUE;
}

static gboolean take_comment(Reader *reader)
{
    g_auto(PosternMailboxSeen) seen = {NULL};
    const char *begin = reader->at;
    gsize depth = 0;

    do {
        int octet = peek(reader);

        if (octet == END)
            return fail(reader, "a comment without end");
        depth += octet == '(';
        depth -= octet == ')';
        if (!take_inner(reader))
            return FALSE;
    } while (depth > 0);
    postern_mailbox_seen_init(&seen);
    postern_mailbox_seen_add(&seen, begin, (gsize)(reader->at - begin));
    doubt(reader, postern_mailbox_seen_doubt(&seen));
    if (postern_mailbox_holds_angle_address(begin, (gsize)(reader->at - begin)))
        doubt(reader, "an address within a comment");
    return TRUE;
}

/* Skips blanks, folds and comments. */
static gboolean skip_blanks(Reader *reader)
{
    for (;;) {
        gsize blank = blank_octets(reader);

        reader->at += blank;
        if (blank == 0 && peek(reader) != '(')
            return TRUE;
        if (blank == 0 && !take_comment(reader))
            return FALSE;
    }
}

static gboolean take_quoted(Reader *reader)
{
    reader->at++;
    while (peek(reader) != '"') {
        if (peek(reader) == END)
            return fail(reader, "a quoted string without end");
        if (!take_inner(reader))
            return FALSE;
    }
    reader->at++;
    return TRUE;
}

static void note_domain(Reader *reader, const char *domain)
{
    GPtrArray *domains = reader->list->domains;

    for (guint i = 0; i < domains->len; i++)
        if (g_ascii_strcasecmp(g_ptr_array_index(domains, i), domain) == 0)
            return;
    if (domains->len >= POSTERN_MAILBOX_DOMAINS_MAX)
        fail(reader, "too many domains");
    else
        g_ptr_array_add(domains, g_strdup(domain));
}

/* What a careless reader could take for an address has no place in one. */
static gboolean is_literal_octet(int octet)
{
    return octet != END && octet < 0x80 && strchr("\\<>()@,;\"", octet) == NULL;
}

static gboolean take_literal(Reader *reader)
{
    const char *begin = reader->at;

    while (peek(reader) != ']') {
        int octet = peek(reader);

        if (!is_literal_octet(octet) || (octet == '[' && reader->at > begin))
            return fail(reader, "a bad address literal");
        if (!take_inner(reader))
            return FALSE;
    }
    reader->at++;
    g_autofree char *literal = g_strndup(begin, (gsize)(reader->at - begin));

    note_domain(reader, literal);
    return skip_blanks(reader);
}

static gboolean is_domain_octet(int octet)
{
    return octet >= 0x80 || (octet != END && (g_ascii_isalnum(octet) || octet == '-' || octet == '_'));
}

/* Takes a domain and what blanks follow it, and notes it. */
static gboolean take_domain(Reader *reader)
{
    g_autoptr(GString) domain = g_string_new(NULL);
    gboolean more = TRUE;

    if (!skip_blanks(reader))
        return FALSE;
    if (peek(reader) == '[')
        return take_literal(reader);
    while (more) {
        const char *begin = reader->at;

        while (is_domain_octet(peek(reader)))
            reader->at++;
        const char *label_end = reader->at;

        if (label_end == begin || is_atom_octet(peek(reader)))
            return fail(reader, "a bad domain");
        g_string_append_len(domain, begin, label_end - begin);
        if (!skip_blanks(reader))
            return FALSE;
        more = peek(reader) == '.';
        if (!more)
            break;
        g_string_append_c(domain, '.');
        const char *dot = reader->at++;

        if (!skip_blanks(reader))
            return FALSE;
        if (dot != label_end || reader->at != dot + 1)
            doubt(reader, "blanks or a comment within a domain");
    }
    if (!g_utf8_validate_len(domain->str, domain->len, NULL))
        return fail(reader, "a domain that is not UTF-8");
    note_domain(reader, domain->str);
    return reader->problem == NULL;
}

static gboolean take_word(Reader *reader, Words *words)
{
    const char *begin = reader->at;

    if (*begin == '"') {
        if (!take_quoted(reader))
            return FALSE;
    } else {
        reader->at += postern_encoded_word_length(begin, (gsize)(reader->end - begin));
        while (is_atom_octet(peek(reader)))
            reader->at++;
    }
    if (words->state == NOTHING)
        words->local = begin;
    words->state = words->state == NOTHING || words->state == DOT ? WORD : PHRASE;
    words->more_seen = words->address_seen;
    postern_mailbox_seen_add(&words->seen, begin, (gsize)(reader->at - begin));
    return TRUE;
}

/* `[list] Ann`: no grammar has it, much mail does, and nothing within can be taken for an address. */
static gboolean take_brackets(Reader *reader, Words *words)
{
    const char *begin = reader->at++;

    while (is_atom_octet(peek(reader)) || peek(reader) == ' ' || peek(reader) == '.')
        reader->at++;
    if (peek(reader) != ']')
        return fail(reader, "an octet that no address has");
    reader->at++;
    reader->liberal = TRUE;
    words->state = PHRASE;
    words->more_seen = words->address_seen;
    postern_mailbox_seen_add(&words->seen, begin, (gsize)(reader->at - begin));
    return TRUE;
}

/* `words @ domain`: an address, unless a '<' follows, which makes it a display name. */
static gboolean take_address(Reader *reader, Words *words)
{
    if (words->state == WORD || words->state == DOT)
        doubt(reader, postern_mailbox_local_part_doubt(words->local, (gsize)(reader->at - words->local)));
    reader->liberal |= words->state == DOT;
    words->more_seen = words->address_seen || words->state == NOTHING || words->state == PHRASE;
    words->address_seen = TRUE;
    words->state = PHRASE;
    reader->at++;
    return take_domain(reader);
}

static gboolean take_local_part(Reader *reader)
{
    g_auto(Words) words = {NOTHING};

    postern_mailbox_seen_init(&words.seen);

    for (;;) {
        if (!skip_blanks(reader))
            return FALSE;
        int octet = peek(reader);

        if (octet == '.') {
            reader->liberal |= words.state != WORD;
            words.state = words.state == WORD || words.state == DOT ? DOT : PHRASE;
            reader->at++;
        } else if (octet == '"' || is_atom_octet(octet)) {
            if (!take_word(reader, &words))
                return FALSE;
        } else {
            break;
        }
    }
    if ((words.state != WORD && words.state != DOT) || peek(reader) != '@')
        return fail(reader, "no address between < and >");
    reader->liberal |= words.state == DOT;
    doubt(reader, postern_mailbox_local_part_doubt(words.local, (gsize)(reader->at - words.local)));
    return TRUE;
}

/* `@a,@b:` (RFC 5322 4.4, obs-route). */
static gboolean take_route(Reader *reader)
{
    while (peek(reader) != ':') {
        if (peek(reader) == ',' || peek(reader) == '@') {
            if (*reader->at++ == '@' && !take_domain(reader))
                return FALSE;
        } else {
            return fail(reader, "a bad source route");
        }
        if (!skip_blanks(reader))
            return FALSE;
    }
    reader->at++;
    return TRUE;
}

static gboolean take_angle(Reader *reader)
{
    reader->at++;
    if (!skip_blanks(reader))
        return FALSE;
    if ((peek(reader) == '@' || peek(reader) == ',') && !take_route(reader))
        return FALSE;
    if (!take_local_part(reader))
        return FALSE;
    reader->at++;
    if (!take_domain(reader))
        return FALSE;
    if (peek(reader) != '>')
        return fail(reader, "no > behind an address");
    reader->at++;
    return skip_blanks(reader);
}

static gboolean ends_element(int octet)
{
    return octet == END || octet == ',' || octet == ';';
}

/* Takes words and the addresses among them up to '<', ':' or the end of the element. */
static gboolean take_words(Reader *reader, Words *words)
{
    for (;;) {
        if (!skip_blanks(reader))
            return FALSE;
        int octet = peek(reader);
        gboolean taken = TRUE;

        if (octet == '<' || octet == ':' || ends_element(octet))
            return TRUE;
        if (octet == '@') {
            taken = take_address(reader, words);
        } else if (octet == '.') {
            reader->liberal |= words->state != WORD;
            words->state = words->state == WORD || words->state == DOT ? DOT : PHRASE;
            words->more_seen = words->address_seen;
            g_string_append_c(words->seen.text, *reader->at++);
        } else if (octet == '"' || is_atom_octet(octet)) {
            taken = take_word(reader, words);
        } else if (octet == '[') {
            taken = take_brackets(reader, words);
        } else {
            return fail(reader, is_control(octet) ? "a control character" : "an octet that no address has");
        }
        if (!taken)
            return FALSE;
    }
}

/* A mailbox, or the name of a group with its colon: *ret_group. */
static gboolean take_element(Reader *reader, gboolean *ret_group)
{
    g_auto(Words) words = {NOTHING};

    postern_mailbox_seen_init(&words.seen);

    if (!take_words(reader, &words))
        return FALSE;
    *ret_group = FALSE;
    if (peek(reader) == '<') {
        doubt(reader, postern_mailbox_seen_doubt(&words.seen));
        reader->liberal |= words.address_seen || words.seen.quotes;
        if (!take_angle(reader))
            return FALSE;
        if (postern_mailbox_seen_names_other(&words.seen, reader->list->domains))
            doubt(reader, "another address within a display name");
        reader->list->mailboxes++;
        return ends_element(peek(reader)) || fail(reader, "something behind an address");
    }
    if (peek(reader) == ':') {
        if (words.state == NOTHING || words.address_seen)
            return fail(reader, "a group without a name");
        if (postern_mailbox_holds_angle_address(words.seen.text->str, words.seen.text->len))
            doubt(reader, "an address within the name of a group");
        doubt(reader, postern_mailbox_seen_doubt(&words.seen));
        *ret_group = reader->group_seen = TRUE;
        reader->at++;
        return TRUE;
    }
    if (!words.address_seen || words.more_seen)
        return fail(reader, words.address_seen ? "words around an address without < and >" : "no domain");
    reader->list->mailboxes++;
    return TRUE;
}

static void take_list(Reader *reader)
{
    gboolean in_group = FALSE;

    while (skip_blanks(reader) && peek(reader) != END) {
        gboolean group = FALSE;

        if (peek(reader) == ',') {
            reader->at++;
        } else if (peek(reader) == ';') {
            reader->at++;
            if (!in_group || !skip_blanks(reader) || (peek(reader) != END && peek(reader) != ',')) {
                fail(reader, "a ; that ends no group");
                return;
            }
            in_group = FALSE;
        } else if (!take_element(reader, &group)) {
            return;
        } else if (group && in_group) {
            fail(reader, "a group within a group");
            return;
        }
        in_group |= group;
    }
    if (in_group)
        fail(reader, "a group without end");
}

/* Groups without members, and nothing in them or their names that anybody takes for an address (RFC 6854). */
static gboolean names_nobody(const Reader *reader, const char *value, gsize length)
{
    g_auto(PosternMailboxSeen) seen = {NULL};

    postern_mailbox_seen_init(&seen);
    postern_mailbox_seen_add(&seen, value, length);
    return reader->group_seen && reader->list->mailboxes == 0 && reader->list->domains->len == 0 &&
           !memchr(value, '@', length) && !memchr(seen.text->str, '@', seen.text->len);
}

/* No grammar has it, and yet nobody can take it for another address. */
static void accept_only(PosternMailboxList *list, char *domain)
{
    g_ptr_array_set_size(list->domains, 0);
    g_ptr_array_add(list->domains, domain);
    list->mailboxes = 1;
    list->problem = NULL;
}

PosternMailboxList *postern_mailbox_list_parse(const char *value, gsize length)
{
    PosternMailboxList *list = g_new0(PosternMailboxList, 1);
    Reader reader = {.at = value, .end = value + length, .list = list};
    char *only = NULL;

    list->domains = g_ptr_array_new_with_free_func(g_free);
    take_list(&reader);
    if (reader.liberal && postern_mailbox_mentions_other(value, length, list->domains))
        doubt(&reader, "another address among words that are not well-formed");
    list->problem = reader.problem ? reader.problem : reader.doubt;
    if (reader.problem || list->domains->len > 1)
        only = postern_mailbox_only_domain(value, length);
    if (only)
        accept_only(list, only);
    list->no_author = !list->problem && names_nobody(&reader, value, length);
    if (!list->problem && list->mailboxes == 0 && !list->no_author)
        list->problem = "no address";
    return list;
}

void postern_mailbox_list_free(PosternMailboxList *list)
{
    if (!list)
        return;
    g_ptr_array_unref(list->domains);
    g_free(list);
}
