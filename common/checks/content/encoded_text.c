#include "checks/content/encoded_text.h"

#include <string.h>

#include "checks/content/decode.h"

#define LETTERS_MIN 64      /* of a file: that of EICAR has 92 */
#define DIGITS_MIN 130      /* the same in hexadecimal: EICAR has 136, and a checksum has 128 at most */
#define LINE_LETTERS_MIN 32 /* words are shorter */
#define KINDS_MIN 8         /* different letters; a line of dashes has one */
#define JOINT_MAX_OCTETS 64
#define REFERENCE_MAX_OCTETS 12
#define MEDIA_TYPE_MAX_OCTETS 256

typedef enum { OTHER, LETTER, URL_LETTER, BLANK, QUOTE } Class;

static Class class_of(char octet)
{
    static const guint8 classes[G_MAXUINT8 + 1] = {
        ['A' ... 'Z'] = LETTER, ['a' ... 'z'] = LETTER, ['0' ... '9'] = LETTER, ['+'] = LETTER,
        ['/'] = LETTER,         ['-'] = URL_LETTER,     ['_'] = URL_LETTER,     [' '] = BLANK,
        ['\t'] = BLANK,         ['\r'] = BLANK,         ['\n'] = BLANK,         ['"'] = QUOTE,
        ['\''] = QUOTE,         ['`'] = QUOTE,
    };
    return (Class)classes[(guchar)octet];
}

typedef struct {
    const char *octets;
    gsize length;
    PosternEncodedTake take;
    gpointer data;
    gboolean over; /* no more is wanted */
    gboolean short_of_memory;
} Text;

static gsize skip_class(const Text *text, gsize at, Class class)
{
    while (at < text->length && class_of(text->octets[at]) == class)
        at++;
    return at;
}

/* Behind the letters that begin at at; *ret_url: letters of URLs are among them. */
static gsize skip_letters(const Text *text, gsize at, gboolean *ret_url)
{
    for (*ret_url = FALSE; at < text->length; at++) {
        Class class = class_of(text->octets[at]);
        if (class != LETTER && class != URL_LETTER)
            break;
        *ret_url = *ret_url || class == URL_LETTER;
    }
    return at;
}

/* The value of an attribute without quotes ("a=…" behind a blank), and not of a URL ("?a=…"). */
static gboolean is_attribute(const Text *text, gsize equals)
{
    gsize at = equals;
    while (at > 0 && equals - at < JOINT_MAX_OCTETS &&
           (g_ascii_isalnum(text->octets[at - 1]) || text->octets[at - 1] == '-'))
        at--;
    return at < equals && (at == 0 || class_of(text->octets[at - 1]) == BLANK);
}

/* Whether a file may begin at at, by what stands before it. */
static gboolean may_begin(const Text *text, gsize at)
{
    char before = at > 0 ? text->octets[at - 1] : ' ';
    Class class = class_of(before);
    return class == BLANK || class == QUOTE || strchr(",>:([{;", before) != NULL ||
           (before == '=' && is_attribute(text, at - 1));
}

/* Where the next piece begins, if a script puts it behind the one that ends at at: '…' + '…'; or 0. */
static gsize next_quoted(const Text *text, gsize at)
{
    if (at >= text->length || class_of(text->octets[at]) != QUOTE)
        return 0;
    gsize plus = skip_class(text, at + 1, BLANK);
    if (plus >= text->length || text->octets[plus] != '+' || plus - at > JOINT_MAX_OCTETS)
        return 0;
    gsize quote = skip_class(text, plus + 1, BLANK);
    return quote < text->length && class_of(text->octets[quote]) == QUOTE && quote - plus <= JOINT_MAX_OCTETS
               ? quote + 1
               : 0;
}

/* Where the next line begins, if it is one; or 0. */
static gsize next_line(const Text *text, gsize at)
{
    gsize next = skip_class(text, at, BLANK);
    return next > at && next < text->length && next - at <= JOINT_MAX_OCTETS ? next : 0;
}

static guint count_kinds(const GString *letters)
{
    gboolean seen[G_MAXUINT8 + 1] = {FALSE};
    guint count = 0;
    for (gsize i = 0; i < letters->len && count < KINDS_MIN; i++) {
        count += !seen[(guchar)letters->str[i]];
        seen[(guchar)letters->str[i]] = TRUE;
    }
    return count;
}

static gboolean is_hexadecimal(const GString *letters, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if (!g_ascii_isxdigit(letters->str[i]))
            return FALSE;
    return TRUE;
}

static void hand_on(Text *text, GBytes *octets, const char *decoding)
{
    if (!text->over && g_bytes_get_size(octets) > 0)
        text->over = !text->take(octets, decoding, text->data);
}

static void take_base64(Text *text, const char *letters, gsize length)
{
    GBytes *readings[POSTERN_CONTENT_READINGS_MAX];
    guint count = 0;
    if (!postern_content_decode(POSTERN_CONTENT_BASE64, letters, length, FALSE, readings, &count))
        text->short_of_memory = TRUE;
    for (guint i = 0; i < count; i++) {
        hand_on(text, readings[i], "base64 in text");
        g_bytes_unref(readings[i]);
    }
}

static void take_digits(Text *text, const GString *digits)
{
    GByteArray *out = g_byte_array_sized_new((guint)(digits->len / 2));
    for (gsize i = 0; i + 1 < digits->len; i += 2) {
        guint8 octet =
            (guint8)(g_ascii_xdigit_value(digits->str[i]) << 4 | g_ascii_xdigit_value(digits->str[i + 1]));
        g_byte_array_append(out, &octet, 1);
    }
    g_autoptr(GBytes) octets = g_byte_array_free_to_bytes(out);
    hand_on(text, octets, "hexadecimal in text");
}

/* Letters, of which the last tail may be a word that follows them. */
static void take_letters(Text *text, GString *letters, gsize tail)
{
    gsize whole = letters->len - tail;
    if (letters->len < LETTERS_MIN || count_kinds(letters) < KINDS_MIN)
        return;
    if (is_hexadecimal(letters, whole)) {
        g_string_truncate(letters, whole);
        if (whole >= DIGITS_MIN)
            take_digits(text, letters);
        return;
    }
    for (gsize i = 0; i < letters->len; i++)
        letters->str[i] = letters->str[i] == '-' ? '+' : letters->str[i] == '_' ? '/' : letters->str[i];
    take_base64(text, letters->str, letters->len);
    if (tail > 0 && whole % 4 == 0 && whole >= LETTERS_MIN)
        take_base64(text, letters->str, whole);
}

/* The letters that begin at start, of which first end at at, with those of lines and pieces behind them.
 * Returns where they end. */
static gsize take_run(Text *text, gsize start, gsize at, gboolean url)
{
    g_autoptr(GString) letters = g_string_new_len(text->octets + start, (gssize)(at - start));
    gsize tail = 0, next;
    gboolean other, line = at - start >= LINE_LETTERS_MIN && !url;
    for (;;) {
        gboolean quoted = (next = next_quoted(text, at)) != 0;
        if (!quoted && (!line || (next = next_line(text, at)) == 0))
            break;
        gsize end = skip_letters(text, next, &other);
        if (end == next || (other && !quoted))
            break;
        g_string_append_len(letters, text->octets + next, (gssize)(end - next));
        at = end;
        if (!quoted && end - next < LINE_LETTERS_MIN) {
            tail = end - next;
            break;
        }
    }
    gsize padding = at;
    while (padding < text->length && text->octets[padding] == '=' && padding - at < 2)
        padding++;
    take_letters(text, letters, padding > at ? 0 : tail);
    return padding;
}

static gboolean is_letter(char octet)
{
    Class class = class_of(octet);
    return class == LETTER || class == URL_LETTER;
}

/* Where letters begin, LINE_LETTERS_MIN at least, at or behind at; or the end of the text. Of so many, one is
 * at each such distance: most of a text is not looked at. */
static gsize find_line(const Text *text, gsize at)
{
    while (text->length - at >= LINE_LETTERS_MIN) {
        gsize back = at + LINE_LETTERS_MIN;
        while (back > at && is_letter(text->octets[back - 1]))
            back--;
        if (back == at)
            return at;
        at = back;
    }
    return text->length;
}

static void find_lines(Text *text)
{
    gboolean url;
    for (gsize at = 0; !text->over && (at = find_line(text, at)) < text->length;) {
        gsize start = at;
        at = skip_letters(text, start, &url);
        if (may_begin(text, start))
            at = take_run(text, start, at, url);
    }
}

/* Pieces that are shorter than a line, from the sign between the first two. */
static void find_pieces(Text *text)
{
    const char *end = text->octets + text->length, *plus = text->octets;
    gboolean url;
    while (plus < end && !text->over && (plus = memchr(plus, '+', (gsize)(end - plus))) != NULL) {
        gsize quote = (gsize)(plus - text->octets), done = quote + 1;
        while (quote > 0 && done - quote < JOINT_MAX_OCTETS && class_of(text->octets[quote - 1]) == BLANK)
            quote--;
        gsize start = quote > 0 ? quote - 1 : 0;
        while (start > 0 && quote - start <= LINE_LETTERS_MIN && is_letter(text->octets[start - 1]))
            start--;
        if (quote > 0 && next_quoted(text, quote - 1) != 0 && quote - 1 - start < LINE_LETTERS_MIN &&
            start > 0 && class_of(text->octets[start - 1]) == QUOTE) {
            gsize first = skip_letters(text, start, &url);
            gsize run_end = take_run(text, start, first, url);
            done = MAX(done, run_end);
        }
        plus = text->octets + done;
    }
}

/* The place of "data" before the colon, with the line ends and tabs in it that browsers pass over; or of the
 * colon. */
static gsize scheme_place(const Text *text, gsize colon)
{
    static const char scheme[] = "data";
    gsize at = colon;
    for (gsize left = strlen(scheme); left > 0; at--) {
        if (at == 0 || colon - at > JOINT_MAX_OCTETS)
            return colon;
        if (g_ascii_tolower(text->octets[at - 1]) == scheme[left - 1])
            left--;
        else if (strchr("\t\r\n", text->octets[at - 1]) == NULL)
            return colon;
    }
    return at;
}

/* Where the URL ends: with the quote or bracket that stood before it, else with a blank. */
static gsize url_end(const Text *text, gsize scheme, gsize start)
{
    char opening = scheme > 0 ? text->octets[scheme - 1] : ' ';
    char closing = opening == '(' ? ')' : class_of(opening) == QUOTE ? opening : '\0';
    if (closing != '\0') {
        const char *end = memchr(text->octets + start, closing, text->length - start);
        return end != NULL ? (gsize)(end - text->octets) : text->length;
    }
    while (start < text->length && class_of(text->octets[start]) != BLANK &&
           class_of(text->octets[start]) != QUOTE && text->octets[start] != '>')
        start++;
    return start;
}

static gsize type_end(const Text *text, gsize start)
{
    gsize at = start;
    while (at < text->length && at - start < MEDIA_TYPE_MAX_OCTETS && text->octets[at] != ',' &&
           text->octets[at] != '<' && text->octets[at] != '>')
        at++;
    return at < text->length && text->octets[at] == ',' ? at : start;
}

/* What the URL holds whose scheme begins at scheme. That of base64 without "%" is found as other letters are.
 * Returns where it ends. */
static gsize take_url(Text *text, gsize scheme, gsize colon)
{
    gsize comma = type_end(text, colon + 1);
    if (comma == colon + 1 && text->octets[comma] != ',')
        return colon + 1;
    gsize end = url_end(text, scheme, comma + 1);
    g_autoptr(GString) held = g_string_sized_new(end - comma);
    gboolean base64 = comma - colon >= 6 && g_ascii_strncasecmp(text->octets + comma - 6, "base64", 6) == 0;
    gboolean percent = FALSE;
    for (gsize at = comma + 1; at < end; at++) {
        char octet = text->octets[at];
        if (octet == '%' && end - at > 2 && g_ascii_isxdigit(text->octets[at + 1]) &&
            g_ascii_isxdigit(text->octets[at + 2])) {
            octet = (char)(g_ascii_xdigit_value(text->octets[at + 1]) << 4 |
                           g_ascii_xdigit_value(text->octets[at + 2]));
            percent = TRUE;
            at += 2;
        }
        g_string_append_c(held, octet);
    }
    g_autoptr(GBytes) octets = g_bytes_new(held->str, held->len);
    if (!base64)
        hand_on(text, octets, "a URL of data");
    else if (percent)
        take_base64(text, held->str, held->len);
    return end;
}

static void find_urls(Text *text)
{
    const char *end = text->octets + text->length, *at = text->octets;
    while (at < end && !text->over && (at = memchr(at, ':', (gsize)(end - at))) != NULL) {
        gsize colon = (gsize)(at - text->octets);
        gsize scheme = scheme_place(text, colon);
        at = text->octets + (scheme < colon ? take_url(text, scheme, colon) : colon + 1);
    }
}

gboolean postern_encoded_text_find(const char *octets, gsize length, PosternEncodedTake take, gpointer data)
{
    Text text = {.octets = octets, .length = length, .take = take, .data = data};
    find_lines(&text);
    find_pieces(&text);
    find_urls(&text);
    return !text.short_of_memory;
}

static void append_character(GString *out, guint64 character)
{
    if (character <= 0x10ffff && !(character >= 0xd800 && character <= 0xdfff))
        g_string_append_unichar(out, (gunichar)character);
}

/* A reference of HTML at at, which is put to out. Returns its octets, or 0. */
static gsize resolve_reference(const char *at, gsize length, GString *out)
{
    static const struct {
        const char *name, *text;
    } names[] = {
        {"amp;", "&"},    {"lt;", "<"},    {"gt;", ">"},       {"quot;", "\""}, {"apos;", "'"},
        {"comma;", ","},  {"colon;", ":"}, {"semi;", ";"},     {"sol;", "/"},   {"plus;", "+"},
        {"equals;", "="}, {"Tab;", "\t"},  {"NewLine;", "\n"}, {"lpar;", "("},  {"rpar;", ")"},
    };
    if (length < 2 || (at[1] != '#' && !g_ascii_isalpha(at[1])))
        return 0;
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        gsize name = strlen(names[i].name);
        if (at[1] == names[i].name[0] && length > name && memcmp(at + 1, names[i].name, name) == 0) {
            g_string_append(out, names[i].text);
            return name + 1;
        }
    }
    if (length < 3 || at[1] != '#')
        return 0;
    gsize digits = at[2] == 'x' || at[2] == 'X' ? 3 : 2, end = digits;
    guint64 character = 0;
    for (; end < length && end < REFERENCE_MAX_OCTETS; end++) {
        int value = digits == 3 ? g_ascii_xdigit_value(at[end]) : g_ascii_digit_value(at[end]);
        if (value < 0)
            break;
        character = character * (digits == 3 ? 16 : 10) + (guint64)value;
    }
    if (end == digits)
        return 0;
    append_character(out, character);
    return end + (end < length && at[end] == ';' ? 1 : 0);
}

/* An escape of a script or style, likewise. */
static gsize resolve_escape(const char *at, gsize length, GString *out)
{
    if (length < 2)
        return 0;
    gsize digits = at[1] == 'x' || at[1] == 'u' ? 2 : 1, end = digits;
    gsize most = digits + (at[1] == 'x' ? 2 : at[1] == 'u' ? 4 : 6);
    guint64 character = 0;
    for (; end < length && end < most && g_ascii_isxdigit(at[end]); end++)
        character = character * 16 + (guint64)g_ascii_xdigit_value(at[end]);
    if (end > digits) {
        append_character(out, character);
        return end + (digits == 1 && end < length && class_of(at[end]) == BLANK ? 1 : 0);
    }
    if (at[1] == '/')
        g_string_append_c(out, '/');
    return at[1] == '/' || at[1] == '\n' ? 2 : 0;
}

/* Where one may begin, at or behind at; or length. */
static gsize next_escape(const char *octets, gsize at, gsize length)
{
    while (at < length && octets[at] != '&' && octets[at] != '\\')
        at++;
    return at;
}

GBytes *postern_encoded_text_resolve(const char *octets, gsize length)
{
    g_autoptr(GString) resolved = g_string_new(NULL);
    GString *out = NULL;
    gsize copied = 0;
    for (gsize at = next_escape(octets, 0, length); at < length;) {
        g_string_truncate(resolved, 0);
        gsize used = octets[at] == '&' ? resolve_reference(octets + at, length - at, resolved)
                                       : resolve_escape(octets + at, length - at, resolved);
        if (used > 0) {
            out = out != NULL ? out : g_string_sized_new(length);
            g_string_append_len(out, octets + copied, (gssize)(at - copied));
            g_string_append_len(out, resolved->str, (gssize)resolved->len);
            copied = at + used;
        }
        at = next_escape(octets, at + MAX(used, 1), length);
    }
    if (out == NULL)
        return NULL;
    g_string_append_len(out, octets + copied, (gssize)(length - copied));
    return g_string_free_to_bytes(out);
}
