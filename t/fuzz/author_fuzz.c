/*
 * Hostile From fields: what is taken for well-formed names one domain that can be asked for, and none
 * of the octets that a careless reader cuts it at.
 */
#include "checks/header/author.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "wire/encoded_word.h"
#include "wire/mailbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(gboolean condition)
{
    if (!condition)
        abort();
}

static void check_list(const char *value, gsize length)
{
    g_autoptr(PosternMailboxList) list = postern_mailbox_list_parse(value, length);

    require(list->domains->len <= POSTERN_MAILBOX_DOMAINS_MAX);
    require(list->problem != NULL || list->no_author || (list->mailboxes > 0 && list->domains->len > 0));
    require(!list->no_author || (list->mailboxes == 0 && list->domains->len == 0));
    for (guint i = 0; i < list->domains->len; i++) {
        const char *domain = g_ptr_array_index(list->domains, i);

        require(*domain != '\0' && g_utf8_validate(domain, -1, NULL));
        require(*domain == '[' || strpbrk(domain, " \t\r\n()<>[]@,;:\\\"") == NULL);
    }
    if (list->problem != NULL)
        return;
    require(memchr(value, '\0', length) == NULL);
    require((memchr(value, '@', length) != NULL) != list->no_author);
    if (list->mailboxes == 1 && memchr(value, '(', length) == NULL && memchr(value, '"', length) == NULL)
        require(memchr(value, '<', length) == NULL || memchr(value, '>', length) != NULL);
}

static void check_word(const char *value, gsize length)
{
    g_autoptr(GString) decoded = g_string_new(NULL);
    gsize octets = postern_encoded_word_length(value, length);
    gsize careless = postern_encoded_word_careless_length(value, length);

    require(octets <= length && careless <= length && (octets == 0 || octets == careless));
    octets = careless;
    if (octets == 0)
        return;
    postern_encoded_word_decode(decoded, value, octets);
    require(decoded->len <= octets);
}

static void check_header(const char *octets, gsize length)
{
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    g_autofree char *problem = NULL;
    g_autoptr(GPtrArray) domains = postern_author_domains(header, &problem);

    require(problem != NULL || domains->len <= 1);
    if (problem == NULL && domains->len == 0) { /* RFC 6854: it says that there is no author */
        const PosternHeaderField *from = postern_header_find(header, "From", 0);

        require(memchr(from->value, '@', from->value_length) == NULL);
        require(memchr(from->value, ';', from->value_length) != NULL);
    }
    for (guint i = 0; i < domains->len; i++) {
        const char *domain = g_ptr_array_index(domains, i);

        require(strlen(domain) <= POSTERN_DOMAIN_NAME_MAX_OCTETS);
        for (; *domain != '\0'; domain++)
            require(g_ascii_islower(*domain) || g_ascii_isdigit(*domain) || strchr("-_.", *domain) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Blocks of exactly their size: a sanitizer sees any octet read past it. */
    g_autofree char *value = g_memdup2(size > 0 ? (gconstpointer)data : "", MAX(size, 1));
    g_autoptr(GString) field = g_string_new("From: ");

    check_list(value, size);
    check_word(value, size);
    g_string_append_len(field, (const char *)value, (gssize)size);
    g_autofree char *octets = g_memdup2(field->str, field->len);

    check_header(octets, field->len);
    return 0;
}
