# Shared by quickstart and runtests: which system this is, which packages are missing, installing them.
# Sourced by bash. Nothing is installed that would remove or replace a package of the user's, start a
# service or touch a boot directory.

# say: chatter; die: one clear line, exit status 2.
say() { printf '%s\n' "$*"; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 2
}

need_root() {
    [ "$(id -u)" -eq 0 ] || die "needs root: run it as root (su -c, sudo, or a root shell)"
}

# Debian 12 and later, Ubuntu 22.04 and later.
need_supported_system() {
    local id version
    # shellcheck disable=SC1091
    id=$(. /etc/os-release 2>/dev/null && printf '%s' "${ID:-}")
    # shellcheck disable=SC1091
    version=$(. /etc/os-release 2>/dev/null && printf '%s' "${VERSION_ID:-99}")
    case $id in
    debian) [ "${version%%.*}" -ge 12 ] || die "Debian $version is not supported; Debian 12 or later is" ;;
    ubuntu) [ "${version%%.*}" -ge 22 ] || die "Ubuntu $version is not supported; 22.04 or later is" ;;
    *) die "this system (${id:-unknown}) is not supported; Debian 12 or Ubuntu 22.04 and later are" ;;
    esac
    command -v apt-get >/dev/null || die "apt-get is not here; is this a Debian system?"
}

# have_package NAME: is it installed?
have_package() {
    [ "$(dpkg-query -W -f='${Status}' "$1" 2>/dev/null)" = "install ok installed" ]
}

# missing_packages NAME...: those of them that are not installed, one a line.
missing_packages() {
    local p
    for p in "$@"; do
        have_package "$p" || printf '%s\n' "$p"
    done
}

# would_remove NAME...: packages that installing these would remove, one a line.
would_remove() {
    LC_ALL=C apt-get -s -o Debug::NoLocking=true install --no-install-recommends "$@" 2>/dev/null |
        awk '$1 == "Remv" {print $2}'
}

# refresh_lists: apt's package lists, once per script run and only when something is to be installed.
lists_fresh=no
refresh_lists() {
    [ "$lists_fresh" = yes ] && return
    apt-get -qq update >/dev/null 2>&1 ||
        die "apt-get update failed: is there a network, and does /etc/apt/sources.list fit it?"
    lists_fresh=yes
}

# install_packages NAME...: installs those that are missing, all or none.
install_packages() {
    local missing removed
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    refresh_lists
    local p
    for p in "${missing[@]}"; do
        [ -n "$(apt-cache policy "$p" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)"')" ] ||
            die "package $p is not to be had here; nothing was installed"
    done
    removed=$(would_remove "${missing[@]}" | tr '\n' ' ')
    [ -z "$removed" ] || die "installing ${missing[*]} would remove ${removed% }; nothing was installed"
    say "installing: ${missing[*]}"
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends --no-remove \
        "${missing[@]}" </dev/null >"${PACKAGES_LOG:-/dev/null}" 2>&1 ||
        die "apt-get could not install ${missing[*]}${PACKAGES_LOG:+; see $PACKAGES_LOG}"
}

# install_if_harmless NAME PROGRAM: a runtime. Left out, with a word, when the program is there
# already, not packaged here, or when installing it would remove something (Docker's containerd.io
# conflicts with Debian's runc: a working engine has to survive).
install_if_harmless() {
    local removed
    command -v "$2" >/dev/null && return 0
    have_package "$1" && return 0
    refresh_lists
    if [ -z "$(apt-cache policy "$1" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)"')" ]; then
        say "$1 is not packaged here: left out"
        return 0
    fi
    removed=$(would_remove "$1" | tr '\n' ' ')
    if [ -n "$removed" ]; then
        say "$1 left out: installing it would remove ${removed% }"
        return 0
    fi
    install_packages "$1"
}

# unpack_packages DIR NAME...: fetches packages without installing them and unpacks them below DIR
# (usr/bin, usr/sbin, usr/lib/...): engines whose packages start services. What is there already, in
# the version that apt offers, is kept. Fails with a word when a package is not to be had.
unpack_packages() {
    local dir=$1 p version
    shift
    mkdir -p "$dir/packages" || return 1
    refresh_lists
    for p in "$@"; do
        version=$(apt-cache policy "$p" 2>/dev/null | awk '/Candidate:/ {print $2}')
        if [ -z "$version" ] || [ "$version" = "(none)" ]; then
            say "$p is not packaged here"
            return 1
        fi
        [ ! -e "$dir/packages/$p=$version" ] || continue
        (cd "$dir/packages" && apt-get -qq download "$p" >/dev/null 2>&1 &&
            dpkg-deb -x "$p"_*.deb "$dir" && rm -f "$p"_*.deb && : >"$p=$version") || {
            say "$p could not be fetched and unpacked"
            return 1
        }
    done
}

# Any of libcurl's three will do, and they exclude one another: the one that is there stays.
CURL_PACKAGE=libcurl4-openssl-dev
for p in libcurl4-gnutls-dev libcurl4-nss-dev; do
    have_package "$p" && CURL_PACKAGE=$p
done

# What a build needs, and what is measured.
BUILD_PACKAGES=(gcc libc6-dev meson ninja-build pkg-config libjansson-dev libsqlite3-dev libgsl-dev
    r-mathlib libyaml-dev libmd-dev libseccomp-dev libbpf-dev libtracefs-dev libtraceevent-dev
    libnl-3-dev libnl-route-3-dev libarchive-dev libelf-dev
    libopenblas-pthread-dev libjs-chart.js "$CURL_PACKAGE")
# package:program
RUNTIMES=(runc:runc crun:crun runsc:runsc bubblewrap:bwrap)
