#include "inspector_client/header_prefetch.h"

#include <string.h>

#include "base/limits.h"
#include "mail/header.h"
#include "wire/tag_list.h"

#define SIGNATURES_MAX 4

typedef struct {
    const PosternAnswers *answers;
    GPtrArray *questions;
    gboolean all;
} Guess;

/* TRUE if text has only what names of servers have. */
static gboolean is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if (!g_ascii_isalnum(*text) && *text != '-' && *text != '_' && *text != '.')
            return FALSE;
    return TRUE;
}

static gboolean is_domain(const char *text)
{
    return text != NULL && is_plain(text) && strchr(text, '.') != NULL;
}

static void add(Guess *guess, const char *label, const char *domain)
{
    g_autofree char *name = g_strconcat(label, domain, NULL);
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_TXT);
    guess->all = guess->all && question != NULL;
    if (question != NULL && postern_answers_get(guess->answers, question) == NULL)
        g_ptr_array_add(guess->questions, g_steal_pointer(&question));
}

static void add_key(Guess *guess, const PosternHeaderField *field)
{
    const char *problem = NULL;
    g_autoptr(PosternTagList) tags = field->value_length <= POSTERN_DKIM_FIELD_MAX_OCTETS
                                         ? postern_tag_list_parse(field->value, field->value_length, &problem)
                                         : NULL;
    const char *domain = tags != NULL ? postern_tag_list_get(tags, "d") : NULL;
    const char *selector = tags != NULL ? postern_tag_list_get(tags, "s") : NULL;
    if (!is_domain(domain) || selector == NULL || !is_plain(selector)) {
        guess->all = FALSE;
        return;
    }
    g_autofree char *label = g_strconcat(selector, "._domainkey.", NULL);
    add(guess, label, domain);
}

/* From the last '@' of From to what cannot be in a domain. */
static void add_policies(Guess *guess, const PosternHeaderField *from)
{
    const char *at = memrchr(from->value, '@', from->value_length);
    const char *end = from->value + from->value_length;
    const char *stop = at != NULL ? at + 1 : end;
    while (stop < end && strchr("> \t\r\n,(;", *stop) == NULL)
        stop++;
    g_autofree char *domain = at != NULL ? g_strndup(at + 1, (gsize)(stop - at - 1)) : NULL;
    guint names = 0;
    if (!is_domain(domain)) {
        guess->all = FALSE;
        return;
    }
    for (const char *name = domain; name != NULL && names < POSTERN_DMARC_WALK_QUERIES_MAX; names++) {
        add(guess, "_dmarc.", name);
        name = strchr(name, '.');
        name = name != NULL ? name + 1 : NULL;
    }
    guess->all = guess->all && names < POSTERN_DMARC_WALK_QUERIES_MAX;
}

static void guess_all(Guess *guess, const PosternHeader *header, PosternChecks checks)
{
    guint signatures = 0, authors = 0;
    for (guint i = 0; i < header->fields->len && guess->all; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        if ((checks & POSTERN_CHECK_DKIM) != 0 && postern_header_field_is(field, "DKIM-Signature")) {
            add_key(guess, field);
            guess->all = guess->all && ++signatures <= SIGNATURES_MAX;
        } else if ((checks & POSTERN_CHECK_DMARC) != 0 && postern_header_field_is(field, "From")) {
            add_policies(guess, field);
            guess->all = guess->all && ++authors == 1;
        } else if ((checks & POSTERN_CHECK_ARC) != 0 && postern_header_field_is(field, "ARC-Seal")) {
            guess->all = FALSE;
        }
    }
    guess->all = guess->all && ((checks & POSTERN_CHECK_DMARC) == 0 || authors == 1);
}

GPtrArray *postern_header_prefetch_questions(PosternMessage *message, PosternChecks checks,
                                             const PosternAnswers *answers, gboolean *ret_all)
{
    gsize length = 0;
    const char *octets = postern_message_octets(message, &length, NULL);
    Guess guess = {answers, g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free),
                   octets != NULL};
    if (octets != NULL) {
        g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
        guess.all = header->ambiguity == POSTERN_HEADER_CLEAR && !header->too_many;
        guess_all(&guess, header, checks);
    }
    if (!guess.all)
        g_ptr_array_set_size(guess.questions, 0);
    *ret_all = guess.all;
    return guess.questions;
}
