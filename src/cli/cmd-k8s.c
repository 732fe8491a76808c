/* cupel k8s: what of measuring in a cluster people do by themselves. */
#include "cli/commands.h"
#include "cli/k8s.h"

#include "cli/cmd-run.h"
#include "cli/run-on.h"

#include <errno.h>

/* What comes after the verb is as for cupel run. */
static int k8s_manifest(struct cli *cli, const struct options *o, struct err *err)
{
    struct options rest = *o;

    rest.operands.v++;
    rest.operands.n--;
    return run_on_manifest(&rest, err);
}

/* Adding one: its function in k8s.h, its line here, its words in the description. */
static const struct {
    const char *name;
    int (*run)(struct cli *cli, const struct options *o, struct err *err);
} verbs[] = {{"manifest", k8s_manifest}, {"image", k8s_image}};

static int k8s_run(struct cli *cli, const struct options *o, struct err *err)
{
    const char *names[ARRAY_SIZE(verbs)], *verb = o->operands.v[0];

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        names[i] = verbs[i].name;
        if (str_eq(verb, verbs[i].name))
            return verbs[i].run(cli, o, err);
    }
    const char *near = str_nearest(verb, names, ARRAY_SIZE(names));
    return err_set(err, ERR_USAGE, EINVAL, "k8s: no \"%.40s\"; %s%s%s", verb,
                   near ? "did you mean " : "there is ", near ? near : names[0], near ? "?" : "");
}

static const struct example k8s_examples[] = {
    {"cupel k8s manifest --on k8s:selector=pool=a,image=registry/cupel --suite quick",
     "a Job for each node of a pool, to be applied by somebody else"},
    {"cupel k8s image --k8s-image registry/cupel:1 > cupel.tar", "the image, under that name"},
};

const struct command cmd_k8s = {
    .name = "k8s",
    .summary = "the manifest and the image for runs in a Kubernetes cluster",
    .description =
        "manifest prints what cupel run --on k8s:... with the same options would create, and how "
        "to bring the runs back: a ConfigMap with the plan, and a Job for each node. Nothing is "
        "created. image writes the image that pods run, with this very cupel in it, as an OCI "
        "archive "
        "to standard output: for `ctr --namespace k8s.io images import` on a node, or for a "
        "registry.",
    .operands = "manifest|image",
    .min_operands = 1,
    .max_operands = 64,
    .like = &cmd_run,
    .examples = k8s_examples,
    .n_examples = ARRAY_SIZE(k8s_examples),
    .run = k8s_run,
};
