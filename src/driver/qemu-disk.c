/* The disks of a machine whose files are not shared by the host: block. */
#include "driver/qemu.h"

#include "base/fs.h"
#include "vm/disk.h"

#define MIB (UINT64_C(1) << 20)
/* What can be written; it takes no more of this machine's disk than is. */
#define DATA_MOST  (UINT64_C(8192) * MIB)
#define DATA_LEAST (UINT64_C(64) * MIB)

static int data_bytes(const struct live *l, uint64_t *ret, struct err *err)
{
    uint64_t room = 0;
    int r = fs_free_bytes(l->ground.dir, &room, err);
    if (r < 0)
        return r;
    room = room / 2 & ~(MIB - 1);
    *ret = room < DATA_LEAST ? DATA_LEAST : room < DATA_MOST ? room : DATA_MOST;
    return 0;
}

int guest_make_disks(struct live *l, struct err *err)
{
    struct qemu *q = l->engine->own;
    struct guest *g = l->own;
    char stage[200];
    uint64_t bytes = 0;
    if (q->options.root != VM_ROOT_BLOCK || g->root_disk[0])
        return 0; /* a machine started anew finds what was written */
    str_format(g->data_disk, sizeof(g->data_disk), "%s/data.img", l->ground.dir);
    str_format(stage, sizeof(stage), "%s/stage", l->ground.dir);
    int r = data_bytes(l, &bytes, err);
    if (r == 0)
        r = vm_disk_data(&q->guests, l->ground.data, stage, g->data_disk, bytes, err);
    if (r == 0)
        r = vm_disk_root(&q->guests, l->ground.rootfs, g->image[0] ? g->image : NULL,
                         l->program->sha256, g->root_disk, err);
    return r;
}
