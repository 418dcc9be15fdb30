#include "base/error.h"

G_DEFINE_QUARK(postern - error - quark, postern_error)

gboolean postern_error_set(GError **error, PosternError code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error_literal(error, POSTERN_ERROR, (int)code, text);
    return FALSE;
}

gboolean postern_error_set_system(GError **error, int number, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM, "%s: %s", what, g_strerror(number));
    return FALSE;
}
