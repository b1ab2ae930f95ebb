#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# listed-env.sh WHERE COMMAND…: runs COMMAND with what is listed here of this process's environment, and
# with nothing else of it: a fixed umask and locale, no descriptor but 0, 1 and 2. WHERE is
#   machine    COMMAND works with this machine's files, in namespaces or not
#   debian     COMMAND makes a Debian root, whose packages' scripts get the environment that it has
#   guest      COMMAND runs under another kernel, which sets its own paths
#   tree=TREE  COMMAND is a program of TREE: chroot(1), from its /, without input
set -euo pipefail

where=$1
shift
list=(LC_ALL=C.UTF-8)
keep() {
    local name
    for name; do [ -z "${!name+set}" ] || list+=("$name=${!name}"); done
}

# What the tests and their scripts are told. Settings of the command itself (GRAPHCTL_ROOT and others)
# are not among them: each test makes its own.
for_tests=("${!GRAPH_@}" GRAPHCTL NO_COLOR ASAN_OPTIONS TSAN_OPTIONS LLVM_PROFILE_FILE)
# How this machine reaches a package mirror; apt and its programs know these names.
for_network=(http_proxy https_proxy no_proxy)

case $where in
machine)
    PATH+=:/usr/sbin:/sbin # su(1) leaves them out
    keep PATH HOME TMPDIR TERM XDG_CACHE_HOME APT_CONFIG "${for_tests[@]}" "${for_network[@]}"
    ;;
debian | tree=*)
    PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb DEBIAN_FRONTEND=noninteractive
    keep PATH HOME TERM DEBIAN_FRONTEND "${for_network[@]}"
    ;;&
debian) keep TMPDIR ;; # for its own files: mmdebstrap(1) takes it away from what runs in the root
tree=*)
    set -- chroot "${where#tree=}" "$@"
    exec </dev/null
    ;;
guest) keep UML_DISK "${for_tests[@]}" ;;
*) sed -n '5,10s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac

umask 022
[ -d /proc/self/fd ] || { echo 'listed-env.sh: no /proc/self/fd: which descriptors are open?' >&2; exit 1; }
for descriptor in /proc/self/fd/*; do
    number=${descriptor##*/}
    [ "$number" -le 2 ] || [ "$number" = 255 ] || eval "exec $number>&-" # 255 is this script
done
exec env -i "${list[@]}" "$@"
