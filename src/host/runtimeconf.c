#include "host/runtimeconf.h"

#include "base/fd.h"
#include "base/fs.h"

#include <jansson.h>

#define FILE_MAX (64u << 10)

static const struct {
    const char *path;
    bool json;
} files[] = {
    {"/etc/docker/daemon.json", true},
    {"/etc/containerd/config.toml", false},
    {"/etc/kata-containers/configuration.toml", false},
    {"/usr/share/defaults/kata-containers/configuration.toml", false},
    {"/opt/kata/share/defaults/kata-containers/configuration.toml", false},
    {"/etc/containers/containers.conf", false},
    {"/etc/crio/crio.conf", false},
};

char *runtimeconf_add(char *text)
{
    json_t *o = json_loads(text, 0, NULL), *all = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        _cleanup_(str_release) struct str content = STR_INIT, kept = STR_INIT;
        char hex[FS_SHA256_HEX];
        if (file_read(files[i].path, FILE_MAX, &content, NULL) < 0)
            continue;
        unsigned left_out = runtimeconf_keep(content.buf, content.len, files[i].json, &kept);
        fs_sha256_bytes(kept.buf, kept.len, hex);
        json_object_set_new(all, files[i].path,
                            json_pack("{s:s, s:s, s:i}", "text", kept.buf, "sha256", hex,
                                      "left_out", (int)left_out));
    }
    char *longer = NULL;
    if (json_is_object(o) && json_object_size(all) > 0) {
        json_object_set(o, "runtime_configuration", all);
        longer = json_dumps(o, JSON_COMPACT);
    }
    json_decref(all);
    json_decref(o);
    if (!longer)
        return text;
    free(text);
    return longer;
}
