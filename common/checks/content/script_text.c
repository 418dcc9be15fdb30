#include "checks/content/script_text.h"

#include <string.h>

#include "checks/content/decode.h"

#define OCTETS_MIN 64     /* of a file */
#define ESCAPES_MIN 16    /* of a string that is made of them */
#define LETTERS_MIN 64    /* of base64 */
#define GAP_MAX_OCTETS 64 /* between pieces */
#define NUMBER_GAP_MAX_OCTETS 8
#define PIECE_LETTERS_MIN 16
#define BRACED_MAX_OCTETS 8 /* "\u{10ffff" without the end */

typedef struct {
    const char *octets;
    gsize length;
    PosternEncodedTake take;
    gpointer data;
    gboolean over; /* no more is wanted */
    gboolean short_of_memory;
} Script;

static gboolean holds(const Script *script, const char *word)
{
    return memmem(script->octets, script->length, word, strlen(word)) != NULL;
}

static gboolean is_quote(char octet)
{
    return octet == '"' || octet == '\'' || octet == '`';
}

static gboolean is_letter(char octet)
{
    return g_ascii_isalnum(octet) || octet == '+' || octet == '/' || octet == '=';
}

static void hand_on(Script *script, GByteArray *octets, const char *decoding)
{
    if (script->over || octets->len < OCTETS_MIN)
        return;
    g_autoptr(GBytes) bytes = g_bytes_new(octets->data, octets->len);
    script->over = !script->take(bytes, decoding, script->data);
}

/* Numbers that follow each other, with a few other signs between them. */
typedef struct {
    GByteArray *decimal, *hexadecimal; /* as far as all of them are numbers of octets; or NULL */
} Numbers;

static void end_numbers(Script *script, Numbers *numbers)
{
    if (numbers->decimal != NULL)
        hand_on(script, numbers->decimal, "numbers in text");
    if (numbers->hexadecimal != NULL)
        hand_on(script, numbers->hexadecimal, "hexadecimal numbers in text");
    g_clear_pointer(&numbers->decimal, g_byte_array_unref);
    g_clear_pointer(&numbers->hexadecimal, g_byte_array_unref);
}

/* A word of length octets as the number of an octet, or -1. */
static int number_of(const char *word, gsize length, guint base)
{
    guint value = 0;
    if (length == 0 || length > (base == 10 ? 3 : 2))
        return -1;
    for (gsize i = 0; i < length; i++) {
        int digit = base == 10 ? g_ascii_digit_value(word[i]) : g_ascii_xdigit_value(word[i]);
        if (digit < 0)
            return -1;
        value = value * base + (guint)digit;
    }
    return value <= G_MAXUINT8 ? (int)value : -1;
}

static void add_number(GByteArray **list, int value, gboolean first)
{
    guint8 octet = (guint8)value;
    if (value < 0) {
        g_clear_pointer(list, g_byte_array_unref);
        return;
    }
    if (first)
        *list = g_byte_array_new();
    if (*list != NULL)
        g_byte_array_append(*list, &octet, 1);
}

/* A minus before the word at at, which is no hyphen between two. */
static gboolean is_negative(const Script *script, gsize at)
{
    return at > 0 && script->octets[at - 1] == '-' && (at == 1 || !g_ascii_isalnum(script->octets[at - 2]));
}

/* A word that is no number ends the list before it. "0x" says its base, whatever those beside it have. */
static void find_numbers(Script *script)
{
    Numbers numbers = {NULL, NULL};
    gsize behind = 0; /* the last number */
    for (gsize at = 0; at < script->length && !script->over;) {
        if (!g_ascii_isalnum(script->octets[at])) {
            at++;
            continue;
        }
        const char *word = script->octets + at;
        gsize end = at;
        while (end < script->length && g_ascii_isalnum(script->octets[end]))
            end++;
        gsize length = end - at;
        gboolean prefixed = length > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
        int hexadecimal = length == 2 ? number_of(word, length, 16) : -1;
        int decimal = prefixed ? number_of(word + 2, length - 2, 16) : number_of(word, length, 10);
        if (decimal > 0 && is_negative(script, at))
            decimal = decimal <= -G_MININT8 ? G_MAXUINT8 + 1 - decimal : -1;
        gboolean open = numbers.decimal != NULL || numbers.hexadecimal != NULL;
        if (open && (at - behind > NUMBER_GAP_MAX_OCTETS || (numbers.decimal == NULL && hexadecimal < 0) ||
                     (numbers.hexadecimal == NULL && decimal < 0) || (decimal < 0 && hexadecimal < 0))) {
            end_numbers(script, &numbers);
            open = FALSE;
        }
        if (numbers.decimal != NULL && decimal < 0 && numbers.decimal->len >= OCTETS_MIN)
            hand_on(script, numbers.decimal, "numbers in text");
        if (numbers.hexadecimal != NULL && hexadecimal < 0 && numbers.hexadecimal->len >= OCTETS_MIN)
            hand_on(script, numbers.hexadecimal, "hexadecimal numbers in text");
        add_number(&numbers.decimal, decimal, !open);
        add_number(&numbers.hexadecimal, hexadecimal, !open);
        behind = at = end;
    }
    end_numbers(script, &numbers);
}

/* How long the escape "\u{41}" at at is; 0: it is none, and *ret_octet stays as it was. */
static gsize read_braced_escape(const char *at, gsize length, guint8 *ret_octet)
{
    guint value = 0;
    gsize end = 3;
    for (; end < length && end <= BRACED_MAX_OCTETS && g_ascii_isxdigit(at[end]); end++)
        value = value << 4 | (guint)g_ascii_xdigit_value(at[end]);
    if (end == 3 || end >= length || at[end] != '}' || value > G_MAXUINT8)
        return 0;
    *ret_octet = (guint8)value;
    return end + 1;
}

/* How long the escape at at is; 0: there is none, and *ret_octet stays as it was. */
static gsize read_escape(const char *at, gsize length, guint8 *ret_octet)
{
    gsize digits = 0, used = 0;
    guint base = 16;
    if (length > 4 && memcmp(at, "\\u{", 3) == 0)
        return read_braced_escape(at, length, ret_octet);
    if (length > 3 && *at == '\\' && at[1] == 'x') {
        used = digits = 2;
    } else if (length > 5 && (*at == '\\' || *at == '%') && at[1] == 'u' && at[2] == '0' && at[3] == '0') {
        used = 4;
        digits = 2;
    } else if (length > 2 && *at == '%') {
        used = 1;
        digits = 2;
    } else if (length > 1 && *at == '\\' && at[1] >= '0' && at[1] <= '7') {
        used = 1;
        base = 8;
        digits = at[1] <= '3' ? 3 : 2;
    }
    guint value = 0;
    gsize end = used;
    for (; end < used + digits && end < length; end++) {
        int digit = base == 8 ? g_ascii_digit_value(at[end]) : g_ascii_xdigit_value(at[end]);
        if (digit < 0 || digit >= (int)base)
            break;
        value = value * base + (guint)digit;
    }
    if (digits == 0 || end == used || (base == 16 && end < used + digits))
        return 0;
    *ret_octet = (guint8)value;
    return end;
}

/* Where the next string begins, if it is joined to the one whose quote is at at by "+" or ","; or 0. */
static gsize next_string(const Script *script, gsize at)
{
    gsize next = at + 1;
    for (; next < script->length && next - at <= GAP_MAX_OCTETS; next++)
        if (!g_ascii_isspace(script->octets[next]) && script->octets[next] != '+' &&
            script->octets[next] != ',')
            break;
    return next > at + 1 && next < script->length && is_quote(script->octets[next]) ? next + 1 : 0;
}

/* The string that has an escape at at, from first, and those that are joined to it. Returns where it ends. */
static gsize take_escaped(Script *script, gsize first, gsize at)
{
    g_autoptr(GByteArray) octets = g_byte_array_new();
    guint escapes = 0;
    /* A NUL, which stands for no quote below, ends what has none. */
    while (at > first && !is_quote(script->octets[at - 1]) && script->octets[at - 1] != '\n' &&
           script->octets[at - 1] != '\0')
        at--;
    char quote = at > first && is_quote(script->octets[at - 1]) ? script->octets[at - 1] : '\0';
    while (at < script->length) {
        guint8 octet = (guint8)script->octets[at];
        gsize used = read_escape(script->octets + at, script->length - at, &octet);
        gsize next = used == 0 && (char)octet == quote ? next_string(script, at) : 0;
        if (next > 0) {
            quote = script->octets[next - 1];
            at = next;
            continue;
        }
        if (used == 0 && ((char)octet == quote || (octet == '\n' && quote != '`') ||
                          (quote == '\0' && is_quote((char)octet))))
            break;
        if (used == 0 && octet == '\\' && at + 1 < script->length) {
            octet = (guint8)script->octets[++at];
            if (octet == '\n') {
                at++;
                continue;
            }
        }
        g_byte_array_append(octets, &octet, 1);
        escapes += used > 0;
        at += MAX(used, 1);
    }
    if (escapes >= ESCAPES_MIN)
        hand_on(script, octets, "escapes in text");
    return at;
}

static void find_escapes(Script *script)
{
    gsize first = 0;
    guint8 octet;
    for (gsize at = 0; at < script->length && !script->over; at++) {
        if ((script->octets[at] != '\\' && script->octets[at] != '%') ||
            read_escape(script->octets + at, script->length - at, &octet) == 0)
            continue;
        first = at = take_escaped(script, first, at);
    }
}

static void take_letters(Script *script, const GString *letters, const char *decoding)
{
    GBytes *readings[POSTERN_CONTENT_READINGS_MAX];
    guint count = 0;
    if (letters->len < LETTERS_MIN || script->over)
        return;
    if (!postern_content_decode(POSTERN_CONTENT_BASE64, letters->str, letters->len, FALSE, readings, &count))
        script->short_of_memory = TRUE;
    for (guint i = 0; i < count; i++) {
        if (!script->over && g_bytes_get_size(readings[i]) > 0)
            script->over = !script->take(readings[i], decoding, script->data);
        g_bytes_unref(readings[i]);
    }
}

/* Letters in strings. */
typedef struct {
    Script *script;
    gboolean reverse, sift; /* the script does so with some */
    GString *chain, *all;
    guint pieces, chains; /* in chain, and in all */
    gsize gap, gap_end;   /* what stood between the last two pieces: how long, and where it ended */
} Letters;

static void take_both_ways(const Letters *letters, GString *text)
{
    take_letters(letters->script, text, "base64 in pieces");
    if (!letters->reverse)
        return;
    g_strreverse(text->str);
    take_letters(letters->script, text, "base64 backwards");
    g_strreverse(text->str);
}

static void end_chain(Letters *letters)
{
    if (letters->chain->len >= PIECE_LETTERS_MIN) {
        g_string_append_len(letters->all, letters->chain->str, (gssize)letters->chain->len);
        letters->chains++;
        if (letters->pieces > 1 || letters->reverse)
            take_both_ways(letters, letters->chain);
    }
    g_string_truncate(letters->chain, 0);
    letters->pieces = 0;
}

/* A long string in which signs stand that the script takes away. */
static void take_sifted(const Letters *letters, const char *octets, gsize length)
{
    g_autoptr(GString) kept = g_string_new(NULL);
    for (gsize i = 0; i < length; i++)
        if (is_letter(octets[i]))
            g_string_append_c(kept, octets[i]);
    if (kept->len < length)
        take_both_ways(letters, kept);
}

/* Whether the piece that begins at at goes on with the one that ended at behind: they are joined, or the same
 * stands between them as between the two before ("; a += "). */
static gboolean continues(Letters *letters, gsize behind, gsize at)
{
    const Script *script = letters->script;
    gsize gap = at - behind;
    gboolean again = gap == letters->gap && gap <= GAP_MAX_OCTETS && letters->gap_end >= gap &&
                     memcmp(script->octets + behind, script->octets + letters->gap_end - gap, gap) == 0;
    letters->gap = gap;
    letters->gap_end = at;
    return letters->pieces == 0 || again || next_string(script, behind) == at + 1;
}

static void find_letters(Letters *letters)
{
    const Script *script = letters->script;
    gsize behind = 0; /* the quote of the last piece */
    for (gsize at = 0; at < script->length && !script->over; at++) {
        if (!is_quote(script->octets[at]))
            continue;
        gsize end = at + 1;
        while (end < script->length && is_letter(script->octets[end]))
            end++;
        gboolean whole = end > at + 1 && end < script->length && script->octets[end] == script->octets[at];
        if (!whole && letters->sift) {
            const char *close = memchr(script->octets + at + 1, script->octets[at], script->length - at - 1);
            gsize length = close != NULL ? (gsize)(close - script->octets) - at - 1 : 0;
            if (length >= LETTERS_MIN) {
                take_sifted(letters, script->octets + at + 1, length);
                end = at + 1 + length;
            }
        }
        if (!whole) {
            at = end - 1;
            continue;
        }
        if (!continues(letters, behind, at))
            end_chain(letters);
        g_string_append_len(letters->chain, script->octets + at + 1, (gssize)(end - at - 1));
        letters->pieces++;
        behind = at = end;
    }
    end_chain(letters);
    if (letters->chains > 1)
        take_both_ways(letters, letters->all);
}

static gboolean holds_element(const Script *script, const char *element)
{
    const char *at = script->octets, *end = at + script->length;
    for (gsize length = strlen(element); (at = memchr(at, '<', (gsize)(end - at))) != NULL; at++)
        if ((gsize)(end - at) >= length && g_ascii_strncasecmp(at, element, length) == 0)
            return TRUE;
    return FALSE;
}

/* What any script has that makes a file. Browsers pass over a NUL; in a program, whose octets are not worth
 * the time, some of these words are common. */
static gboolean is_script(const Script *script)
{
    static const struct {
        const char *word;
        gboolean common;
    } words[] = {{"Uint8Array", FALSE},
                 {"fromCharCode", FALSE},
                 {"createObjectURL", FALSE},
                 {"function", TRUE},
                 {"=>", TRUE},
                 {"var ", TRUE},
                 {"atob", TRUE},
                 {"Array", TRUE},
                 {"Blob", TRUE},
                 {"unescape", TRUE}};
    gboolean text = memchr(script->octets, '\0', script->length) == NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if ((text || !words[i].common) && holds(script, words[i].word))
            return TRUE;
    return holds_element(script, "<script");
}

gboolean postern_script_text_find(const char *octets, gsize length, PosternEncodedTake take, gpointer data)
{
    Script script = {.octets = octets, .length = length, .take = take, .data = data};
    if (length < OCTETS_MIN || !is_script(&script))
        return TRUE;
    g_autoptr(GString) chain = g_string_new(NULL), all = g_string_new(NULL);
    Letters letters = {.script = &script, .chain = chain, .all = all};
    letters.reverse = holds(&script, "reverse");
    letters.sift = holds(&script, "split(") || holds(&script, "replace");
    find_numbers(&script);
    find_escapes(&script);
    find_letters(&letters);
    return !script.short_of_memory;
}
