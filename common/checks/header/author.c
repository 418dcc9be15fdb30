#include "checks/header/author.h"

#include <string.h>

#include "base/limits.h"
#include "checks/spf/domain.h"
#include "dns/question.h"
#include "wire/mailbox.h"

static void set_problem(char **problem, const char *text)
{
    if (*problem == NULL)
        *problem = g_strdup(text);
}

static gboolean is_listed(const GPtrArray *domains, const char *domain)
{
    for (guint i = 0; i < domains->len; i++)
        if (strcmp(g_ptr_array_index(domains, i), domain) == 0)
            return TRUE;
    return FALSE;
}

/* A name that the DNS can have, and that looks like one after its conversion too. */
static gboolean is_name(const char *domain)
{
    g_autoptr(PosternQuestion) question = postern_question_new(domain, POSTERN_DNS_TXT);

    for (const char *at = domain; *at != '\0'; at++)
        if (!g_ascii_isalnum(*at) && strchr("-_.", *at) == NULL)
            return FALSE;
    return question != NULL;
}

static void add_domain(GPtrArray *domains, const char *domain, char **problem)
{
    if (domain[0] == '[') {
        set_problem(problem, "From names an address literal, which has no domain");
        return;
    }
    g_autofree char *ascii = postern_spf_domain_to_ascii(domain);

    if (ascii == NULL || !is_name(ascii))
        set_problem(problem, "From names a domain that the DNS cannot have");
    else if (!is_listed(domains, ascii))
        g_ptr_array_add(domains, g_steal_pointer(&ascii));
}

static void add_field(GPtrArray *domains, const PosternHeaderField *field, char **problem)
{
    g_autoptr(PosternMailboxList) list = postern_mailbox_list_parse(field->value, field->value_length);

    if (list->problem != NULL && *problem == NULL)
        *problem = g_strdup_printf("From is malformed: %s", list->problem);
    for (guint i = 0; i < list->domains->len; i++)
        add_domain(domains, g_ptr_array_index(list->domains, i), problem);
}

GPtrArray *postern_author_domains(const PosternHeader *header, char **ret_problem)
{
    GPtrArray *domains = g_ptr_array_new_with_free_func(g_free);
    const PosternHeaderField *field = postern_header_find(header, "From", 0);

    *ret_problem = NULL;
    if (postern_header_hides(header, "From"))
        set_problem(ret_problem, "some readers see another From field");
    else if (field == NULL)
        set_problem(ret_problem, "there is no From field");
    else if (postern_header_find(header, "From", 1) != NULL)
        set_problem(ret_problem, "there is more than one From field");
    else if (field->length > POSTERN_HEADER_SHOWN_FIELD_MAX_OCTETS)
        set_problem(ret_problem, "From is too long: some mail servers cut it off");
    else if (header->too_many)
        set_problem(ret_problem, "the header is too large: there may be more than one From field");
    for (guint i = 0; field != NULL && i < POSTERN_MAILBOX_DOMAINS_MAX;
         field = postern_header_find(header, "From", ++i))
        add_field(domains, field, ret_problem);
    if (domains->len > 1)
        set_problem(ret_problem, "From names several domains");
    return domains;
}
