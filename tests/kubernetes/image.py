"""OCI archives of static programs, without a registry and without an engine.

    image.make("/tmp/echo.tar", "cupel.test/echo:1", {"/echo": "build/echo"}, ["/echo"])
"""
import hashlib
import io
import json
import os
import subprocess
import tarfile

# What holds a pod's namespaces: it waits, reaps what is left to it, and ends when it is told to.
PAUSE = r"""
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int number) { _exit(number == SIGTERM ? 0 : 1); }
static void reap(int number)
{
    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
}

int main(void)
{
    struct sigaction child = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};

    signal(SIGTERM, end);
    signal(SIGINT, end);
    sigaction(SIGCHLD, &child, NULL);
    for (;;)
        pause();
}
"""


def compile_static(path, source):
    subprocess.run(["gcc", "-static", "-O2", "-Wall", "-Werror", "-x", "c", "-o", path, "-"], input=source, text=True, check=True,
                   capture_output=True)
    return path


def layer(files):
    """A tar of {path in the image: path here}, owned by root."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in sorted({"tmp"} | {os.path.dirname(path).strip("/") for path in files} - {""}):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for path, source in files.items():
            entry = tar.gettarinfo(source, path.lstrip("/"))
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            with open(source, "rb") as f:
                tar.addfile(entry, f)
    return out.getvalue()


def make(archive, name, files, argv):
    blobs = {}

    def blob(kind, data):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return dict(mediaType="application/vnd.oci.image." + kind, digest="sha256:" + digest, size=len(data))

    content = blob("layer.v1.tar", layer(files))
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    config = blob("config.v1+json", dict(architecture=architecture, os="linux", config=dict(Entrypoint=argv),
                                         rootfs=dict(type="layers", diff_ids=[content["digest"]])))
    manifest = blob("manifest.v1+json", dict(schemaVersion=2, mediaType="application/vnd.oci.image.manifest.v1+json", config=config,
                                             layers=[content]))
    manifest["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rsplit(":", 1)[-1]}
    with tarfile.open(archive, "w") as tar:
        for path, data in [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
                           ("index.json", json.dumps(dict(schemaVersion=2, manifests=[manifest])).encode()),
                           *(("blobs/sha256/" + digest, data) for digest, data in blobs.items())]:
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
