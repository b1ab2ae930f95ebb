# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# To be sourced: where this machine gets packages from, so that a mirror or proxy that works here is the
# one that is used elsewhere.

# Debian's repositories, as lines for sources.list.
debian_sources() {
    local format='deb $(REPO_URI) $(RELEASE) $(COMPONENT)' filters=('Created-By: Packages' 'Origin: Debian')
    [ -n "$(apt-get indextargets "${filters[@]}")" ] || apt-get -q update
    apt-get indextargets --format "$format" "${filters[@]}" | grep -E ' bookworm(-updates|-security)? main$'
}

# apt's settings of the way there, as apt.conf(5).
transport_settings() {
    apt-config dump --format '%F "%v";%n' \
        Acquire::http::Proxy Acquire::https::Proxy Acquire::Check-Valid-Until Acquire::Check-Date
}

# What git puts for the beginnings of URLs: KEY and VALUE, each ended by a zero byte.
git_url_rules() {
    git config --list -z | tr '\n\0' '\0\n' | { grep -aE '^url[.].*[.](push)?insteadof' || true; } | tr '\n' '\0'
}
