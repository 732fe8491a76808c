/* cupel k8s image: what pods run, as an archive on standard output. */
#include "cli/k8s.h"

#include "base/fd.h"
#include "driver/k8s-image-name.h"
#include "fleet/oci-image.h"

#include <errno.h>
#include <limits.h>

static int make(struct loop *l, const char *name, struct err *err)
{
    _cleanup_free_ char *workloads = cli_data_dir("workloads", "CUPEL_WORKLOADS");
    _cleanup_free_ char *claims = cli_data_dir("claims", "CUPEL_CLAIMS");
    char self[PATH_MAX];
    struct programs programs;
    struct bundle b;
    int r = cli_programs(&programs, err);

    if (r == 0)
        r = cli_self(self, sizeof(self), err);
    if (r < 0)
        return r;
    struct bundle_parts parts = {
        .cupel = self, .workloads = workloads, .claims = claims, .plan = ""};
    for (size_t i = 0, n = 0; i < PROGRAM_COUNT; i++)
        if (programs.path[i][0])
            parts.programs[n++] = programs.path[i];
    r = bundle_make(l, &parts, &b, err);
    if (r < 0)
        return r;
    r = oci_image_write(&b, name, STDOUT_FILENO, err);
    bundle_release(&b);
    return r;
}

int k8s_image(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_free_ char *name = NULL;
    struct loop *l = NULL;

    if (o->operands.n > 1)
        return err_set(err, ERR_USAGE, EINVAL, "k8s image takes no \"%.40s\"", o->operands.v[1]);
    if (isatty(STDOUT_FILENO))
        return err_set(err, ERR_USAGE, EINVAL,
                       "an archive goes to a file or a pipe: cupel k8s image > cupel.tar");
    int r = oci_image_full_name(options_text(o, "k8s-image", K8S_DEFAULT_IMAGE), &name, err);
    if (r == 0)
        r = loop_new(&l, err);
    if (r == 0)
        r = make(l, name, err);
    loop_free(l);
    return r;
}
