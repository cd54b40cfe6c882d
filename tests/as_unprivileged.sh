#!/bin/sh
# Run a command as a user without privileges, in a copy of this checkout that the user owns.
#
# As the platform does, and as some agents demand (Claude Code refuses a mode to root).  The copy,
# because root's checkout and root's Python are often not to be reached by others.
set -eu

unprivileged_id=65534  # nobody, on every Linux
as_nobody() {
    setpriv --reuid=$unprivileged_id --regid=$unprivileged_id --clear-groups "$@"
}

# A Python 3.11 or later that this user can run and that can make virtual environments.
find_python() {
    for candidate in ${PYTHON:-} python3 /usr/bin/python3 /usr/local/bin/python3 \
        python3.13 python3.12 python3.11; do
        path=$(command -v "$candidate") || continue
        if as_nobody "$path" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null; then
            echo "$path"
            return
        fi
    done
    echo "No Python >= 3.11 with venv that an unprivileged user can run (Debian: apt-get install" \
        "python3-venv)." >&2
    return 1
}

python=$(find_python)
# The home lies beside the copy: what is cached there is not part of what is tested.
folder=$(mktemp -d /var/tmp/dbx-agents-test.XXXXXX)
copy=$folder/source home=$folder/home checkout=$PWD
# What tests leave goes with it, unless TMPDIR says where that is to stay.  pytest would keep three
# runs, 4 GB each, and at the end of each remove the oldest, of which nothing is cached any more.
# Not below the folder: the names of sockets must be short.
temporary=""
[ -n "${TMPDIR:-}" ] || temporary=$(mktemp -d /tmp/dbx.XXXXXX)
# What tests have drawn for people to look at stays where people look.
finish() {
    if [ -d "$copy/build/screenshots" ]; then
        mkdir -p "$checkout/build" && cp -RP "$copy/build/screenshots" "$checkout/build/" || true
    fi
    rm -rf "$folder" ${temporary:+"$temporary"}
}
trap finish EXIT
mkdir "$copy" "$home"
git ls-files -z | tar --null --files-from=- --create --ignore-failed-read | tar --extract --directory="$copy"
chown -R $unprivileged_id:$unprivileged_id "$folder" ${temporary:+"$temporary"}
chmod 755 "$folder" "$copy"
cd "$copy"
as_nobody env HOME="$home" USER=nobody LOGNAME=nobody SHELL=/bin/bash PYTHON="$python" \
    XDG_CACHE_HOME="$home/.cache" TMPDIR="${TMPDIR:-$temporary}" "$@"
