#include "base/span.h"

#include <string.h>

PosternSpan postern_span_trim(PosternSpan span)
{
    while (span.length > 0 && postern_is_blank(span.text[0]))
        span = postern_span_behind(span, 1);
    while (span.length > 0 && postern_is_blank(span.text[span.length - 1]))
        span.length--;
    return span;
}

PosternSpan postern_span_behind(PosternSpan span, gsize octets)
{
    return (PosternSpan){span.text + octets, span.length - octets};
}

PosternSpan postern_span_cut(PosternSpan *rest, char separator)
{
    const char *found = rest->length > 0 ? memchr(rest->text, separator, rest->length) : NULL;
    PosternSpan part = {rest->text, found != NULL ? (gsize)(found - rest->text) : rest->length};
    *rest = postern_span_behind(*rest, part.length + (found != NULL ? 1 : 0));
    return part;
}

gboolean postern_span_equals(PosternSpan span, const char *text)
{
    return span.length == strlen(text) && memcmp(span.text, text, span.length) == 0;
}
