#include "checks/dkim/select.h"

#include <string.h>

#include "base/limits.h"
#include "checks/dkim/signature.h"
#include "checks/header/author.h"

#define LABELS_SHARED_MIN 2 /* of two domains that may have the same Organizational Domain */

/* How much a signature is wanted, the most first. */
typedef enum {
    SAME_DOMAIN,
    SAME_DOMAIN_PART, /* of the body alone: l= */
    NEAR_DOMAIN,
    NEAR_DOMAIN_PART,
    OTHER_DOMAIN,
    OTHER_DOMAIN_PART,
    WISHES,
} Wish;

static gboolean is_signature(const PosternHeaderField *field)
{
    return field->name_length == strlen("DKIM-Signature") &&
           g_ascii_strncasecmp(field->name, "DKIM-Signature", field->name_length) == 0;
}

/* The fields, at most POSTERN_DKIM_FIELDS_READ_MAX: of more the first and the last. */
static GPtrArray *find_fields(const PosternHeader *header)
{
    GPtrArray *fields = g_ptr_array_new();
    for (guint i = 0; i < header->fields->len; i++) {
        PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        if (is_signature(field))
            g_ptr_array_add(fields, field);
    }
    if (fields->len > POSTERN_DKIM_FIELDS_READ_MAX)
        g_ptr_array_remove_range(fields, POSTERN_DKIM_FIELDS_READ_MAX / 2,
                                 fields->len - POSTERN_DKIM_FIELDS_READ_MAX);
    return fields;
}

static guint labels_shared(const char *a, const char *b)
{
    gsize length = strlen(a), other_length = strlen(b);
    guint shared = 0;
    for (gsize i = 1;; i++) {
        gboolean a_ends = i > length || a[length - i] == '.';
        gboolean b_ends = i > other_length || b[other_length - i] == '.';
        if (a_ends != b_ends)
            return shared;
        shared += a_ends ? 1 : 0;
        if (i > length || i > other_length)
            return shared;
        if (g_ascii_tolower(a[length - i]) != g_ascii_tolower(b[other_length - i]))
            return shared;
    }
}

static Wish wish_of(const PosternDkimFinding *finding, const GPtrArray *authors)
{
    Wish wish = OTHER_DOMAIN;
    for (guint i = 0; i < authors->len; i++) {
        const char *author = g_ptr_array_index(authors, i);
        if (g_ascii_strcasecmp(author, finding->domain) == 0)
            wish = SAME_DOMAIN;
        else if (labels_shared(author, finding->domain) >= LABELS_SHARED_MIN)
            wish = MIN(wish, NEAR_DOMAIN);
    }
    return finding->body_covered >= 0 ? wish + 1 : wish;
}

/* Those of list to be evaluated, the last and the first in turn, as long as there is room; the rest are not.
 */
static void choose(const GPtrArray *list, guint *room)
{
    guint first = 0, left = list->len;
    for (; left > 0 && *room > 0; left--, --*room)
        first += (list->len - left) % 2;
    for (guint i = first; i < first + left; i++)
        postern_dkim_signature_decide(g_ptr_array_index(list, i), POSTERN_DKIM_SKIPPED,
                                      "the message has more signatures than are evaluated");
}

static void choose_all(const GPtrArray *signatures, const PosternHeader *header)
{
    g_autofree char *problem = NULL;
    g_autoptr(GPtrArray) authors = postern_author_domains(header, &problem);
    guint room = POSTERN_DKIM_SIGNATURES_MAX;
    for (Wish wish = 0; wish < WISHES; wish++) {
        g_autoptr(GPtrArray) list = g_ptr_array_new();
        for (guint i = 0; i < signatures->len; i++) {
            PosternDkimSignature *signature = g_ptr_array_index(signatures, i);
            if (!signature->decided && wish_of(signature->finding, authors) == wish)
                g_ptr_array_add(list, signature);
        }
        choose(list, &room);
    }
}

/* What is decided goes first, the last of it, if there are more than are reported. */
static void drop_surplus(GPtrArray *signatures)
{
    for (guint i = signatures->len; i > 0 && signatures->len > POSTERN_DKIM_SIGNATURES_REPORTED_MAX; i--) {
        const PosternDkimSignature *signature = g_ptr_array_index(signatures, i - 1);
        if (signature->decided)
            g_ptr_array_remove_index(signatures, i - 1);
    }
}

GPtrArray *postern_dkim_select(const PosternHeader *header)
{
    GPtrArray *signatures = g_ptr_array_new_with_free_func((GDestroyNotify)postern_dkim_signature_free);
    g_autoptr(GPtrArray) fields = find_fields(header);
    for (guint i = 0; i < fields->len; i++)
        g_ptr_array_add(signatures, postern_dkim_signature_new(g_ptr_array_index(fields, i)));
    choose_all(signatures, header);
    drop_surplus(signatures);
    return signatures;
}
