#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# The main job on a real Debian image, on overlay and on plain directories: import, create a layer,
# mount it, work in it, show and export what changed, seal it, build on it, remove everything.
# Stops at the first step that fails. isolated.sh gives it a TMPDIR, and cleans up whatever happens.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "${1-}" = --inside ] || exec Tests/scripts/isolated.sh "$0" --inside

export PATH=$PWD/.build/static/release:$PATH
export LC_ALL=C.UTF-8
work=$TMPDIR/demo
mkdir "$work"

fail() { printf '\ndemo: FAILED: %s\n' "$*" >&2; exit 1; }

# Runs a command and shows it with the first lines of what it printed, which stays in $result.
run() {
    local lines=8 status=0 word
    printf '\n$'
    for word; do
        [[ $word =~ ^[A-Za-z0-9_./:=-]+$ ]] || word=${word@Q}
        printf ' %s' "$word"
    done
    echo
    result=$("$@") || status=$?
    [ -z "$result" ] || sed -n "1,${lines}p" <<<"$result" | cut -c 1-120
    [ "$(wc -l <<<"$result")" -le "$lines" ] || echo "… $(wc -l <<<"$result") lines in all"
    [ "$status" = 0 ] || fail "$* (exit status $status)"
}
# A program of the container, which gets nothing of this environment.
in_tree() { run Tests/scripts/listed-env.sh "tree=$1" "${@:2}"; }
expect_line() { grep -qxF -- "$1" <<<"$result" || fail "no line \"$1\" above"; }
expect_nothing() { [ -z "$result" ] || fail "output where none was expected"; }

# Everything of a tree that a diff carries, one line a fact. The size of a directory belongs to the
# file system, and so does its link count.
listing() {
    (
        cd "$1"
        find . -type d -printf '%P %y %m %U:%G %T@\n' -o -printf '%P %y %m %U:%G %T@ %n %l\n' | sort
        find . \( -type b -o -type c \) -exec stat -c '%n %t:%T' {} + | sort
        find . -type f -print0 | sort -z | xargs -0 sha256sum
        find . -print0 | sort -z | xargs -0 getfattr -hd -m - -e hex --
    )
}

# What the layers take: the database keeps its pages for the next ones.
disk_bytes() { du -s --block-size=1 --exclude='graph.db*' "$GRAPHCTL_ROOT" | cut -f 1; }

work_in_container() {
    local top=$1
    run graphctl create --id web --parent "$top" --label purpose=demo
    run graphctl mount web
    mountpoint=$result
    in_tree "$mountpoint" dpkg --verify
    expect_nothing
    in_tree "$mountpoint" apt-get --version
    in_tree "$mountpoint" python3 -c 'import sys, os; print(sys.version, len(os.listdir("/etc")))'
    in_tree "$mountpoint" perl -e 'print "perl $]: ", scalar(@{[glob "/usr/bin/*"]}), " programs\n"'

    in_tree "$mountpoint" sh -c 'echo changed >>/etc/motd && chmod 0640 /etc/issue'
    in_tree "$mountpoint" sh -c 'mkdir -p /opt/app/bin && ln /etc/motd /opt/app/motd && ln -s /bin/sh /opt/app/bin/run'
    in_tree "$mountpoint" rm /etc/hostname
    in_tree "$mountpoint" sh -c 'rm -r /etc/site.d && echo a file again >/etc/site.d'
    in_tree "$mountpoint" mv /usr/share/ca-certificates /usr/share/certificates
    run graphctl changes web
    for line in 'M /etc/motd' 'M /etc/issue' 'A /opt/app/motd' 'D /etc/hostname' 'M /etc/site.d' \
        'D /usr/share/ca-certificates' 'A /usr/share/certificates'; do expect_line "$line"; done
}

same_trees() {
    printf '\n$ compare %s\n' "$*"
    diff <(listing "$1") <(listing "$2") | head -n 20 || fail "the trees differ"
    echo "the same: names, types, modes, owners, times, links, xattrs, contents"
}

demo() {
    export GRAPHCTL_DRIVER=$1 GRAPHCTL_ROOT=$work/$1 GRAPHCTL_RUN_ROOT=$work/run-$1
    local before after top mountpoint other
    printf '\n==== %s ====\n' "$1"
    run graphctl create --id first # makes the store, and the directories that stay
    run graphctl rm first
    run graphctl gc
    run graphctl info
    before=$(disk_bytes)

    run graphctl import "$image" --name debian
    top=$result
    run graphctl ls
    run graphctl images
    run graphctl tree

    work_in_container "$top"
    run graphctl diff web -o "$work/web.tar"
    run graphctl apply --id copy --parent "$top" "$work/web.tar"
    run graphctl view --id look --parent copy
    run graphctl mount look
    other=$result
    same_trees "$mountpoint" "$other"
    listing "$mountpoint" >"$work/web.listing"
    run graphctl unmount look
    run graphctl unmount web

    run graphctl commit web --id web-1
    run graphctl create --id second --parent web-1
    run graphctl mount second
    other=$result
    in_tree "$other" cat /etc/motd
    expect_line changed
    printf '\n$ compare %s with what web was\n' "$other"
    diff "$work/web.listing" <(listing "$other") | head -n 20 || fail "the trees differ"
    echo "the same"
    run graphctl df
    run graphctl usage web-1
    run graphctl unmount "$other"

    run graphctl export --layer web-1 "oci:$work/out:web"
    run skopeo inspect "oci:$work/out:web"
    run graphctl rm second look copy web-1
    run graphctl rmi debian
    run graphctl gc
    run graphctl check --deep
    run graphctl ls
    after=$(disk_bytes)
    echo "disk usage without the database: $before bytes before, $after after"
    [ "$after" -le "$before" ] || fail "disk usage is not back"
    rm -r "$work/web.tar" "$work/web.listing" "$work/out"
}

image=$(Tests/scripts/make-image.sh)
run skopeo inspect --raw "oci:$image:debian"
demo overlay
demo vfs
rm -r "$work"
printf '\nThe main job is done on overlay and on vfs, and nothing is left behind.\n'
