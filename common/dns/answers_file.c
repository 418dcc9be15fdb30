#include "dns/answers_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/limits.h"

#define ANY_TYPE ((PosternDnsType)255) /* `*`, RFC 1035 3.2.3 */
#define TOKEN_SHOWN_OCTETS 80

struct PosternAnswersFile {
    gatomicrefcount references;
    GHashTable *answers; /* PosternQuestion * -> PosternAnswer * */
    GHashTable *names;   /* set of char *: every name that stands first in a line */
};

/* What is left of a line. */
typedef struct {
    const char *at, *end;
} Rest;

static gboolean fail(GError **error, const char *problem, const char *text, gsize length)
{
    g_autofree char *shown = postern_escape(text, length, TOKEN_SHOWN_OCTETS);
    return postern_error_set(error, POSTERN_ERROR_INPUT, "%s: \"%s\"", problem, shown);
}

static void skip_blanks(Rest *rest)
{
    while (rest->at < rest->end && (*rest->at == ' ' || *rest->at == '\t'))
        rest->at++;
}

/* The next word, empty at the end; a new string, cut before an octet NUL, which is in no name, type or
 * number. */
static char *next_word(Rest *rest)
{
    skip_blanks(rest);
    const char *start = rest->at;
    while (rest->at < rest->end && *rest->at != ' ' && *rest->at != '\t')
        rest->at++;
    return g_strndup(start, (gsize)(rest->at - start));
}

/* One octet of a quoted string, with its escapes (RFC 1035 5.1); -1 if there is none. */
static int next_octet(Rest *rest)
{
    int octet = (guchar)*rest->at++;
    if (octet != '\\')
        return octet >= 0x20 && octet != 0x7f ? octet : octet == '\t' ? octet : -1;
    if (rest->at == rest->end)
        return -1;
    if (!g_ascii_isdigit(*rest->at))
        return (guchar)*rest->at++;
    if (rest->end - rest->at < 3 || !g_ascii_isdigit(rest->at[1]) || !g_ascii_isdigit(rest->at[2]))
        return -1;
    octet = 100 * g_ascii_digit_value(rest->at[0]) + 10 * g_ascii_digit_value(rest->at[1]) +
            g_ascii_digit_value(rest->at[2]);
    rest->at += 3;
    return octet <= 255 ? octet : -1;
}

static gboolean parse_text(GByteArray *record, Rest *rest, GError **error)
{
    Rest whole = *rest;
    do {
        if (rest->at == rest->end || *rest->at != '"')
            return fail(error, "TXT needs strings in double quotes", whole.at, (gsize)(whole.end - whole.at));
        rest->at++;
        while (rest->at < rest->end && *rest->at != '"') {
            int octet = next_octet(rest);
            if (octet < 0)
                return fail(error, "an escape or octet that TXT cannot have", whole.at,
                            (gsize)(whole.end - whole.at));
            g_byte_array_append(record, (const guint8[]){(guint8)octet}, 1);
        }
        if (rest->at == rest->end)
            return fail(error, "a string without its closing quote", whole.at, (gsize)(whole.end - whole.at));
        rest->at++;
        skip_blanks(rest);
    } while (rest->at < rest->end);
    return TRUE;
}

static gboolean parse_address(GByteArray *record, int family, Rest *rest, GError **error)
{
    g_autofree char *word = next_word(rest);
    guint8 octets[sizeof(struct in6_addr)];
    if (inet_pton(family, word, octets) != 1)
        return fail(error, "not an address of that type", word, strlen(word));
    g_byte_array_append(record, octets, family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr));
    return TRUE;
}

/* A question for the name that word is with its escapes, or NULL. */
static PosternQuestion *parse_question(const char *word, PosternDnsType type)
{
    g_autoptr(GString) name = g_string_new(NULL);
    Rest rest = {word, word + strlen(word)};
    while (rest.at < rest.end) {
        gboolean escaped = *rest.at == '\\';
        int octet = next_octet(&rest);
        if (octet <= 0 || (escaped && octet == '.'))
            return NULL;
        g_string_append_c(name, (char)octet);
    }
    return postern_question_new(name->str, type);
}

static gboolean parse_name(GByteArray *record, Rest *rest, GError **error)
{
    g_autofree char *word = next_word(rest);
    if (strcmp(word, ".") == 0)
        return TRUE;
    g_autoptr(PosternQuestion) question = parse_question(word, POSTERN_DNS_A);
    if (question == NULL)
        return fail(error, "not a domain name", word, strlen(word));
    g_byte_array_append(record, (const guint8 *)question->name, (guint)strlen(question->name));
    return TRUE;
}

static gboolean parse_exchange(GByteArray *record, Rest *rest, GError **error)
{
    g_autofree char *word = next_word(rest);
    guint64 preference;
    if (!g_ascii_string_to_unsigned(word, 10, 0, G_MAXUINT16, &preference, NULL))
        return fail(error, "MX needs a preference of 0 to 65535", word, strlen(word));
    g_byte_array_append(record, (const guint8[]){(guint8)(preference >> 8), (guint8)preference}, 2);
    return parse_name(record, rest, error);
}

static gboolean parse_record(GByteArray *record, PosternDnsType type, Rest *rest, GError **error)
{
    switch (type) {
    case POSTERN_DNS_A:
        return parse_address(record, AF_INET, rest, error);
    case POSTERN_DNS_AAAA:
        return parse_address(record, AF_INET6, rest, error);
    case POSTERN_DNS_MX:
        return parse_exchange(record, rest, error);
    case POSTERN_DNS_TXT:
        return parse_text(record, rest, error);
    case POSTERN_DNS_PTR:
    case POSTERN_DNS_CNAME:
        return parse_name(record, rest, error);
    case POSTERN_DNS_SRV:
    case POSTERN_DNS_TLSA:
        break;
    }
    return fail(error, "type * needs !NXDOMAIN, !NODATA, !SERVFAIL or !TIMEOUT", rest->at,
                (gsize)(rest->end - rest->at));
}

static gboolean parse_status(PosternAnswerStatus *ret_status, Rest *rest, GError **error)
{
    g_autofree char *word = next_word(rest);
    for (int status = POSTERN_ANSWER_NXDOMAIN; status <= POSTERN_ANSWER_TIMEOUT; status++) {
        if (g_ascii_strcasecmp(word + 1, postern_answer_status_name((PosternAnswerStatus)status)) == 0) {
            *ret_status = (PosternAnswerStatus)status;
            return TRUE;
        }
    }
    return fail(error, "not one of !NXDOMAIN, !NODATA, !SERVFAIL and !TIMEOUT", word, strlen(word));
}

/* Takes question over. */
static PosternAnswer *insert_answer(PosternAnswersFile *file, PosternQuestion *question,
                                    PosternAnswerStatus status)
{
    PosternAnswer *answer = postern_answer_new(status);
    g_hash_table_add(file->names, g_strdup(question->name));
    g_hash_table_insert(file->answers, question, answer);
    return answer;
}

/* The part of a line behind name and type. */
static gboolean parse_data(PosternAnswersFile *file, PosternQuestion *question, Rest *rest, GError **error)
{
    g_autoptr(PosternQuestion) owned = question;
    PosternAnswer *answer = g_hash_table_lookup(file->answers, question);
    if (rest->at < rest->end && *rest->at == '!') {
        PosternAnswerStatus status = POSTERN_ANSWER_NODATA;
        if (!parse_status(&status, rest, error))
            return FALSE;
        if (answer != NULL)
            return fail(error, "name and type have an answer already", question->name,
                        strlen(question->name));
        insert_answer(file, g_steal_pointer(&owned), status);
        return TRUE;
    }

    g_autoptr(GByteArray) record = g_byte_array_new();
    if (!parse_record(record, question->type, rest, error))
        return FALSE;
    if (answer != NULL && answer->status != POSTERN_ANSWER_RECORDS)
        return fail(error, "name and type have an answer already", question->name, strlen(question->name));
    if (answer != NULL && question->type == POSTERN_DNS_CNAME)
        return fail(error, "a second CNAME of", question->name, strlen(question->name));
    if (answer == NULL)
        answer = insert_answer(file, g_steal_pointer(&owned), POSTERN_ANSWER_RECORDS);
    if (!postern_answer_add(answer, record->data, record->len))
        return fail(error, "too many records, or too long a record, of", question->name,
                    strlen(question->name));
    return TRUE;
}

static gboolean parse_line(PosternAnswersFile *file, Rest rest, GError **error)
{
    if (rest.at < rest.end && rest.end[-1] == '\r')
        rest.end--;
    skip_blanks(&rest);
    if (rest.at == rest.end || *rest.at == '#' || *rest.at == ';')
        return TRUE;
    if (memchr(rest.at, '\0', (gsize)(rest.end - rest.at)) != NULL)
        return fail(error, "an octet NUL in", rest.at, (gsize)(rest.end - rest.at));

    g_autofree char *name = next_word(&rest);
    g_autofree char *type_name = next_word(&rest);
    PosternDnsType type = ANY_TYPE;
    if (strcmp(type_name, "*") != 0 && !postern_dns_type_parse(&type, type_name))
        return fail(error, "not one of A, AAAA, MX, TXT, PTR, CNAME and *", type_name, strlen(type_name));
    PosternQuestion *question = parse_question(name, type);
    if (question == NULL)
        return fail(error, "not a domain name", name, strlen(name));

    skip_blanks(&rest);
    if (!parse_data(file, question, &rest, error))
        return FALSE;
    skip_blanks(&rest);
    if (rest.at < rest.end)
        return fail(error, "more text than one record has", rest.at, (gsize)(rest.end - rest.at));
    return TRUE;
}

PosternAnswersFile *postern_answers_file_parse(const char *text, gsize length, GError **error)
{
    g_return_val_if_fail(text != NULL, NULL);

    g_autoptr(PosternAnswersFile) file = g_new0(PosternAnswersFile, 1);
    g_atomic_ref_count_init(&file->references);
    file->answers =
        g_hash_table_new_full(postern_question_hash, postern_question_equal,
                              (GDestroyNotify)postern_question_free, (GDestroyNotify)postern_answer_free);
    file->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    if (length > POSTERN_ANSWERS_FILE_MAX_OCTETS) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT, "over %d octets",
                    POSTERN_ANSWERS_FILE_MAX_OCTETS);
        return NULL;
    }
    const char *end = text + length;
    for (guint number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', (gsize)(end - text));
        Rest line = {text, newline != NULL ? newline : end};
        if (!parse_line(file, line, error)) {
            g_prefix_error(error, "line %u: ", number);
            return NULL;
        }
        text = newline != NULL ? newline + 1 : end;
    }
    return g_steal_pointer(&file);
}

/* The octets of an open file, NUL-terminated. */
static char *read_all(int fd, gsize *ret_length, GError **error)
{
    g_autoptr(GByteArray) octets = g_byte_array_new();
    guint8 chunk[65536];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            postern_error_set_system(error, errno, "cannot be read");
            return NULL;
        }
        g_byte_array_append(octets, chunk, (guint)got);
        if (octets->len > POSTERN_ANSWERS_FILE_MAX_OCTETS)
            break;
    }
    *ret_length = octets->len;
    g_byte_array_append(octets, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(g_steal_pointer(&octets), FALSE);
}

PosternAnswersFile *postern_answers_file_load(const char *path, GError **error)
{
    g_return_val_if_fail(path != NULL, NULL);

    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        postern_error_set_system(error, errno, "answers file %s", path);
        return NULL;
    }
    gsize length = 0;
    g_autofree char *text = read_all(fd, &length, error);
    close(fd);
    PosternAnswersFile *file = text != NULL ? postern_answers_file_parse(text, length, error) : NULL;
    if (file == NULL)
        g_prefix_error(error, "answers file %s: ", path);
    return file;
}

PosternAnswersFile *postern_answers_file_ref(PosternAnswersFile *file)
{
    g_atomic_ref_count_inc(&file->references);
    return file;
}

void postern_answers_file_unref(PosternAnswersFile *file)
{
    if (file == NULL || !g_atomic_ref_count_dec(&file->references))
        return;
    g_hash_table_unref(file->answers);
    g_hash_table_unref(file->names);
    g_free(file);
}

static const PosternAnswer *find_answer(const PosternAnswersFile *file, char *name, PosternDnsType type)
{
    return g_hash_table_lookup(file->answers, &(PosternQuestion){.name = name, .type = type});
}

static PosternAnswer *copy_answer(const PosternAnswer *answer)
{
    PosternAnswer *copy = postern_answer_new(answer->status);
    for (guint i = 0; i < answer->records->len; i++)
        g_ptr_array_add(copy->records, g_bytes_ref(g_ptr_array_index(answer->records, i)));
    return copy;
}

PosternAnswer *postern_answers_file_answer(const PosternAnswersFile *file, const PosternQuestion *question)
{
    g_return_val_if_fail(file != NULL && question != NULL, NULL);

    g_autofree char *name = g_strdup(question->name);
    for (guint links = 0; links <= POSTERN_CNAME_CHAIN_MAX; links++) {
        const PosternAnswer *answer = find_answer(file, name, question->type);
        if (answer != NULL)
            return copy_answer(answer);
        const PosternAnswer *alias = find_answer(file, name, POSTERN_DNS_CNAME);
        if (alias == NULL || alias->status != POSTERN_ANSWER_RECORDS) {
            answer = find_answer(file, name, ANY_TYPE);
            if (answer != NULL)
                return copy_answer(answer);
            return postern_answer_new(g_hash_table_contains(file->names, name) ? POSTERN_ANSWER_NODATA
                                                                               : POSTERN_ANSWER_NXDOMAIN);
        }
        gsize length;
        const char *target = g_bytes_get_data(g_ptr_array_index(alias->records, 0), &length);
        g_free(name);
        name = g_strndup(target, length);
    }
    return postern_answer_new(POSTERN_ANSWER_SERVFAIL);
}
