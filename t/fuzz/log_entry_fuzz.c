#include "base/log_entry.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was taken apart can be written as JSON, and what that says is the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(PosternLogEntry) entry = postern_log_entry_parse((const char *)data, size, 2026, 12);
    if (entry == NULL)
        return 0;
    g_assert_true((entry->text == NULL) != (entry->fields == NULL) || entry->fields != NULL);
    g_autoptr(GString) json = g_string_new("{\"program\":\"postern-proxy\"");
    postern_log_json_append(json, entry->fields, entry->text, 100000);
    g_string_append_c(json, '}');
    g_assert_true(g_utf8_validate(json->str, (gssize)json->len, NULL));
    g_assert_null(strchr(json->str, '\n'));
    return 0;
}
