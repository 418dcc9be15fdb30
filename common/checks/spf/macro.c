#include "checks/spf/macro.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

/* More right-hand parts than any value has; RFC 7208 7.3 asks for at least 127. */
#define PARTS_MAX 65535
/* What an expansion may grow to before its left side, which will be cut anyway, is dropped. */
#define EXPANSION_KEPT_OCTETS (2 * POSTERN_DOMAIN_NAME_MAX_OCTETS)
#define EXPANSION_MAX_OCTETS (8 * POSTERN_DOMAIN_NAME_MAX_OCTETS)

typedef enum {
    PIECE_END,
    PIECE_BAD,
    PIECE_LITERAL,
    PIECE_FIXED, /* %%, %_, %- */
    PIECE_MACRO,
} PieceKind;

typedef struct {
    const char *text; /* LITERAL, FIXED: what to append */
    gsize length;
    char letter; /* MACRO, lower case */
    gboolean escape;
    gboolean reverse;
    gboolean whole; /* neither transformers nor delimiters */
    guint parts;    /* right-hand parts to keep */
    const char *delimiters;
    gsize delimiter_count;
} Piece;

static void append_sender(GString *out, const PosternSpfMacroValues *values)
{
    g_string_append(out, values->local_part);
    g_string_append_c(out, '@');
    g_string_append(out, values->sender_domain);
}

static void append_local_part(GString *out, const PosternSpfMacroValues *values)
{
    g_string_append(out, values->local_part);
}

static void append_sender_domain(GString *out, const PosternSpfMacroValues *values)
{
    g_string_append(out, values->sender_domain);
}

static void append_domain(GString *out, const PosternSpfMacroValues *values)
{
    g_string_append(out, values->domain);
}

static void append_readable_address(GString *out, const PosternSpfMacroValues *values)
{
    char text[INET6_ADDRSTRLEN] = "";
    const void *octets = values->client.family == AF_INET ? (const void *)&values->client.ipv4
                                                          : (const void *)&values->client.ipv6;

    g_string_append(out,
                    inet_ntop(values->client.family, octets, text, sizeof text) != NULL ? text : "unknown");
}

static void append_dotted_address(GString *out, const PosternSpfMacroValues *values)
{
    static const char digits[] = "0123456789ABCDEF";

    if (values->client.family == AF_INET) {
        append_readable_address(out, values);
        return;
    }
    for (guint i = 0; i < 16; i++) {
        guint8 octet = values->client.ipv6.s6_addr[i];
        const char nibbles[] = {digits[octet >> 4], '.', digits[octet & 0x0f], '.'};

        g_string_append_len(out, nibbles, i < 15 ? 4 : 3);
    }
}

static void append_validated_name(GString *out, const PosternSpfMacroValues *values)
{
    g_string_append(out, values->validated_name != NULL ? values->validated_name : "unknown");
}

static void append_reverse_zone(GString *out, const PosternSpfMacroValues *values)
{
    g_string_append(out, values->client.family == AF_INET ? "in-addr" : "ip6");
}

static void append_helo(GString *out, const PosternSpfMacroValues *values)
{
    g_string_append(out, values->helo);
}

static void append_receiver(GString *out, const PosternSpfMacroValues *values)
{
    g_string_append(out, values->receiver);
}

static void append_now(GString *out, const PosternSpfMacroValues *values)
{
    g_string_append_printf(out, "%" G_GINT64_FORMAT, values->now);
}

static const struct {
    char letter;
    gboolean in_domain; /* RFC 7208 7.2: c, r and t stand in explanations only */
    void (*append)(GString *out, const PosternSpfMacroValues *values);
} macro_letters[] = {
    {'s', TRUE, append_sender},
    {'l', TRUE, append_local_part},
    {'o', TRUE, append_sender_domain},
    {'d', TRUE, append_domain},
    {'i', TRUE, append_dotted_address},
    {'p', TRUE, append_validated_name},
    {'v', TRUE, append_reverse_zone},
    {'h', TRUE, append_helo},
    {'c', FALSE, append_readable_address},
    {'r', FALSE, append_receiver},
    {'t', FALSE, append_now},
};

static int letter_index(char letter)
{
    for (guint i = 0; i < G_N_ELEMENTS(macro_letters); i++)
        if (macro_letters[i].letter == letter)
            return (int)i;
    return -1;
}

/* What follows "%{". */
static PieceKind read_macro(const char **cursor, const char *end, Piece *piece)
{
    const char *at = *cursor;
    const char *digits;

    if (at == end || letter_index(g_ascii_tolower(*at)) < 0)
        return PIECE_BAD;
    piece->letter = g_ascii_tolower(*at);
    piece->escape = g_ascii_isupper(*at);
    digits = ++at;
    for (piece->parts = 0; at < end && g_ascii_isdigit(*at); at++)
        piece->parts = MIN(piece->parts * 10 + (guint)(*at - '0'), PARTS_MAX);
    if (at > digits && piece->parts == 0)
        return PIECE_BAD;
    if (at == digits)
        piece->parts = PARTS_MAX;
    piece->reverse = at < end && g_ascii_tolower(*at) == 'r';
    if (piece->reverse)
        at++;
    piece->delimiters = at;
    while (at < end && *at != '\0' && strchr(".-+,/_=", *at) != NULL)
        at++;
    piece->delimiter_count = (gsize)(at - piece->delimiters);
    piece->whole = at == digits;
    if (at == end || *at != '}')
        return PIECE_BAD;
    *cursor = at + 1;
    return PIECE_MACRO;
}

static PieceKind read_fixed(Piece *piece, char which)
{
    static const struct {
        char which;
        const char *text;
    } fixed[] = {{'%', "%"}, {'_', " "}, {'-', "%20"}};

    for (guint i = 0; i < G_N_ELEMENTS(fixed); i++) {
        if (fixed[i].which == which) {
            piece->text = fixed[i].text;
            piece->length = strlen(fixed[i].text);
            return PIECE_FIXED;
        }
    }
    return PIECE_BAD;
}

static PieceKind next_piece(const char **cursor, const char *end, Piece *piece)
{
    const char *at = *cursor;

    if (at == end)
        return PIECE_END;
    if (*at == '%') {
        if (end - at < 2)
            return PIECE_BAD;
        *cursor = at + 2;
        return at[1] == '{' ? read_macro(cursor, end, piece) : read_fixed(piece, at[1]);
    }
    piece->text = at;
    while (at < end && *at != '%')
        at++;
    piece->length = (gsize)(at - piece->text);
    *cursor = at;
    return PIECE_LITERAL;
}

/* RFC 7208 7.1: toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum ) */
static gboolean is_top_label(const char *text, gsize length)
{
    gboolean only_digits = TRUE;

    if (length == 0 || text[0] == '-' || text[length - 1] == '-')
        return FALSE;
    for (gsize i = 0; i < length; i++) {
        if (!g_ascii_isalnum(text[i]) && text[i] != '-')
            return FALSE;
        only_digits = only_digits && g_ascii_isdigit(text[i]);
    }
    return !only_digits;
}

/* TRUE if the literal text after the last macro ends in "." toplabel [ "." ]. */
static gboolean ends_in_top_label(const char *text, gsize length)
{
    const char *dot;

    if (length > 0 && text[length - 1] == '.')
        length--;
    dot = memrchr(text, '.', length);
    return dot != NULL && is_top_label(dot + 1, length - (gsize)(dot + 1 - text));
}

gboolean postern_spf_macro_is_valid(const char *text, gsize length, PosternSpfMacroUse use)
{
    const char *cursor = text;
    const char *end = text + length;
    PieceKind kind, last = PIECE_END;
    Piece piece = {0};

    for (gsize i = 0; i < length; i++) {
        gboolean space = text[i] == ' ' && use == POSTERN_SPF_MACRO_EXPLANATION;

        if (!g_ascii_isgraph(text[i]) && !space)
            return FALSE;
    }
    while ((kind = next_piece(&cursor, end, &piece)) != PIECE_END) {
        if (kind == PIECE_BAD)
            return FALSE;
        if (kind == PIECE_MACRO && use == POSTERN_SPF_MACRO_DOMAIN &&
            !macro_letters[letter_index(piece.letter)].in_domain)
            return FALSE;
        last = kind;
    }
    if (use != POSTERN_SPF_MACRO_DOMAIN)
        return TRUE;
    return last == PIECE_LITERAL ? ends_in_top_label(piece.text, piece.length) : last != PIECE_END;
}

gboolean postern_spf_macro_uses(const char *text, gsize length, const char *letters)
{
    const char *cursor = text;
    PieceKind kind;
    Piece piece = {0};

    while ((kind = next_piece(&cursor, text + length, &piece)) > PIECE_BAD)
        if (kind == PIECE_MACRO && strchr(letters, piece.letter) != NULL)
            return TRUE;
    return FALSE;
}

/* RFC 7208 7.3: in a macro of an upper-case letter all but RFC 3986 2.3 unreserved octets are escaped. */
static void append_value(GString *out, const char *text, gsize length, gboolean escape)
{
    if (!escape) {
        g_string_append_len(out, text, (gssize)length);
        return;
    }
    for (gsize i = 0; i < length; i++)
        if (g_ascii_isalnum(text[i]) || text[i] == '-' || text[i] == '.' || text[i] == '_' || text[i] == '~')
            g_string_append_c(out, text[i]);
        else
            g_string_append_printf(out, "%%%02X", (guint)(guint8)text[i]);
}

static gsize part_length(const Piece *piece, const char *text, gsize length)
{
    const char *delimiters = piece->delimiter_count > 0 ? piece->delimiters : ".";
    gsize count = MAX(piece->delimiter_count, 1);
    gsize i = 0;

    while (i < length && memchr(delimiters, text[i], count) == NULL)
        i++;
    return i;
}

/* Splits value at the delimiters, reverses the parts, keeps those at the right, joins them by dots (7.3). */
static void append_transformed(GString *out, const char *value, gsize length, const Piece *piece)
{
    g_autoptr(GArray) starts = g_array_new(FALSE, FALSE, sizeof(gsize));
    guint first;

    for (gsize at = 0;;) {
        g_array_append_val(starts, at);
        at += part_length(piece, value + at, length - at);
        if (at >= length)
            break;
        at++;
    }
    first = starts->len > piece->parts ? starts->len - piece->parts : 0;
    for (guint i = first; i < starts->len; i++) {
        gsize start = g_array_index(starts, gsize, piece->reverse ? starts->len - 1 - i : i);

        if (i > first)
            g_string_append_c(out, '.');
        append_value(out, value + start, part_length(piece, value + start, length - start), piece->escape);
    }
}

static void append_macro(GString *out, const Piece *piece, const PosternSpfMacroValues *values)
{
    g_autoptr(GString) value = NULL;
    int index = letter_index(piece->letter);

    if (piece->whole && !piece->escape) {
        macro_letters[index].append(out, values);
        return;
    }
    value = g_string_new(NULL);
    macro_letters[index].append(value, values);
    if (piece->whole)
        append_value(out, value->str, value->len, piece->escape);
    else
        append_transformed(out, value->str, value->len, piece);
}

static void append_piece(GString *out, PieceKind kind, const Piece *piece,
                         const PosternSpfMacroValues *values)
{
    if (kind == PIECE_MACRO)
        append_macro(out, piece, values);
    else
        g_string_append_len(out, piece->text, (gssize)piece->length);
}

static void cut_left(GString *name)
{
    const char *start, *dot;

    if (name->len <= POSTERN_DOMAIN_NAME_MAX_OCTETS)
        return;
    start = name->str + name->len - POSTERN_DOMAIN_NAME_MAX_OCTETS - 1;
    dot = memchr(start, '.', POSTERN_DOMAIN_NAME_MAX_OCTETS);
    if (dot != NULL)
        g_string_erase(name, 0, dot + 1 - name->str);
}

char *postern_spf_macro_expand_domain(const char *text, gsize length, const PosternSpfMacroValues *values)
{
    g_autoptr(GString) out = g_string_sized_new(64);
    const char *cursor = text;
    PieceKind kind;
    Piece piece = {0};

    while ((kind = next_piece(&cursor, text + length, &piece)) > PIECE_BAD) {
        append_piece(out, kind, &piece, values);
        if (out->len > EXPANSION_MAX_OCTETS)
            g_string_erase(out, 0, (gssize)(out->len - EXPANSION_KEPT_OCTETS));
    }
    if (out->len > 0 && out->str[out->len - 1] == '.')
        g_string_truncate(out, out->len - 1);
    cut_left(out);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

char *postern_spf_macro_expand_explanation(const char *text, gsize length,
                                           const PosternSpfMacroValues *values)
{
    g_autoptr(GString) out = g_string_sized_new(128);
    const char *cursor = text;
    PieceKind kind;
    Piece piece = {0};

    while (out->len <= POSTERN_SPF_EXPLANATION_MAX_OCTETS &&
           (kind = next_piece(&cursor, text + length, &piece)) > PIECE_BAD)
        append_piece(out, kind, &piece, values);
    if (out->len > POSTERN_SPF_EXPLANATION_MAX_OCTETS)
        g_string_truncate(out, POSTERN_SPF_EXPLANATION_MAX_OCTETS);
    return postern_escape_for_reply(g_string_free(g_steal_pointer(&out), FALSE));
}
