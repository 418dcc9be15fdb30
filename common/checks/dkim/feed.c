#include "checks/dkim/feed.h"

#include <string.h>

/* The library takes what it only reads as u_char *. */
static u_char *readable(const char *octets)
{
    return (u_char *)(guintptr)octets;
}

DKIM_STAT postern_dkim_feed_field(DKIM *dkim, const PosternHeaderField *field)
{
    gsize length = (gsize)(field->value - field->name) + field->value_length;
    return dkim_header(dkim, readable(field->name), length);
}

DKIM_STAT postern_dkim_feed_body(DKIM *dkim, const char *body, gsize length)
{
    DKIM_STAT status = DKIM_STAT_OK;
    const char *end = "\r\n";
    if (length == 0)
        return status;
    status = dkim_body(dkim, readable(body), length);
    if (status != DKIM_STAT_OK || body[length - 1] == '\n')
        return status;
    if (body[length - 1] == '\r')
        end++;
    return dkim_body(dkim, readable(end), strlen(end));
}
