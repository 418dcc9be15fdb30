#include "checks/check.h"

#include <string.h>

#include "base/error.h"
#include "checks/virus/sample.h"

gboolean postern_virus_engine_self_test(PosternVirusEngine *engine, const char *temporary_directory,
                                        GError **error)
{
    g_autofree char *eicar = postern_virus_sample_eicar();
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("eicar.com", eicar, strlen(eicar));
    g_autofree char *message = postern_virus_sample_message("eicar.zip", zip->data, zip->len);
    g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
    postern_check_virus(engine, message, strlen(message), temporary_directory, &finding);
    gboolean found = finding.result == POSTERN_VIRUS_INFECTED;
    if (!found)
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                    "the scanner finds the EICAR test in a zip in a message %s (%s) and would miss viruses",
                    postern_virus_result_name(finding.result),
                    finding.reason != NULL ? finding.reason : "no reason");
    return found;
}
