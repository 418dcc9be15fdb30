/*
 * The table of our keys: any octets; a row that comes out has what it must have, and the errors name a line.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"
#include "checks/sign/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const PosternSignRow *row)
{
    g_assert_true(g_path_is_absolute(row->file));
    g_assert_nonnull(strchr(row->domain, '.'));
    g_assert_cmpuint(strlen(row->domain) + strlen(row->selector), <, POSTERN_DOMAIN_NAME_MAX_OCTETS);
    g_assert_cmpuint(strspn(row->domain, "abcdefghijklmnopqrstuvwxyz0123456789-."), ==, strlen(row->domain));
    g_assert_null(strpbrk(row->selector, " \t\r\n#;:"));
    g_assert_cmpuint(row->line, >, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_memdup2(data, MAX(size, 1));
    g_autoptr(GPtrArray) rows = postern_sign_table_parse(text, size, "table", &error);
    g_assert_true((rows == NULL) == (error != NULL));
    if (error != NULL)
        g_assert_true(g_str_has_prefix(error->message, "table"));
    for (guint i = 0; rows != NULL && i < rows->len; i++)
        check_row(g_ptr_array_index(rows, i));
    return 0;
}
