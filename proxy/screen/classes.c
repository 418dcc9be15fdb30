#include "proxy/screen/classes.h"

#include <string.h>

#include "base/option.h"
#include "verdict/policy.h"

typedef struct {
    PosternClass class;
    GArray *networks; /* of PosternNetwork */
} Described;

struct PosternClasses {
    PosternClass all;
    GArray *described; /* of Described, by name */
};

static void described_clear(gpointer data)
{
    g_array_unref(((Described *)data)->networks);
    g_free(((Described *)data)->class.bucket);
    g_free(((Described *)data)->class.done);
}

static PosternClass class_of(const char *name, const PosternClassOptions *options, gconstpointer user_data)
{
    return (PosternClass){.name = name,
                          .options = options,
                          .bucket = g_new0(PosternBucket, 1),
                          .done = g_new0(PosternSharedRate, POSTERN_COUNTS),
                          .user_data = user_data};
}

PosternClasses *postern_classes_new(const PosternConfiguration *configuration, gconstpointer user_data)
{
    PosternClasses *classes = g_new0(PosternClasses, 1);
    g_autoptr(GPtrArray) names = postern_configuration_names(configuration, "class");
    classes->all = class_of("", &configuration->class, user_data);
    classes->described = g_array_new(FALSE, FALSE, sizeof(Described));
    g_array_set_clear_func(classes->described, described_clear);
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        const PosternClassOptions *options = g_hash_table_lookup(configuration->classes, name);
        const Described described = {class_of(name, options, user_data),
                                     g_array_new(FALSE, FALSE, sizeof(PosternNetwork))};
        postern_networks_add(described.networks, options->networks);
        g_array_append_val(classes->described, described);
    }
    return classes;
}

void postern_classes_free(PosternClasses *classes)
{
    if (classes == NULL)
        return;
    g_array_unref(classes->described);
    g_free(classes->all.bucket);
    g_free(classes->all.done);
    g_free(classes);
}

/* -1: in none. */
static int longest(const GArray *networks, const PosternAddress *client)
{
    int bits = -1;
    for (guint i = 0; i < networks->len; i++) {
        const PosternNetwork *network = &g_array_index(networks, PosternNetwork, i);
        if ((int)network->bits > bits && postern_address_in_network(client, &network->address, network->bits))
            bits = (int)network->bits;
    }
    return bits;
}

static gboolean is_in_domain(const char *name, char *const *domains)
{
    gsize length = strlen(name);
    for (; *domains != NULL; domains++) {
        gsize tail = strlen(*domains);
        if (length >= tail && g_ascii_strcasecmp(name + length - tail, *domains) == 0 &&
            (length == tail || name[length - tail - 1] == '.'))
            return TRUE;
    }
    return FALSE;
}

gboolean postern_classes_have_names(const PosternClasses *classes)
{
    for (guint i = 0; i < classes->described->len; i++)
        if (g_array_index(classes->described, Described, i).class.options->names[0] != NULL)
            return TRUE;
    return FALSE;
}

const PosternClass *postern_classes_find(const PosternClasses *classes, const PosternAddress *client,
                                         const char *name)
{
    const PosternClass *found = NULL, *named = NULL;
    int bits = -1;
    for (guint i = 0; i < classes->described->len; i++) {
        const Described *described = &g_array_index(classes->described, Described, i);
        int of_this = longest(described->networks, client);
        if (of_this > bits) {
            bits = of_this;
            found = &described->class;
        }
        if (named == NULL && name != NULL && is_in_domain(name, described->class.options->names))
            named = &described->class;
    }
    if (found == NULL)
        found = named;
    return found != NULL ? found : &classes->all;
}
